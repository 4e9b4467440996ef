"""The pages for looking: deployments and runs. They are rendered by the server, and kept up to date a fragment at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from unioneyes.console.approvals import approval_of
from unioneyes.console.control import Parts
from unioneyes.console.failures import problem_headers
from unioneyes.console.guard import Reader
from unioneyes.console.limits import TooManyWrongTokens
from unioneyes.console.rendering import Shown, digest, fragment, page, took
from unioneyes.console.sign_in import login_form, login_url
from unioneyes.kernel.problems import Problem
from unioneyes.operations.deployment.explanation import Explanation, NothingToExplain, explanation
from unioneyes.runbook.phases import phases
from unioneyes.runbook.views import EntryKind, JournalEntry, RunView

LAST_RUNS = 8
RUNS_A_PAGE = 50

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartText:
    """What stands above a chart."""

    key: str
    title: str
    unit: str


CHARTS = (
    ChartText(key="requests", title="Requests", unit="per second"),
    ChartText(key="errors", title="Errors", unit="% of answers"),
    ChartText(key="p99", title="P99", unit="ms"),
)


@router.get("/")
def dashboard(request: Request, control: Parts, by: Reader) -> Response:
    """Return the current deployment, both colours, and the last runs."""
    del by
    return page(request, "dashboard.html", "deployments", {**_current(control), **_runs(control, LAST_RUNS), "charts": CHARTS})


@router.get("/runs")
def runs(request: Request, control: Parts, by: Reader, before: str | None = None) -> Response:
    """Return the runs, newest first."""
    del by
    return page(request, "runs.html", "runs", _runs(control, RUNS_A_PAGE, before))


@router.get("/runs/{run_id}")
def run(request: Request, run_id: str, control: Parts, by: Reader) -> Response:
    """Return one run with its journal, its plan, and whose yes it needs."""
    return page(request, "run.html", "runs", {**_run(control, run_id), **approval_of(control, run_id, by)})


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


def problem_page(request: Request, problem: Problem) -> Response:
    """Return the page that tells `problem`; who is not signed in is led to do so."""
    if problem.http_status == HTTPStatus.UNAUTHORIZED:
        if "hx-request" in request.headers:
            return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": login_url(request)})
        return RedirectResponse(login_url(request), HTTPStatus.SEE_OTHER)
    if isinstance(problem, TooManyWrongTokens):
        return login_form(request, problem)
    return page(request, "problem.html", "", {"problem": problem.document()}, status=problem.http_status, headers=problem_headers(problem))


def _current(control: Parts) -> Shown:
    status = control.status()
    return {"status": status, "seen": digest(replace(status, at=datetime.min.replace(tzinfo=UTC)))}


def _runs(control: Parts, limit: int, before: str | None = None) -> Shown:
    found = control.engine.runs(limit=limit, before=before)
    return {"runs": found, "limit": limit, "before": before, "seen_runs": digest((found, [took(each) for each in found]))}


def _run(control: Parts, run_id: str) -> Shown:
    found = control.engine.run(run_id)
    plan, journal = control.engine.planned(run_id), control.journals.of(run_id)
    return {
        "run": found,
        "plan": plan,
        "phases": phases(plan.steps, run_id, journal, ended=found.status.ended),
        "explained": _explained(journal, found),
        "entries": shortened(journal)[::-1],
        "seen": digest((found, len(journal), took(found))),
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
