"""Which part of a document a person means by a heading."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from unioneyes.kernel.problems import BadInput
from unioneyes.runbook.documents.markdown import slug_of
from unioneyes.runbook.documents.model import Block, Document
from unioneyes.runbook.documents.words import with_undos


def chosen(document: Document, *, only: str | None, start: str | None) -> tuple[Block, ...]:
    """Return the blocks that stand under the heading `only`, or from the heading `start` on; all of them when neither is given.

    What takes a block back comes with it, whatever stands above that. Raises: UnknownHeading.
    """
    if only is not None and start is not None:
        raise UnknownHeading(what="one heading alone, and everything from a heading on, are two different things", remedy="give --only or --from")
    if only is not None:
        path = _path(document, only)
        there = {block.line for block in document.blocks if block.path[: len(path)] == path}
        undos = {undo.line for block, _, undo in with_undos(document.blocks) if undo is not None and block.line in there}  # they stand below the label's block
        return tuple(block for block in document.blocks if block.line in there | undos)
    if start is not None:
        path = _path(document, start)
        first = next((at for at, block in enumerate(document.blocks) if block.path[: len(path)] == path), len(document.blocks))
        return document.blocks[first:]
    return document.blocks


def _path(document: Document, wanted: str) -> tuple[str, ...]:
    """Return the place that `wanted` names: by its words, its link, or a part of its words that no other one has. Raises: UnknownHeading."""
    places = _places(document)
    same = [path for path in places if wanted.strip().lower() == path[-1].lower() or slug_of(wanted.lstrip("#")) == slug_of(path[-1])]
    near = same or [path for path in places if wanted.strip().lower() in path[-1].lower()]
    if len(near) == 1:
        return near[0]
    if near:
        raise UnknownHeading(what=f"{len(near)} headings are called {wanted!r}", remedy=f"one of: {_listed(near)}")
    titles = {path[-1]: path for path in places}
    close = [titles[title] for title in difflib.get_close_matches(wanted, titles, n=3, cutoff=0.4)] or list(places)
    raise UnknownHeading(what=f"{document.name} has no step under a heading called {wanted!r}", remedy=f"one of: {_listed(close)}")


def _places(document: Document) -> tuple[tuple[str, ...], ...]:
    """Return every heading and bold line under which a step stands."""
    found = {block.path[:depth]: None for block in document.steps for depth in range(1, len(block.path) + 1)}
    return tuple(found)


def _listed(paths: Sequence[tuple[str, ...]]) -> str:
    return "; ".join(path[-1] if sum(other[-1] == path[-1] for other in paths) == 1 else " > ".join(path) for path in paths)


class UnknownHeading(BadInput):
    """The document has no such heading, or several."""
