"""What a chapter gives to its page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from unioneyes.kernel.upkeep import Upkeep
from unioneyes.runbook.definition import Definition
from unioneyes.runbook.pages.card import card
from unioneyes.runbook.pages.contents import Chapter
from unioneyes.runbook.pages.upkeep import foot, head

WRITTEN_BY = "<!-- Written by `ue runbook pages`; change the code, not this page. -->"
Cards = Callable[[str], Iterator[str]]
"""Returns the lines of a runbook by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChapterPage:
    """A chapter of the document that a program does."""

    chapter: Chapter
    runbooks: tuple[str, ...]
    """The names of those that stand on it."""
    lines: Callable[[Cards], Iterator[str]]
    """Returns what stands on it, under the document's headings, in their order."""


def chapter_page(page: ChapterPage, runbooks: Mapping[str, Definition], commands: Mapping[str, str], upkeep: Upkeep) -> Iterator[str]:
    """Yield the lines of the page; `commands` says what a person types for each runbook."""
    yield f"# {page.chapter.number}. {page.chapter.title}\n"
    yield f"{WRITTEN_BY}\n"
    yield from head(upkeep)
    yield from page.lines(lambda name: card(runbooks[name], commands[name]))
    yield from foot(upkeep)
