"""How the operated database is: what it holds, what it is behind with, and how far its copies are behind. What nobody can know has a reason, and is never 0.

Source: Monitoring and Alerting, "Database Metrics"; Database Operations, "Replication Lag".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from unioneyes.kernel.problems import Refused

OLDEST, TESTED = 15, (15, 18)
"""Major versions of PostgreSQL: the oldest that is taken, and those on which the tests run; the ones between and beyond are untested, and named so."""


def untested(version: str) -> str:
    """Return what is to be said of a version that no test runs on, such as `16.9` or `19beta1`; nothing of the others."""
    major = re.match(r"\d+", version)
    return "" if major and int(major[0]) in TESTED else f"untested: tests run on {' and '.join(map(str, TESTED))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Something that can't be known here."""

    what: str
    """`disk`, `heartbeat`, ..."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableVitals:
    """One table, its indexes and its long values."""

    name: str
    """`public.claims`."""
    bytes: int
    rows: int
    """As the statistics have it."""
    dead: int
    """Rows that were changed or deleted, and still take room."""
    dead_allowed: int
    """From how many on autovacuum cleans it up, by its settings and the server's."""
    vacuumed_at: datetime | None
    """By whoever did it; None where that never happened since statistics are kept."""

    @property
    def overdue(self) -> bool:
        """True where autovacuum should have come by now."""
        return self.dead > self.dead_allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Wraparound:
    """How old the oldest transaction is that some row still needs: at 2^31 PostgreSQL takes no more writes."""

    database: str
    age: int
    """In transactions: the oldest of any database of the server."""
    freeze_at: int
    """`autovacuum_freeze_max_age`: from here on autovacuum is forced to work on it."""
    share: float
    """Of the way to 2^31, 0-1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The disk that the data folder is on."""

    total: int
    """Bytes."""
    free: int

    @property
    def share(self) -> float:
        """In use, 0-1."""
        return 1 - self.free / self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class VitalSigns:
    """One database and its server at one moment."""

    at: datetime
    """By the database's clock."""
    database: str
    version: str
    """`18.4`."""
    started: datetime
    """When the server was."""
    replica: bool
    """True where it only follows another one: the runbooks operate a primary."""
    bytes: int
    """Of this database."""
    others: dict[str, int]
    """Bytes of the other databases of the server that may be looked at, by name."""
    cache_hit: float | None
    """Share of blocks that were in PostgreSQL's own memory, 0-1; None where none was read yet. What the operating system kept counts as read."""
    deadlocks: int
    commits: int
    rollbacks: int
    counted_since: datetime | None
    """Since when these four are counted; None: since the database was made, or the server crashed."""
    wraparound: Wraparound
    tables: tuple[TableVitals, ...]
    """The largest ones and those that are overdue, largest first; none, and a reason among the unknown, while somebody holds one alone."""
    disk: Disk | None
    unknown: tuple[Unknown, ...]
    """Why what is None is so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """One replica, or whoever else takes the log, as the primary sees it."""

    name: str
    client: str
    """The address that it came from; empty where it came by a Unix socket."""
    state: str
    """`streaming`, `catchup`, `backup`, ..."""
    synchronous: str
    """`sync`, `async`, `quorum`, `potential`."""
    sent_behind: int | None
    """Bytes of the log that were not sent to it yet; None where it has not said what it has."""
    behind: int | None
    """Bytes of the log that it has not replayed, as it said at `heard`; None of one that replays nothing, as a backup does."""
    heard: datetime | None
    """When it spoke last, by the database's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What the primary keeps log for, whoever comes for it."""

    name: str
    active: bool
    """True while somebody takes the log through it."""
    wal_status: str
    """`reserved`, `extended`, `unreserved` (may be lost soon), or `lost`: whoever needs it must be cloned anew."""
    kept: int | None
    """Bytes of log that are kept for it; None of one that was never used, or is lost."""
    safe: int | None
    """Bytes that may still be written before it can be lost; None without a bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """The replica, as it says itself. Alone it would say that it is not behind while it is cut off."""

    receiver: str
    """`streaming`, or what else its receiver does; empty where it has none: then nothing comes any more."""
    behind: int | None
    """Bytes from what it has replayed to where the primary was just before; None where it has replayed nothing yet."""
    unreplayed: int | None
    """Bytes that it has, and has not replayed; None where it received none since its start."""
    paused: bool
    """True where a person stopped its replay."""
    shows: datetime | None
    """When the last transaction was committed that it shows, by the primary's clock; None where it shows none since its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A commit that was made on the primary, and how long it took until the replica showed it. The only lag in seconds that says what it means."""

    arrived: bool
    """False where it was not there when we stopped waiting: the lag is longer than `took`."""
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far the copies are behind, from both ends."""

    at: datetime
    """By the primary's clock."""
    position: str
    """Where the primary's log ends: `0/3000148`."""
    followers: tuple[Follower, ...]
    slots: tuple[Slot, ...]
    waits_for: str
    """`synchronous_standby_names`: whom each commit waits for; empty where for nobody."""
    copy: Copy | None
    """None where the replica does not answer, or the environment names none."""
    heartbeat: Heartbeat | None
    """None where none was sent, as to a replica that nothing reaches."""
    unknown: tuple[Unknown, ...]
    """Why what is None is so."""


class Vitals(Protocol):
    """How the operated database is. Whoever looks needs no superuser, and sees nothing that members wrote."""

    def signs(self) -> VitalSigns:
        """Return how the database and its server are. Raises: DatabaseUnavailable, NoOperator, MissingGrant."""

    def lag(self, *, within: timedelta) -> Lag:
        """Return how far the copies are behind. A heartbeat is waited for as long as `within`, and writes some 100 bytes to the log, in no table.

        Raises: DatabaseUnavailable, NoOperator, MissingGrant; ReplicaNamed where the database is a replica itself.
        """


class ReplicaNamed(Refused):
    """The database that is operated is a replica: what is behind it is asked for at its primary."""
