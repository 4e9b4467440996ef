"""What ending sessions asks for, plans, and comes to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from unioneyes.kernel.problems import Problem, Refused
from unioneyes.kernel.units import format_duration
from unioneyes.ports.activity import Sent, Session
from unioneyes.runbook.plan import Plan


class Idleness(StrEnum):
    """Which kind of doing nothing is meant."""

    IDLE = "idle"
    """Outside of a transaction: it holds a connection, and nothing else."""
    IN_TRANSACTION = "in-transaction"
    """In the middle of one: it holds locks, too, and its work is rolled back."""
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndIdleRequest:
    """End the sessions that have been idle for long (`database.end_idle`)."""

    older_than: timedelta = timedelta(minutes=10)
    """Only those that have been idle for longer. Source: High Connection Count, "INTERVAL '10 minutes'"."""
    state: Idleness = Idleness.IDLE
    """Idle outside of a transaction; in-transaction: in the middle of one, whose work is lost; or any."""
    app: str | None = None
    """Only applications of this name; * stands for anything: claims*."""
    user: str | None = None
    """Only sessions of this role."""
    database: str | None = None
    """Only sessions in this database."""
    reason: str | None = None
    """Why, for the journal and the audit log."""

    @property
    def meant(self) -> str:
        """Which sessions, in words: `idle for more than 10 min, application claims*`."""
        state = {Idleness.IDLE: "idle", Idleness.IN_TRANSACTION: "idle in a transaction", Idleness.ANY: "idle, in a transaction or not,"}[self.state]
        only = (("application", self.app), ("role", self.user), ("database", self.database))
        named = "".join(f", {name} {value or 'without a name'}" for name, value in only if value is not None)
        return f"{state} for more than {format_duration(self.older_than)}{named}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSessionRequest:
    """End one session, or stop what it does (`database.end_session`)."""

    pid: int
    """The process of PostgreSQL: `ue db connections` and `ue db locks` show it."""
    cancel: bool = False
    """Stop the query that it runs now, and leave the session."""
    reason: str | None = None
    """Why, for the journal and the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPlan(Plan):
    """Whose sessions end, or whose query is cancelled."""

    sessions: tuple[Session, ...]
    """As they were seen: one that is another by then is left alone."""
    kept: int
    """Sessions that stay."""
    busy: bool
    """True where one ends that was named, whatever it has done since."""
    refusal: str = ""
    """Why nothing would be done; empty where something would."""

    def require_open(self) -> None:
        """Return where there is something to do. Raises: NothingToEnd."""
        if self.refusal:
            raise NothingToEnd(what=self.refusal, remedy="ue db connections shows all; --dry-run says of each why it stays")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsEnded:
    """What became of each session that was to end, or whose query was to be cancelled."""

    sent: tuple[Sent, ...]
    kept: int
    """Sessions that stayed, by the plan."""
    took: timedelta


class NothingToEnd(Refused):
    """No session is one that may be ended, and was meant."""


class MayNotEnd(Refused):
    """The session is one that nobody ends from here."""


class NotEnded(Problem):
    """The session that was named is still there."""


class NoSuchSession(Refused):
    """No session has this number now."""
