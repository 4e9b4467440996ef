"""The pages: server-rendered, for looking only. Changes are made by the command line, or by programs with the token."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined
from pydantic import JsonValue
from starlette.responses import HTMLResponse, RedirectResponse, Response

from unioneyes.console.control import Parts, control_of
from unioneyes.console.failures import problem_headers
from unioneyes.console.forgery import is_foreign, page_token
from unioneyes.console.guard import SESSION_COOKIE, SESSION_LASTS, Reader, entered_by, host_of, new_session
from unioneyes.console.limits import TooManyWrongTokens
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.units import format_duration, format_share
from unioneyes.operations.deployment.explanation import Explanation, NothingToExplain, explanation
from unioneyes.runbook.phases import phases, seconds
from unioneyes.runbook.views import EntryKind, JournalEntry, RunView

LAST_RUNS = 8
RUNS_A_PAGE = 50
_WRONG = "This is not the token of this server."
LONGEST_FORM = 4096
"""Bytes of a sign-in form; a token has 46."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One line of the left rail: a chapter of the runbook document."""

    key: str
    title: str
    href: str = ""
    later: str = ""
    """Why it can't be opened yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartText:
    """What stands above a chart."""

    key: str
    title: str
    unit: str


CHAPTERS = (
    Chapter(key="deployments", title="1 Deployments", href="/"),
    Chapter(key="rollback", title="2 Rollback", later="now: ue rollback plan"),
    Chapter(key="monitoring", title="3 Monitoring", later="in a later release"),
    Chapter(key="incidents", title="4 Incidents", later="in a later release"),
    Chapter(key="database", title="5 Database", later="in a later release"),
    Chapter(key="security", title="6 Security", later="in a later release"),
    Chapter(key="escalation", title="7 Escalation", later="in a later release"),
    Chapter(key="runs", title="Runs", href="/runs"),
)
CHARTS = (
    ChartText(key="requests", title="Requests", unit="per second"),
    ChartText(key="errors", title="Errors", unit="% of answers"),
    ChartText(key="p99", title="P99", unit="ms"),
)

Shown = Mapping[str, object]


@router.get("/")
def dashboard(request: Request, control: Parts, by: Reader) -> Response:
    """Return the current deployment, both colours, and the last runs."""
    del by
    return _page(request, "dashboard.html", "deployments", {**_current(control), **_runs(control, LAST_RUNS), "charts": CHARTS})


@router.get("/runs")
def runs(request: Request, control: Parts, by: Reader, before: str | None = None) -> Response:
    """Return the runs, newest first."""
    del by
    return _page(request, "runs.html", "runs", _runs(control, RUNS_A_PAGE, before))


@router.get("/runs/{run_id}")
def run(request: Request, run_id: str, control: Parts, by: Reader) -> Response:
    """Return one run with its journal and its plan."""
    del by
    return _page(request, "run.html", "runs", _run(control, run_id))


@router.get("/fragments/current")
def currentfragment(control: Parts, by: Reader, seen: str = "") -> Response:
    """Return the current deployment when it changed since `seen`."""
    del by
    shown = _current(control)
    return fragment("_current.html", shown, unchanged=shown["seen"] == seen)


@router.get("/fragments/runs")
def runsfragment(
    control: Parts, by: Reader, seen: str = "", limit: Annotated[int, Query(ge=1, le=RUNS_A_PAGE)] = LAST_RUNS, before: str | None = None
) -> Response:
    """Return the runs when they changed since `seen`."""
    del by
    shown = _runs(control, limit, before)
    return fragment("_runs.html", shown, unchanged=shown["seen_runs"] == seen)


@router.get("/fragments/runs/{run_id}")
def runfragment(run_id: str, control: Parts, by: Reader, seen: str = "") -> Response:
    """Return one run's state and journal when they changed since `seen`."""
    del by
    shown = _run(control, run_id)
    return fragment("_run.html", shown, unchanged=shown["seen"] == seen)


@router.get("/login")
def login(request: Request, control: Parts, token: str = "") -> Response:
    """Sign in by a link that the person opened, or ask for the token."""
    return _signed_in(request, control, token) if token and not is_foreign(request.headers) else _login_form()


@router.post("/login")
async def submit_login(request: Request, control: Parts) -> Response:
    """Sign in by the form."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            return _login_form(_WRONG, HTTPStatus.UNAUTHORIZED)
    return await to_thread.run_sync(_signed_in, request, control, parse_qs(body.decode(errors="replace")).get("token", [""])[0])


def problem_page(request: Request, problem: Problem) -> Response:
    """Return the page that tells `problem`; who is not signed in is led to do so."""
    if problem.http_status == HTTPStatus.UNAUTHORIZED:
        if "hx-request" in request.headers:
            return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": "/login"})
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    if isinstance(problem, TooManyWrongTokens):
        return _login_form(f"{problem.what}: {problem.remedy}", problem.http_status, problem_headers(problem))
    return _page(request, "problem.html", "", {"problem": problem.document()}, status=problem.http_status, headers=problem_headers(problem))


def _signed_in(request: Request, control: Parts, token: str) -> Response:
    entry = entered_by(token, control, host_of(request))
    if entry is None:
        return _login_form(_WRONG, HTTPStatus.UNAUTHORIZED)
    response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    session, lasts = new_session(entry.number, control.token, now()), int(SESSION_LASTS.total_seconds())
    response.set_cookie(SESSION_COOKIE, session, max_age=lasts, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return response


def _login_form(wrong: str = "", status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    return HTMLResponse(_templates().get_template("login.html").render(wrong=wrong), status, headers)


def _current(control: Parts) -> Shown:
    status = control.status()
    return {"status": status, "seen": _digest(replace(status, at=datetime.min.replace(tzinfo=UTC)))}


def _runs(control: Parts, limit: int, before: str | None = None) -> Shown:
    found = control.engine.runs(limit=limit, before=before)
    return {"runs": found, "limit": limit, "before": before, "seen_runs": _digest((found, [_took(each) for each in found]))}


def _run(control: Parts, run_id: str) -> Shown:
    found = control.engine.run(run_id)
    plan, journal = control.engine.planned(run_id), control.journals.of(run_id)
    return {
        "run": found,
        "plan": plan,
        "phases": phases(plan.steps, run_id, journal, ended=found.status.ended),
        "explained": _explained(journal, found),
        "entries": shortened(journal)[::-1],
        "seen": _digest((found, len(journal), _took(found))),
    }


def _explained(journal: Sequence[JournalEntry], found: RunView) -> Explanation | None:
    """Return the numbers behind a deployment's verdicts; None for what watched nothing."""
    try:
        return explanation(journal, found.id)
    except NothingToExplain:
        return None


def shortened(journal: Sequence[JournalEntry]) -> tuple[JournalEntry, ...]:
    """Return the journal with the last line of each stretch of progress only."""
    following = [*journal[1:], None]
    return tuple(
        entry
        for entry, after in zip(journal, following, strict=False)  # an empty journal has nothing that anything follows
        if not (entry.kind is EntryKind.STEP_PROGRESS and after and after.kind is EntryKind.STEP_PROGRESS and after.step == entry.step)
    )


def told(entry: JournalEntry) -> str:
    """Return what a line of the journal says: of a step that is done, how long it took, for what it does was said when it began."""
    took = seconds(entry.data.get("took_s"))
    return format_duration(took) if took is not None and entry.kind in {EntryKind.STEP_DONE, EntryKind.UNDO_DONE} else entry.message


def _page(request: Request, template: str, here: str, shown: Shown, *, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    control = control_of(request)
    token = page_token(request.cookies.get(SESSION_COOKIE, ""), control.token)
    text = _templates().get_template(template).render(facts=control.environment.facts, chapters=CHAPTERS, here=here, page_token=token, **shown)
    return HTMLResponse(text, status, headers)


def fragment(template: str, shown: Shown, *, unchanged: bool) -> Response:
    """Return the fragment; nothing when the person sees it already, so that what they opened stays open."""
    if unchanged:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return HTMLResponse(_templates().get_template(template).render(**shown))


def _digest(shown: object) -> str:
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
        "took": _took,
        "number": _number,
        "percent": _percent,
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


def _took(run: RunView) -> str:
    if run.started_at is None:
        return ""
    took = (run.ended_at or now()) - run.started_at
    return format_duration(took if run.ended_at else timedelta(seconds=round(took.total_seconds())))


def _number(value: float | None, digits: int = 1) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str | None:
    return None if value is None else format_share(value)


def _pretty(document: JsonValue) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)
