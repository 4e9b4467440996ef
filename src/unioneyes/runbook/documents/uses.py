"""Where the value of a variable is put in, in a bash block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from unioneyes.runbook.documents.syntax import EXPANSIONS, Around, Reach, text_of, variable_of

_DEFAULTS = {":-", "-", ":+", "+", ":=", "="}
_NAME = re.compile(r"[A-Za-z_]\w*")
_COMPARES_NUMBERS = re.compile(r"-(eq|ne|gt|lt|ge|le)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One place where a variable's value is put in."""

    name: str
    line: int
    bare: bool
    """True outside double quotes: the shell splits the value at blanks, and expands `*` in it."""
    optional: bool
    """True where a default stands beside it: `${NAME:-default}`."""
    reach: Reach
    word: str
    """The word, or the here-document, that it is a part of."""
    beside: str | None
    """What else stands in that word; None where the value is all of it."""
    command: int | None
    """Where the command begins that gets it; None where it is no single one."""
    sets: str | None
    """The variable that is set to it."""
    captured: bool
    """True where it stands in `$(...)`."""


def uses_of(nodes: list[tuple[Node, Around]]) -> Iterator[Use]:
    """Yield every place, in the order of the text."""
    for node, around in nodes:
        if node.type in EXPANSIONS and variable_of(node):
            yield _use(node, around, variable_of(node))
        elif around.reach is Reach.COUNTED and _is_a_number(node):
            yield _use(node, around, text_of(node))


def _use(node: Node, around: Around, name: str) -> Use:
    word = around.word or node
    whole = word == node or (word.type == "string" and text_of(word) == f'"{text_of(node)}"')
    return Use(
        name=name,
        line=node.start_point.row + 1,
        bare=not around.quoted and around.reach is not Reach.COUNTED,
        optional=any(child.type in _DEFAULTS for child in node.children),
        reach=around.reach,
        word=text_of(word),
        beside=None if whole else text_of(word).replace(text_of(node), "").replace('"', ""),
        command=around.command,
        sets=around.sets if around.reach is Reach.SET else None,
        captured=around.captured,
    )


def _is_a_number(node: Node) -> bool:
    """Return True for a variable that bash reads without a `$`: `(( ERRORS > 5 ))`, `[[ ERRORS -gt 5 ]]`."""
    above = node.parent
    if node.type not in {"variable_name", "word"} or above is None or not _NAME.fullmatch(text_of(node)):
        return False
    if any(child.type == "test_operator" for child in above.children):
        return any(_COMPARES_NUMBERS.fullmatch(text_of(child)) for child in above.children)
    return above.type.endswith("_expression") or above.type == "arithmetic_expansion"
