"""Which sessions may be ended, and the reason for which each other stays. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import translate
from functools import cache
from re import IGNORECASE
from re import compile as pattern

from unioneyes.kernel.problems import BadInput
from unioneyes.kernel.units import format_duration
from unioneyes.operations.database.sessions_model import EndIdleRequest, Idleness, MayNotEnd, NoSuchSession
from unioneyes.ports.activity import ACTIVE, CLIENT, IDLE, IDLE_IN_TRANSACTION, WALSENDER, ActivityView, Session

OWN_APPLICATIONS, OWN_ROLES = ("ue-", "ue "), "ue_"
"""How the platform's own sessions are called: its steps' connections, the SQL of people's runbooks, and backups, whose programs have names of their own."""
SHORTEST = timedelta(seconds=1)
"""Below which every session of a pool is idle now and then."""
_STATES = {Idleness.IDLE: (IDLE,), Idleness.IN_TRANSACTION: IDLE_IN_TRANSACTION, Idleness.ANY: (IDLE, *IDLE_IN_TRANSACTION)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One session, and why it stays."""

    session: Session
    kept: str | None
    """The reason; None where it is to end."""


class NoIdleTime(BadInput):
    """The time is none that a session is idle for."""


def require_idle_time(older_than: timedelta) -> None:
    """Return where the time tells what is left behind from what is in use. Raises: NoIdleTime."""
    if older_than < SHORTEST:
        raise NoIdleTime(
            what=f"a session that is idle for {format_duration(older_than)} may be in use: {format_duration(SHORTEST)} is the least",
            remedy="name a longer time: --older-than 10m",
        )


def judged(view: ActivityView, request: EndIdleRequest, *, protect: Iterable[str]) -> tuple[Judged, ...]:
    """Return each session with the reason for which it stays, or with none where it is to end. Raises: NoIdleTime."""
    require_idle_time(request.older_than)
    untouchable, meant = _untouchable(protect), _meant(request)
    return tuple(Judged(session=session, kept=untouchable(session) or meant(session) or _not_idle(session, request, view.at)) for session in view.sessions)


def named(view: ActivityView, pid: int, *, protect: Iterable[str]) -> Session:
    """Return the session that somebody named, whatever it does. Raises: NoSuchSession, MayNotEnd."""
    session = next((each for each in view.sessions if each.pid == pid), None)
    if session is None:
        raise NoSuchSession(what=f"no session has the number {pid} now", remedy="ue db connections shows who is connected")
    if (kept := _untouchable(protect)(session)) is not None:
        raise MayNotEnd(what=f"{pid} stays: {kept}", remedy="what stands in its way can end: ue db locks; or ask who it belongs to")
    return session


def age(since: datetime | None, at: datetime) -> timedelta | None:
    """Return how long ago that was, by the same clock; None where nobody knows."""
    return None if since is None else max(at - since, timedelta(0))


def spoken(session: Session, at: datetime) -> str:
    """Return a session as people say it: `claims blue-1, claims_app in unioneyes, idle for 12 min`."""
    since = age(session.state_since, at)
    state = f"{session.state or session.kind}{'' if since is None else f' for {format_duration(since)}'}"
    where = " in ".join(part for part in (session.user, session.database) if part)
    return ", ".join(part for part in (session.application or "no application name", where, state) if part)


def is_own(session: Session) -> bool:
    """Return whether it is one of the platform's own."""
    return own(session.application, session.user)


def own(application: str, user: str) -> bool:
    """Return whether whoever is called so is one of the platform's own."""
    return application.startswith(OWN_APPLICATIONS) or user.startswith(OWN_ROLES)


def stays(session: Session) -> str | None:
    """Return why nobody ends it, whatever an environment protects besides; None where it may be ended."""
    return _untouchable(())(session)


def called(app: str) -> Callable[[str], bool]:
    """Return what says whether an application's name is the one that is meant; `*` in it stands for anything, and capitals for small letters."""
    meant = pattern(translate(app), IGNORECASE)
    return lambda application: meant.match(application) is not None


def _untouchable(protect: Iterable[str]) -> Callable[[Session], str | None]:
    """Return what says why a session is never ended, whoever asks; it says nothing of the others."""
    protected = [(each, called(each)) for each in protect]

    @cache  # thousands of sessions have a few names
    def protects(application: str) -> str | None:
        return next((written for written, matches in protected if matches(application)), None)

    def why(session: Session) -> str | None:
        if session.kind == WALSENDER:
            return "it streams to a replica, or takes a backup"
        if session.kind != CLIENT:
            return f"it is PostgreSQL's own ({session.kind or 'of no known kind'})"
        if is_own(session):
            return "it is ue's own"
        if session.superuser:
            return f"its role {session.user} is a superuser"
        found = protects(session.application)
        return None if found is None else f"{session.application} is protected ([sessions] protect has {found})"

    return why


def _meant(request: EndIdleRequest) -> Callable[[Session], str | None]:
    """Return what says why a session was not asked for."""
    is_meant = called(request.app) if request.app is not None else None

    def why(session: Session) -> str | None:
        if is_meant is not None and not is_meant(session.application):
            return f"its application is {session.application or 'without a name'}"
        if request.user not in {None, session.user}:
            return f"its role is {session.user}"
        if request.database not in {None, session.database}:
            return f"its database is {session.database}"
        return None

    return why


def _not_idle(session: Session, request: EndIdleRequest, at: datetime) -> str | None:
    if session.state not in _STATES[request.state]:
        return "it is active" if session.state == ACTIVE else f"it is {session.state}" if session.state else "nobody says what it does"
    since = age(session.state_since, at)
    if since is None:
        return "nobody says since when it is idle"
    return None if since > request.older_than else f"{session.state} for {format_duration(since)} only"
