"""Recovery to the second: base backups, the log that was received since, and what can be brought back from both.

Every time of it is the database server's own, as it stands in the log: whoever asks may have a wrong clock. A position in the log (LSN) is written as
PostgreSQL writes it: `0/3000148`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from unioneyes.kernel.problems import BadInput, NotFound, Problem, Refused


class WalMode(StrEnum):
    """How the log is kept, as `[backup] wal` says."""

    NONE = "none"
    """It is not: what was committed after the last base backup is lost with the server."""
    RECEIVE = "receive"
    """Received as it is written: a commit may be answered a moment before it is kept."""
    SYNCHRONOUS = "synchronous"
    """No commit is answered before it is kept; while nobody receives, commits wait."""
    ARCHIVED = "archived"
    """The server hands it over, one segment at a time: what stands in the last one is lost with it. Only where another program keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseBackup:
    """A copy of the server's files, from which recovery begins."""

    name: str
    """`base_20260209_020000`."""
    path: Path
    parent: str | None
    """The base backup that this one holds the changes since; None where it is whole by itself."""
    started_at: datetime
    ended_at: datetime
    """From this moment on it can be recovered to; both by the server's clock."""
    took: timedelta
    bytes: int
    files: int | None
    """How many the server listed; None where nobody kept its list, and nothing is compared with it."""
    timeline: int
    start_lsn: str
    end_lsn: str
    server_version: str
    checksum: str | None
    """SHA-256 of the list of its files and their checksums; None where nobody kept it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time that can be recovered to, without a hole in it."""

    since: datetime
    until: datetime
    """The last commit that is kept."""
    until_lsn: str
    bases: tuple[str, ...]
    """From which one recovers into it, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Segments of the log that are missing between two that are there."""

    timeline: int
    first: str
    """Name of the first missing segment."""
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFault:
    """Something that keeps the log from leading on."""

    key: str
    """The same for as long as it lasts."""
    what: str
    remedy: str
    stays: bool
    """True where it does not pass by itself, nor comes back: a hole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBy:
    """Another program that keeps base backups and the log, whose catalogue is used: it makes them, and removes them, by its own settings too."""

    program: str
    """`Barman 3.19.1`."""
    server: str
    """What it calls the database's server."""
    retention: str | None
    """How long it keeps them, in its own words; None where it removes none by itself."""
    complaints: tuple[str, ...]
    """What it finds wrong, as far as that was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalView:
    """How the log is kept now."""

    mode: WalMode
    streaming: bool | None
    """Whether it is received at this moment; None where the server does not answer."""
    received: str | None
    """How far, as the server was told; None where nobody receives."""
    behind: int | None
    """Bytes of the log that were written and not received; None where nobody knows."""
    slot: str | None
    """What the server says of the log that it keeps for the receiver: `reserved`, `extended`, `unreserved`, `lost`; None where it keeps none."""
    slot_room: int | None
    """Bytes that the receiver may fall behind further before the server throws away what it did not receive."""
    segments: int
    bytes: int
    gaps: tuple[Gap, ...]
    windows: tuple[Window, ...]
    """Newest first."""
    wanted: timedelta
    """How far back one should be able to recover."""
    bases: tuple[BaseBackup, ...]
    """Newest first."""
    kept_by: KeptBy | None = None
    """None where `ue` keeps them itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to recover to; exactly one of them is given."""

    time: datetime | None = None
    """The last commit at or before this moment is there, the next is not."""
    before_xid: int | None = None
    """Everything that was committed before this transaction."""
    before_drop: str | None = None
    """Everything that was committed before the transaction that dropped this table."""
    end: bool = False
    """Everything that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPoint:
    """A target that was found in the log."""

    base: str
    """The base backup that recovery begins from."""
    timeline: int
    """Of the log, in which it ends."""
    said: str
    """In words: `just before transaction 790, which dropped public.claims at 2026-02-09T14:30:00.123Z`."""
    segments: int
    """Of the log, from the base backup to there."""
    time: datetime | None = None
    """The moment at which it ends; with neither this nor a transaction, at the end of what is kept."""
    xid: int | None = None
    """The transaction before whose commit it ends."""
    table: str | None = None
    """The one that was dropped by it: it has to be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A scratch server holds the database as it was, and can be written to; nothing of what happens there reaches the live one."""

    name: str
    stopped: str
    """Where it stopped, in PostgreSQL's own words."""
    last_commit: datetime | None
    """The last transaction that is there."""
    tables: int
    rows: int
    took: timedelta
    way_in: str
    """What a person types to look at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was recovered stands in a new database on the live server."""

    database: str
    table: str | None
    """The one whose rows it holds; None where it holds everything."""
    rows: int
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What nobody needs any more for the window is gone."""

    bases: tuple[str, ...]
    segments: int
    bytes: int
    kept_by: KeptBy | None = None
    """Who removes them instead, where that is another program's business: then nothing was removed here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How far one keeper of the primary's data is behind it."""

    keeper: str
    """`replica` or `archive`, or the name by which a standby streams."""
    synchronous: bool
    """True where a commit waits for it."""
    behind_bytes: int | None
    """Of the log that it has not; None where nobody knows."""
    behind: timedelta | None
    """How long ago what it lacks was written; None where nobody knows."""
    connected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FailoverView:
    """What would be lost if the primary were gone this moment, with its disk."""

    exposures: tuple[Exposure, ...]
    synchronous: bool
    """True where a commit is answered only when another keeper has it."""
    last_base: datetime | None
    """When the newest base backup ended."""
    promotion: timedelta | None
    """How long promoting the replica took in the last drill; None where none was measured."""


class Recovery(Protocol):
    """Base backups and the log. Every change is safe to repeat: what was done already stays, and what an attempt left half-done is gone with the next.

    Where another program keeps them, whatever looks at its catalogue also raises CatalogueUnavailable.
    """

    def bases(self) -> tuple[BaseBackup, ...]:
        """Return every base backup that can be recovered from, newest first, as the manifests beside them say, or the catalogue of who keeps them."""

    def back_up(self, name: str, *, incremental: bool) -> BaseBackup:
        """A base backup called `name` exists, its files are those that the server sent, and a self-describing manifest stands beside it.

        Raises: BaseFailed (nothing is left of it), NoParent (nothing to be incremental on), DatabaseUnavailable.
        """

    def verify(self, name: str) -> BaseBackup:
        """Return the base backup once each of its files has the size and the checksum that the server told, where it told. Raises: BaseBroken, NoSuchBase."""

    def wal(self) -> WalView:
        """Return how the log is kept, and what can be recovered to. Never a window across a gap. Answers without the server, too."""

    def faults(self) -> tuple[LogFault, ...]:
        """Return what keeps the log from leading on, for whoever looks often; nothing where it is not kept. Answers without the server, too."""

    def find(self, target: Target) -> RecoveryPoint:
        """Return where recovery begins and ends. Raises: OutsideWindow, NoSuchTransaction, NoSuchDrop, DatabaseUnavailable."""

    def room(self) -> tuple[int, int]:
        """Return the bytes that the newest recovery would take, and those that are free where it would stand."""

    def recover(self, name: str, point: RecoveryPoint) -> Recovered:
        """A scratch server called `name` holds the database as it was at `point`. One that an earlier attempt left is replaced.

        Raises: RecoveryFailed (nothing is left of it), BaseBroken.
        """

    def running(self, name: str) -> bool:
        """Return whether the scratch server of that name accepts connections."""

    def require_absent(self, database: str) -> None:
        """Return where the live server has no database of that name. Raises: DatabaseExists, DatabaseUnavailable."""

    def export(self, name: str, *, into: str, table: str | None) -> Exported:
        """The live server has a new database `into` with what the scratch server holds; of one table alone, with every other one empty.

        Raises: DatabaseExists, RecoveryFailed (nothing is left of it), DatabaseUnavailable.
        """

    def discard_export(self, name: str, *, into: str) -> None:
        """The live server has no database `into`, where `export` made it from `name`; another one is left alone."""

    def discard(self, name: str) -> None:
        """The scratch server of that name is gone, with its files."""

    def prunable(self) -> Pruned:
        """Return what nobody needs for the window. Never the newest base backup, nor the log after it; nothing, where another program removes it."""

    def prune(self) -> Pruned:
        """What nobody needs for the window is gone, where no other program removes it."""

    def failover(self) -> FailoverView:
        """Return what would be lost with the primary. Raises: DatabaseUnavailable."""

    def describe_back_up(self, name: str, *, incremental: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def describe_recover(self, name: str, point: RecoveryPoint) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def describe_export(self, name: str, *, into: str, table: str | None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def describe_prune(self) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""


class CatalogueUnavailable(Problem):
    """Who keeps the base backups and the log can't be asked, or answers what nobody understands."""


class BaseFailed(Problem):
    """The base backup could not be made; nothing is left of it."""


class BaseBroken(Problem):
    """A base backup is not what the server sent."""


class NoSuchBase(NotFound):
    """No base backup has this name."""


class NoParent(Refused):
    """There is no base backup that an incremental one could hold the changes since."""


class BadTarget(BadInput):
    """It was not said what to recover to, or not in a way that is understood."""


class OutsideWindow(Refused):
    """What was asked for can't be recovered to."""


class NoSuchTransaction(Refused):
    """No such transaction was committed in the log that is kept."""


class NoSuchDrop(Refused):
    """No transaction of the log that is kept dropped this table."""


class RecoveryFailed(Problem):
    """PostgreSQL could not recover, or what was recovered could not be brought over; nothing is left of it."""
