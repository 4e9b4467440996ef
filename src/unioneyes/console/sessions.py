"""Who is in the console, in the HTTP API: listed, for an auditor too, and ended by an administrator."""

from __future__ import annotations

from fastapi import APIRouter

from unioneyes.console.api import PREFIX, VersionedJson
from unioneyes.console.control import Parts
from unioneyes.console.failures import RESPONSES
from unioneyes.console.guard import Administrator, Overseer
from unioneyes.runbook.views import SessionsEnded, SessionView

router = APIRouter(prefix=f"{PREFIX}/sessions", default_response_class=VersionedJson, responses=RESPONSES)


@router.get("")
def list_sessions(control: Parts, by: Overseer) -> tuple[SessionView, ...]:
    """Return who is in now, by the console or from a chat, the latest first."""
    del by
    return control.engine.sessions.open()


@router.post("/{name}/end")
def end_sessions(name: str, control: Parts, by: Administrator) -> SessionsEnded:
    """Let nobody in any more by a session of `name`, from a chat, or by a token that they made for themselves; one of an administrator's still does."""
    return SessionsEnded(name=name, ended=control.engine.sessions.end_all(name, by=by.name))
