"""Who keeps base backups and the log: this program itself (`plain.py`), or another one whose catalogue is used (`barman/`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from unioneyes.adapters.postgres.recovery.positions import Segment
from unioneyes.adapters.postgres.recovery.reach import Kept
from unioneyes.ports.recovery import BaseBackup, KeptBy, LogFault, Pruned, WalMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Which file each table had, by which the transaction is found that dropped it."""

    files: Mapping[str, str]
    """Table -> its file (`public.claims` -> `base/16384/24601`)."""
    since: str
    """The position in the log from which on that is so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How the log is kept."""

    mode: WalMode
    receiver: str | None
    """The name under which whoever receives it is seen by the server; None where nobody should."""
    slot: str | None
    """The slot by which it is received."""
    window: timedelta
    """How far back one should be able to recover."""
    kept_by: KeptBy | None = None
    faults: tuple[LogFault, ...] = ()
    """What another program that keeps it finds wrong."""


class Log(Protocol):
    """The log that is kept."""

    @property
    def size(self) -> int:
        """Bytes of one segment."""

    def kept(self) -> Kept:
        """Return what is there. Raises: CatalogueUnavailable."""

    def bytes(self) -> int:
        """Return how much room it takes."""

    def held(self, segments: Iterable[Segment]) -> AbstractContextManager[Path]:
        """Give a folder in which these segments stand under their names, also the one that is being written, for programs that know no other names."""

    def restoring(self, segments: Iterable[Segment]) -> AbstractContextManager[str]:
        """Give the command by which PostgreSQL takes these segments and the history of timelines, for as long as the block lasts."""

    def describe_restoring(self) -> str:
        """Return the command that a person would give PostgreSQL for the same."""


class Catalogue(Protocol):
    """Base backups, and the log after them. Every change is safe to repeat."""

    @property
    def log(self) -> Log:
        """The log."""

    @property
    def whole(self) -> bool:
        """True where the files of a base backup hold the log that was written while it was made; else that is taken from what is kept."""

    @property
    def database_url(self) -> SecretStr:
        """The operated database's address, of a role that may stream."""

    @property
    def folder(self) -> Path:
        """Ours, where recoveries stand."""

    def bases(self) -> tuple[BaseBackup, ...]:
        """Return every base backup that can be recovered from, newest first. Raises: CatalogueUnavailable."""

    def needed(self) -> int:
        """Return the bytes that a recovery from the newest one takes."""

    def keeping(self, *, faults: bool) -> Keeping:
        """Return how the log is kept; with `faults`, also what another keeper finds wrong, which takes it a moment. Raises: CatalogueUnavailable."""

    def tables(self, name: str) -> Tables | None:
        """Return what was written down of the tables at a base backup; None where nothing was."""

    def note(self, name: str, tables: Tables) -> None:
        """It is written down, for the next who asks."""

    def take(self, name: str, *, incremental: bool) -> BaseBackup:
        """A base backup called `name` exists. Raises: BaseFailed, NoParent, DatabaseUnavailable, BadInput, CatalogueUnavailable."""

    def verify(self, name: str) -> BaseBackup:
        """Return the base backup once each file of it, and of those it holds the changes since, is what the server sent. Raises: BaseBroken, NoSuchBase."""

    def lay_out(self, name: str, into: Path) -> None:
        """A data folder `into`, which was not there, holds the files of the base backup. Raises: ProgramFailed, BaseBroken, NoSuchBase."""

    def prunable(self) -> Pruned:
        """Return what nobody needs for the window."""

    def prune(self) -> Pruned:
        """It is gone."""

    def describe_take(self, name: str, *, incremental: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def describe_lay_out(self, name: str, into: Path) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def describe_prune(self) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
