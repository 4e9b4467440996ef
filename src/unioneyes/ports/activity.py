"""Who is connected to the operated database, what each does and waits for, and ending what should not be there.

Source: Database Operations, "High Connection Count".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from unioneyes.kernel.problems import Refused

CLIENT, WALSENDER = "client backend", "walsender"
"""The `backend_type` of whoever came in from outside, and of whoever takes the log. Source: PostgreSQL, "Monitoring Statistics", pg_stat_activity."""
ACTIVE, IDLE = "active", "idle"
IDLE_IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")
"""Those hold locks and keep old rows from being cleaned up, and do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One process of PostgreSQL, as it was at the moment of its view. All times are of the database's own clock."""

    pid: int
    started: datetime
    """With the pid it is this session and no other: numbers of processes come again."""
    kind: str
    """`client backend`, `walsender`, `autovacuum worker`, ..."""
    database: str
    """Empty where it is in none."""
    user: str
    """Its role; empty where it has none."""
    application: str
    """What it calls itself; empty where it does not."""
    client: str
    """The address that it came from; empty where it came by a Unix socket, or from nowhere."""
    state: str
    """`active`, `idle`, `idle in transaction`, ...; empty of what has none."""
    state_since: datetime | None
    query_since: datetime | None
    """When what it does now began; of one that is idle, what it did last."""
    transaction_since: datetime | None
    """None outside of a transaction."""
    waits_for: str
    """`Lock: relation`, `IO: DataFileRead`; empty where it waits for nothing."""
    lock: str
    """The lock that it waits for: `AccessExclusiveLock on public.claims`; empty where it waits for none."""
    blocked_by: tuple[int, ...]
    """The processes that hold what it waits for, or wait for it before it."""
    superuser: bool
    query: str
    """What it does, or did last, with `?` in place of each value: no text of a member is in it."""
    query_id: str
    """Alike for queries that differ by their values alone; empty where the server does not count by it. Text, for JSON knows no number of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many may come in."""

    connections: int
    """`max_connections`."""
    reserved: int
    """Of these, kept for superusers and for those to whom `pg_use_reserved_connections` was granted."""

    @property
    def usable(self) -> int:
        """For everybody else."""
        return self.connections - self.reserved


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityView:
    """Every session at one moment."""

    at: datetime
    """By the database's clock."""
    limits: Limits
    sessions: tuple[Session, ...]
    """By pid. The one that looked is not among them."""


class Outcome(StrEnum):
    """What became of a session that was to end, or whose query was to be cancelled."""

    ENDED = "ended"
    CANCELLED = "cancelled"
    """What it did was told to stop; the session stays."""
    CHANGED = "changed"
    """It has done something since it was seen, and was left alone."""
    GONE = "gone"
    """It was not there any more."""
    REFUSED = "refused"
    """The server does not let our role end it."""
    LINGERS = "lingers"
    """It was told to end, and was still there when we stopped waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one session."""

    pid: int
    outcome: Outcome
    said: str = ""
    """The server's words, where it refused."""


class Activity(Protocol):
    """The sessions of the operated database's server. Whoever looks here needs no superuser."""

    def view(self) -> ActivityView:
        """Return every session of the server, of each database. Raises: DatabaseUnavailable, NoOperator, MissingGrant."""

    def require_ending(self) -> None:
        """Return where sessions of others, that are no superuser's, could be ended. Raises: MissingGrant, DatabaseUnavailable, NoOperator."""

    def end(self, sessions: tuple[Session, ...], *, busy: bool, within: timedelta) -> tuple[Sent, ...]:
        """Each of them that still is what it was has ended; the others are as they are. What became of each is returned, in the same order.

        A session is what it was where its process began at the same moment, and, unless `busy`, is in the same state since the same moment: one that has
        become active is not lost. That is looked at in the statement that ends it. `within` is how long to wait until all are gone. Safe to repeat.
        Raises: DatabaseUnavailable, NoOperator.
        """

    def describe_end(self, sessions: tuple[Session, ...], *, busy: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def cancel(self, session: Session) -> Sent:
        """What the session does was told to stop, where it still is what it did when it was seen; the session stays. Safe to repeat.

        Raises: DatabaseUnavailable, NoOperator.
        """

    def describe_cancel(self, session: Session) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""


class NoOperator(Refused):
    """The environment knows no role that may look."""


class MissingGrant(Refused):
    """The role that looks was not granted what it needs to see others, or to end their sessions: PostgreSQL would show it little, as if that were all."""
