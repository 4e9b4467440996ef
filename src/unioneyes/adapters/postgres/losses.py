"""What a rollback file destroys, by its text: pure, so that it can be said before the migration was ever applied anywhere.

Whatever may destroy data and is not understood is named as unknown: a loss that was announced for nothing costs a question, one that was not costs the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unioneyes.adapters.postgres.words import Token, behind, name, named, parts, spoken
from unioneyes.ports.database import LossKind

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
        whole = ".".join((*self.table, *((self.column,) if self.column else ())))
        return whole or self.words


def destroyed(script: str) -> tuple[Destroyed, ...]:
    """Return what `script` destroys, in its order, each once."""
    found = (one for statement in spoken(script) for one in _of(statement))
    return tuple(dict.fromkeys(found))


def _of(tokens: Sequence[Token]) -> Iterator[Destroyed]:
    match [token.keyword for token in tokens]:
        case ["DROP", "TABLE", *_]:
            for part in parts(tokens[2:]):
                yield Destroyed(kind=LossKind.TABLE, table=name(part))
        case ["ALTER", "TABLE", *_]:
            yield from _altered(tokens[2:])
        case ["TRUNCATE", *_]:
            for part in parts(tokens[1:]):
                yield Destroyed(kind=LossKind.VALUES, table=name(part))
        case ["DELETE", "FROM", *_]:
            yield Destroyed(kind=LossKind.VALUES, table=name(tokens[2:]))
        case ["UPDATE", *_]:
            yield Destroyed(kind=LossKind.VALUES, table=name(tokens[1:]))
        case ["DROP", what, *rest] if what in _CASCADES and (what in {"SCHEMA", "OWNED"} or "CASCADE" in rest):
            yield _unknown(tokens)
        case [first, *_] if first in _RUNS_CODE:
            yield _unknown(tokens)


def _altered(tokens: Sequence[Token]) -> Iterator[Destroyed]:
    """Yield what the actions of ALTER TABLE destroy; `tokens` begin behind these two words."""
    table, actions = named(tokens)
    for action in parts(actions):
        match [token.keyword for token in action]:
            case ["DROP", "CONSTRAINT", *_]:
                continue
            case ["DROP", *_]:
                yield Destroyed(kind=LossKind.COLUMN, table=table, column=name(behind(action[1:], "COLUMN"))[0])
            case ["ALTER", *rest] if "TYPE" in rest:
                yield Destroyed(kind=LossKind.VALUES, table=table, column=name(behind(action[1:], "COLUMN"))[0])


def _unknown(tokens: Sequence[Token]) -> Destroyed:
    return Destroyed(kind=LossKind.UNKNOWN, words=" ".join(token.name for token in tokens[:_SHOWN_WORDS]))
