"""Plans: how the database would get the rows of a statement, or how it did.

Source: Database Operations, "Slow Query Investigation", "Explain problematic query".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from unioneyes.kernel.problems import BadInput, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """A table that a plan reads."""

    name: str
    """`public.members`."""
    rows: int
    """As the statistics have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A plan, as PostgreSQL told it; without any value that stood in the statement."""

    query: str
    """With `?` or `$1` in place of each value."""
    role: str
    """Who would run it: plans differ by what one may see."""
    generic: bool
    """True where it is made for whatever values its parameters have."""
    analyzed: bool
    """True where the statement was carried out, and the plan says what happened."""
    document: JsonValue
    """What `EXPLAIN (FORMAT JSON, VERBOSE)` answered, with its conditions' values blotted out."""
    tables: tuple[TableSize, ...]


class Plans(Protocol):
    """Plans of the operated database's statements. Nothing here changes anything: each runs in a transaction that only reads and is rolled back."""

    def explain(self, statement: str, *, typed: bool) -> Explained:
        """Return how `statement` would be carried out; it is not. Where it has parameters, the plan is a generic one.

        `typed` is whether whoever asks wrote it: what is wrong with one that members caused is said without the server's words, which quote from it.
        Raises: NotExplained, DatabaseUnavailable, NoReader.
        """

    def analyze(self, statement: str, *, typed: bool) -> Explained:
        """Return how `statement` was carried out, once, and rolled back: in a transaction that only reads, within seconds, waiting for no lock.

        Whoever calls this has made sure that it is one that only reads; the server is asked for the same, once more. Raises: NotExplained, TookTooLong,
        MayTooMuch, DatabaseUnavailable, NoReader.
        """


class NotExplained(BadInput):
    """The server makes no plan of this."""


class TookTooLong(Refused):
    """The statement took longer than it may, or waited for a lock, and was ended."""


class MayTooMuch(Refused):
    """The role could do more than any limit of ours would stop."""


class NoReader(Refused):
    """The environment knows no role that may read what its queries read."""
