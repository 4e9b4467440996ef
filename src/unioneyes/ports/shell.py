"""A shell on the machine that operates the service, for the blocks of people's own runbooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from unioneyes.kernel.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A block that ended well."""

    output: str
    """What it printed: its beginning and its end, where it is long."""
    took: timedelta


class Shell(Protocol):
    """Runs bash."""

    def missing(self, programs: Iterable[str]) -> tuple[str, ...]:
        """Return those of `programs` that can't be run here, in their order."""

    def run(self, script: str, *, variables: Mapping[str, str], within: timedelta, meanwhile: Callable[[str], None]) -> Ran:
        """`script` was run to its end, and each of its commands ended well: the first that does not ends it.

        `variables` are its environment, beside the few that every program needs; they never become a part of its text. `meanwhile` is called
        several times a second with the last whole line that it printed; whatever that raises ends the script, and all that it started, at once.
        What a script that ends by itself left in the background ends with it, but for what made itself a session of its own, as daemons do
        (`pg_ctl start`, `setsid`): that goes on. What is kept of its output are whole lines, without the characters that terminals obey.
        Raises: BlockFailed, BlockTookTooLong.
        """


@dataclass(kw_only=True, eq=False)
class BlockFailed(Problem):
    """A block ended with an error; what stands before it in the block was done."""


@dataclass(kw_only=True, eq=False)
class BlockTookTooLong(Problem):
    """A block took longer than it may, and was ended with all that it had started."""
