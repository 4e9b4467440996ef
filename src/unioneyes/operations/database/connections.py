"""Who is connected, against how many may be: all of them, or those that are meant. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from unioneyes.operations.database.blocking import Link, blocking
from unioneyes.operations.database.sessions import age, called
from unioneyes.ports.activity import ACTIVE, CLIENT, IDLE, IDLE_IN_TRANSACTION, WALSENDER, ActivityView, Limits, Session


class Doing(StrEnum):
    """What a session does."""

    ACTIVE = "active"
    """It runs a query."""
    IDLE = "idle"
    """Nothing, outside of a transaction."""
    IN_TRANSACTION = "in-transaction"
    """Nothing, in the middle of one."""
    ANY = "any"

    @property
    def states(self) -> tuple[str, ...]:
        """As PostgreSQL calls it; empty for whatever it does."""
        return {Doing.ACTIVE: (ACTIVE,), Doing.IDLE: (IDLE,), Doing.IN_TRANSACTION: IDLE_IN_TRANSACTION}.get(self, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """How many sessions are alike."""

    database: str
    user: str
    application: str
    state: str
    count: int
    longest: timedelta | None
    """Since when the first of them is in that state; None where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """Who is connected."""

    at: datetime
    """By the database's clock."""
    limits: Limits
    used: int
    """Connections that count against the limit: all from outside, whatever was asked for here; that of whoever looks too."""
    groups: tuple[Connected, ...]
    """The sessions, by database, role, application and state; most first."""
    sessions: tuple[Session, ...]
    """Each, by pid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks:
    """Who waits for whom."""

    at: datetime
    """By the database's clock."""
    links: tuple[Link, ...]
    """In the order of reading: whoever waits for nobody, and below it all who wait for it. Empty where nobody waits for another."""


def connections(view: ActivityView, *, app: str | None, user: str | None, database: str | None, state: Doing) -> Connections:
    """Return those that came from outside and are meant; `*` in `app` stands for anything, and an empty one for no name."""
    is_meant = called("*" if app is None else app)
    meant = tuple(
        session
        for session in view.sessions
        if session.kind == CLIENT
        and is_meant(session.application)
        and user in {None, session.user}
        and database in {None, session.database}
        and (not state.states or session.state in state.states)
    )
    return Connections(at=view.at, limits=view.limits, used=used(view), groups=_grouped(meant, view.at), sessions=meant)


def queries(view: ActivityView) -> Connections:
    """Return those that run a query now, or wait in the middle of a transaction, and PostgreSQL's own work: longest first."""
    under_way = (session for session in view.sessions if session.state in {ACTIVE, *IDLE_IN_TRANSACTION} and session.kind != WALSENDER)
    found = tuple(sorted(under_way, key=lambda session: began(session) or view.at))
    return Connections(at=view.at, limits=view.limits, used=used(view), groups=_grouped(found, view.at), sessions=found)


def locks(view: ActivityView) -> Locks:
    """Return who waits for whom."""
    return Locks(at=view.at, links=blocking(view))


def used(view: ActivityView) -> int:
    """Return how many connections count against the limit. Source: PostgreSQL, `max_connections`: neither its own processes nor walsenders do."""
    return 1 + sum(session.kind == CLIENT for session in view.sessions)


def began(session: Session) -> datetime | None:
    """Return when what it does now began: its query, or, where it does nothing in a transaction, that."""
    return session.query_since if session.state == ACTIVE else session.transaction_since


def told_without_secrets(view: ActivityView, redact: Callable[[str], str]) -> ActivityView:
    """Return the view with the secrets blotted out that somebody put into a name or a text."""
    return replace(view, sessions=tuple(replace(each, application=redact(each.application), query=redact(each.query)) for each in view.sessions))


def _grouped(sessions: tuple[Session, ...], at: datetime) -> tuple[Connected, ...]:
    found: dict[tuple[str, str, str, str], list[Session]] = {}
    for session in sessions:
        found.setdefault((session.database, session.user, session.application, session.state), []).append(session)
    return tuple(
        Connected(
            database=database,
            user=user,
            application=application,
            state=state,
            count=len(alike),
            longest=max((known for each in alike if (known := age(each.state_since, at)) is not None), default=None),
        )
        for (database, user, application, state), alike in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    )
