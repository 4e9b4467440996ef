"""How pages are made: one set of templates, one frame around every page, and what values look like in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from pathlib import Path

from fastapi import Request
from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined
from pydantic import JsonValue
from starlette.responses import HTMLResponse, Response

from unioneyes.console.control import control_of
from unioneyes.console.forgery import page_token
from unioneyes.console.guard import SESSION_COOKIE, entry_of
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.kernel.units import format_bytes, format_duration, format_share
from unioneyes.runbook.phases import seconds
from unioneyes.runbook.views import EntryKind, JournalEntry, RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One line of the left rail: a chapter of the runbook document."""

    key: str
    title: str
    href: str = ""
    later: str = ""
    """Why it can't be opened yet."""


CHAPTERS = (
    Chapter(key="deployments", title="1 Deployments", href="/"),
    Chapter(key="rollback", title="2 Rollback", later="now: ue rollback plan"),
    Chapter(key="monitoring", title="3 Monitoring", later="in a later release"),
    Chapter(key="incidents", title="4 Incidents", later="in a later release"),
    Chapter(key="database", title="5 Database", later="in a later release"),
    Chapter(key="security", title="6 Security", later="in a later release"),
    Chapter(key="escalation", title="7 Escalation", later="in a later release"),
    Chapter(key="runs", title="Runs", href="/runs"),
    Chapter(key="approvals", title="Approvals", href="/approvals"),
)
Shown = Mapping[str, object]
"""What a template is given."""


def page(request: Request, template: str, here: str, shown: Shown, *, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """Return the page of whoever asks, in the chapter `here`."""
    control = control_of(request)
    entry = entry_of(request)
    token = page_token(request.cookies.get(SESSION_COOKIE, ""), control.token)
    frame = {"facts": control.environment.facts, "chapters": CHAPTERS, "here": here, "page_token": token, "person": entry.person if entry else None}
    return HTMLResponse(render(template, {**frame, **shown}), status, headers)


def fragment(template: str, shown: Shown, *, unchanged: bool) -> Response:
    """Return the fragment; nothing when the person sees it already, so that what they opened stays open."""
    if unchanged:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return HTMLResponse(render(template, shown))


def render(template: str, shown: Shown) -> str:
    """Return the text that the template makes of what it is given."""
    return _templates().get_template(template).render(**shown)


def digest(shown: object) -> str:
    """Return what changes with what a person sees."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


@cache
def _templates() -> Templates:
    templates = Templates(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters |= {
        "rfc3339": rfc3339,
        "clock": _clock,
        "duration": format_duration,
        "took": took,
        "number": _number,
        "percent": _percent,
        "bytes": _bytes,
        "pretty": _pretty,
        "told": told,
    }
    templates.globals["static"] = static_url
    return templates


@cache
def static_url(name: str) -> str:
    """Return the address of a static file; it changes with the file, so that no browser shows an old one."""
    content = (Path(__file__).parent / "static" / name).read_bytes()
    return f"/static/{name}?{hashlib.sha256(content).hexdigest()[:8]}"


def _clock(moment: datetime) -> str:
    """Return the time of day, with the day when that is not today."""
    day = "" if moment.astimezone(UTC).date() == now().date() else f"{moment:%m-%d} "
    return f"{day}{moment.astimezone(UTC):%H:%M:%S}"


def took(run: RunView) -> str:
    """Return how long the run took, or has taken."""
    if run.started_at is None:
        return ""
    lasted = (run.ended_at or now()) - run.started_at
    return format_duration(lasted if run.ended_at else timedelta(seconds=round(lasted.total_seconds())))


def _number(value: float | None, digits: int = 1) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str | None:
    return None if value is None else format_share(value)


def _bytes(value: int | None) -> str | None:
    return None if value is None else format_bytes(value)


def _pretty(document: JsonValue) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def told(entry: JournalEntry) -> str:
    """Return what a line of the journal says: of a step that is done, how long it took, for what it does was said when it began."""
    lasted = seconds(entry.data.get("took_s"))
    return format_duration(lasted) if lasted is not None and entry.kind in {EntryKind.STEP_DONE, EntryKind.UNDO_DONE} else entry.message
