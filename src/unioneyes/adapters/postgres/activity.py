"""Who is connected, and ending what should not be there, as a role that is no superuser. Implements `ports.activity.Activity`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import LiteralString

import psycopg
from psycopg.rows import DictRow, dict_row, kwargs_row
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection, shown, sql
from unioneyes.adapters.postgres.operator_rights import require_ending, require_seeing
from unioneyes.adapters.postgres.query_texts import valueless
from unioneyes.kernel.cancelling import sleep
from unioneyes.ports.activity import ActivityView, Limits, Outcome, Sent, Session

_NAME = "ue-activity"
_LIMIT = timedelta(seconds=10)
"""For one statement. Where thousands are connected, looking takes a tenth of a second."""
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerActivity:
    """The sessions of one server, seen and ended by one role."""

    database_url: Callable[[], SecretStr]
    """Gives the address for that role. Raises: NoOperator, NoAuthority."""

    def view(self) -> ActivityView:
        """Return every session. See the port."""
        with connection(self.database_url(), name=_NAME, statement_limit=_LIMIT) as opened:
            require_seeing(opened)
            with opened.cursor(row_factory=dict_row) as cursor:
                sessions = tuple(_session(row) for row in cursor.execute(sql("activity_sessions")))
            with opened.cursor(row_factory=kwargs_row(partial(_view, sessions))) as cursor:
                return cursor.execute(sql("activity_limits")).fetchall()[0]

    def require_ending(self) -> None:
        """Return where the role may end sessions of others. See the port."""
        with connection(self.database_url(), name=_NAME, statement_limit=_LIMIT) as opened:
            require_ending(opened)

    def end(self, sessions: tuple[Session, ...], *, busy: bool, within: timedelta) -> tuple[Sent, ...]:
        """Those that still are what they were have ended. See the port."""
        with connection(self.database_url(), name=_NAME, statement_limit=_LIMIT) as opened:
            sent = [_tell(opened, sql("activity_end"), session, told=Outcome.ENDED, busy=busy) for session in sessions]
            told = [session for session, each in zip(sessions, sent, strict=True) if each.outcome is Outcome.ENDED]
            lingering = _remaining(opened, told, within)
        return tuple(replace(each, outcome=Outcome.LINGERS) if each.pid in lingering else each for each in sent)

    def describe_end(self, sessions: tuple[Session, ...], *, busy: bool) -> tuple[str, ...]:
        """Return what a person would type."""
        return tuple(_typed(self.database_url(), "pg_terminate_backend", session, busy=busy) for session in sessions)

    def cancel(self, session: Session) -> Sent:
        """What it does was told to stop. See the port."""
        with connection(self.database_url(), name=_NAME, statement_limit=_LIMIT) as opened:
            return _tell(opened, sql("activity_cancel"), session, told=Outcome.CANCELLED, busy=True)

    def describe_cancel(self, session: Session) -> tuple[str, ...]:
        """Return what a person would type."""
        return (_typed(self.database_url(), "pg_cancel_backend", session, busy=True),)


def _view(sessions: tuple[Session, ...], at: datetime, connections: int, reserved: int) -> ActivityView:
    return ActivityView(at=at, limits=Limits(connections=connections, reserved=reserved), sessions=sessions)


def _session(row: DictRow) -> Session:
    return Session(**{**row, "query": valueless(row["query"]), "blocked_by": tuple(sorted({*row["blocked_by"]}))})


def _tell(opened: psycopg.Connection, text: LiteralString, session: Session, *, told: Outcome, busy: bool) -> Sent:
    asked = {
        "pid": session.pid,
        "started": session.started,
        "state": session.state,
        "state_since": session.state_since,
        "query_since": session.query_since,
        "busy": busy,
    }
    try:
        there, done = opened.execute(text, asked).fetchone() or (False, None)
    except psycopg.errors.InsufficientPrivilege as error:
        return Sent(pid=session.pid, outcome=Outcome.REFUSED, said=error.diag.message_detail or error.diag.message_primary or "")
    if not there or done is False:  # it ended between the look and the signal
        return Sent(pid=session.pid, outcome=Outcome.GONE)
    return Sent(pid=session.pid, outcome=told if done else Outcome.CHANGED)


def _remaining(opened: psycopg.Connection, told: list[Session], within: timedelta) -> set[int]:
    """Return the pids of those that are still there when all should be gone."""
    until = time.monotonic() + within.total_seconds()
    asked = {"pids": [session.pid for session in told], "started": [session.started for session in told]}
    while told:
        there = {int(row[0]) for row in opened.execute(sql("activity_remaining"), asked)}
        if not there or time.monotonic() >= until:
            return there
        sleep(_LOOK_SECONDS)
    return set()


def _typed(database_url: SecretStr, function: str, session: Session, *, busy: bool) -> str:
    """Return the command, which looks as ours does whether it still is what it was."""
    seen = f"pid = {session.pid} AND backend_start = '{session.started.isoformat()}'"
    if not busy and session.state_since is not None:
        seen += f" AND state = '{session.state}' AND state_change = '{session.state_since.isoformat()}'"
    return f"psql '{shown(database_url)}' -c \"SELECT {function}(pid) FROM pg_stat_activity WHERE {seen}\""  # noqa: S608 - printed
