"""The only side effects of ending sessions."""

from __future__ import annotations

import time
from datetime import timedelta

from unioneyes.operations.database.sessions_model import SessionsEnded
from unioneyes.ports.activity import Activity, Session
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import step

GONE_WITHIN = timedelta(seconds=5)
"""An idle session ends in milliseconds; one that is busy, when it next looks whether it should."""
NO_WAY_BACK = "there is no way back: whoever was connected connects anew"


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=2))
def end_sessions(activity: Activity, *, sessions: tuple[Session, ...], kept: int, busy: bool) -> SessionsEnded:
    """Each of these sessions that still is what it was has ended; one that has become active since is left alone.

    Source: High Connection Count, "Kill idle connections".
    """
    began = time.monotonic()
    sent = activity.end(sessions, busy=busy, within=GONE_WITHIN)
    return SessionsEnded(sent=sent, kept=kept, took=timedelta(seconds=time.monotonic() - began))


@step(effect=Effect.CHANGE, time_limit=timedelta(seconds=30))
def cancel_query(activity: Activity, *, session: Session, kept: int) -> SessionsEnded:
    """The query that the session runs was told to stop; the session stays, and its transaction is rolled back."""
    began = time.monotonic()
    sent = activity.cancel(session)
    return SessionsEnded(sent=(sent,), kept=kept, took=timedelta(seconds=time.monotonic() - began))
