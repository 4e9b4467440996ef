"""What a rollback file destroys, by its text: pure, so that it can be said before the migration was ever applied anywhere.

Whatever may destroy data and is not understood is named as unknown: a loss that was announced for nothing costs a question, one that was not costs the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unioneyes.adapters.postgres.statements import blanked
from unioneyes.ports.database import LossKind

_TOKEN = re.compile(r'"(?:[^"]|"")*"|[A-Za-z_][\w$]*|[.,;()]')
_CASCADES = {"TYPE", "DOMAIN", "EXTENSION", "SCHEMA", "OWNED"}
"""What may stand behind DROP and takes columns or tables along."""
_RUNS_CODE = {"DO", "CALL", "SELECT", "WITH", "EXECUTE", "MERGE", "COPY"}
_SHOWN_WORDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """One thing that a statement destroys."""

    kind: LossKind
    table: tuple[str, ...] = ()
    """Its name's parts, as the catalogue spells them; empty where it is unknown."""
    column: str | None = None
    words: str = ""
    """First words of the statement, where nothing else is known of it."""

    @property
    def what(self) -> str:
        """It, as people name it."""
        named = ".".join((*self.table, *((self.column,) if self.column else ())))
        return named or self.words


@dataclass(frozen=True, slots=True)
class _Token:
    name: str
    """As the catalogue spells it: unquoted words in small letters."""
    keyword: str
    """In capitals; empty for a quoted name, which is never a keyword."""


def destroyed(script: str) -> tuple[Destroyed, ...]:
    """Return what `script` destroys, in its order, each once."""
    found = (one for statement in _statements(script) for one in _of(statement))
    return tuple(dict.fromkeys(found))


def _statements(script: str) -> Iterator[list[_Token]]:
    tokens: list[_Token] = []
    for match in _TOKEN.finditer(blanked(script, names=True)):
        text = match[0]
        if text == ";":
            if tokens:
                yield tokens
            tokens = []
        elif text.startswith('"'):
            tokens.append(_Token(text[1:-1].replace('""', '"'), ""))
        else:
            tokens.append(_Token(text.lower(), text.upper()))
    if tokens:
        yield tokens


def _of(tokens: Sequence[_Token]) -> Iterator[Destroyed]:
    match [token.keyword for token in tokens]:
        case ["DROP", "TABLE", *_]:
            for part in _parts(tokens[2:]):
                yield Destroyed(kind=LossKind.TABLE, table=_name(part))
        case ["ALTER", "TABLE", *_]:
            yield from _altered(tokens[2:])
        case ["TRUNCATE", *_]:
            for part in _parts(tokens[1:]):
                yield Destroyed(kind=LossKind.VALUES, table=_name(part))
        case ["DELETE", "FROM", *_]:
            yield Destroyed(kind=LossKind.VALUES, table=_name(tokens[2:]))
        case ["UPDATE", *_]:
            yield Destroyed(kind=LossKind.VALUES, table=_name(tokens[1:]))
        case ["DROP", what, *rest] if what in _CASCADES and (what in {"SCHEMA", "OWNED"} or "CASCADE" in rest):
            yield _unknown(tokens)
        case [first, *_] if first in _RUNS_CODE:
            yield _unknown(tokens)


def _altered(tokens: Sequence[_Token]) -> Iterator[Destroyed]:
    """Yield what the actions of ALTER TABLE destroy; `tokens` begin behind these two words."""
    table, actions = _named(tokens)
    for action in _parts(actions):
        match [token.keyword for token in action]:
            case ["DROP", "CONSTRAINT", *_]:
                continue
            case ["DROP", *_]:
                yield Destroyed(kind=LossKind.COLUMN, table=table, column=_name(_behind(action[1:], "COLUMN"))[0])
            case ["ALTER", *rest] if "TYPE" in rest:
                yield Destroyed(kind=LossKind.VALUES, table=table, column=_name(_behind(action[1:], "COLUMN"))[0])


def _parts(tokens: Sequence[_Token]) -> Iterator[Sequence[_Token]]:
    """Yield what stands between the commas outside of brackets."""
    part: list[_Token] = []
    depth = 0
    for token in tokens:
        depth += (token.name == "(") - (token.name == ")")
        if token.name == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part


def _name(tokens: Sequence[_Token]) -> tuple[str, ...]:
    return _named(tokens)[0]


def _named(tokens: Sequence[_Token]) -> tuple[tuple[str, ...], Sequence[_Token]]:
    """Return the name that `tokens` begin with, part by part, and what stands behind it."""
    rest = _behind(tokens, "TABLE", "IF", "EXISTS", "ONLY")
    parts = [token.name for token in rest[:1]]
    rest = rest[1:]
    while len(rest) > 1 and rest[0].name == ".":
        parts.append(rest[1].name)
        rest = rest[2:]
    return tuple(parts), rest


def _behind(tokens: Sequence[_Token], *words: str) -> Sequence[_Token]:
    """Return `tokens` without those of `words` that they begin with."""
    at = 0
    while at < len(tokens) and tokens[at].keyword in words:
        at += 1
    return tokens[at:]


def _unknown(tokens: Sequence[_Token]) -> Destroyed:
    return Destroyed(kind=LossKind.UNKNOWN, words=" ".join(token.name for token in tokens[:_SHOWN_WORDS]))
