"""Who was erased stays erased: an earlier database does not bring them back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from unioneyes.kernel.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedAgain:
    """Nobody is in the database who was erased since the moment of it."""

    persons: int
    took: timedelta


class Erasures(Protocol):
    """Knows who was erased, whatever becomes of the database that they were erased from."""

    @property
    def kept(self) -> bool:
        """True where somebody keeps who was erased; else an earlier database brings them back."""

    def erase_again(self, database: str, *, since: datetime) -> ErasedAgain:
        """Whoever was erased since then is erased in `database` of the operated server too, which serves nobody yet. Safe to repeat.

        Raises: NotErased (some may be there: it must not serve), DatabaseUnavailable.
        """

    def describe_erase_again(self, database: str, *, since: datetime) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""


class NotErased(Problem):
    """Somebody who was erased may still be in an earlier database: it must not serve."""
