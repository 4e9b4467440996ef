"""The HTTP API, version 1: what the command line, the console and other programs use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

import httpx
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Header, Query, Request, Response, status
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter
from starlette.responses import JSONResponse, StreamingResponse

from unioneyes.console.control import Control, Parts
from unioneyes.console.failures import RESPONSES
from unioneyes.console.guard import Administrator, Operator, Overseer, Reader, Responder
from unioneyes.console.sampler import KEPT, TrafficSeries
from unioneyes.kernel.access import Right, Role, require_name
from unioneyes.kernel.calendar import ahead, current
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.explanation import Explanation, explanation
from unioneyes.operations.deployment.status import DeploymentStatus, DeploymentView
from unioneyes.operations.rollback.model import RollbackOption
from unioneyes.operations.rollback.options import rollback_options
from unioneyes.ports.environment import Facts
from unioneyes.ports.releases import Release
from unioneyes.ports.service import SmokeReport
from unioneyes.ports.traffic import Counters, TrafficView
from unioneyes.runbook.definition import definition, right_over
from unioneyes.runbook.own import RunbookView
from unioneyes.runbook.reasons import LONGEST_REASON, usable
from unioneyes.runbook.views import (
    API_VERSION,
    ApprovalView,
    Decision,
    Freezes,
    JournalEntry,
    LineStop,
    LockView,
    Myself,
    PlanView,
    RunView,
    TokenMade,
    TokenView,
    Verdict,
)

PREFIX = f"/api/{API_VERSION}"
EVENT_STREAM = "text/event-stream"
SMOKE_WITHIN = timedelta(seconds=60)
_LONGEST_WAIT = 30.0
_SLICE = timedelta(seconds=1)
"""A long poll is made of short ones, so that a server that ends keeps nobody waiting."""
LONGEST_TOKEN = timedelta(days=366)
_WAITERS = CapacityLimiter(64)
"""Those who wait for the journal hold threads of their own, and keep nobody else out."""
_ENTRY, _PLAN, _RUN = TypeAdapter(JournalEntry), TypeAdapter(PlanView), TypeAdapter(RunView)


class VersionedJson(JSONResponse):
    """A JSON answer; an object says which version of the API it belongs to."""

    def render(self, content: object) -> bytes:
        """Return the bytes of the answer."""
        return super().render({"api": API_VERSION, **content} if isinstance(content, dict) else content)


router = APIRouter(prefix=PREFIX, default_response_class=VersionedJson, responses=RESPONSES)


class StartRun(BaseModel):
    """What is to be run."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"runbook": "deployment.verify", "request": {}},
                {"runbook": "deployment.start", "request": {"version": "1.1.0", "migrate": True}, "dry_run": True},
            ]
        },
    )

    runbook: str
    request: dict[str, JsonValue]
    dry_run: bool = False
    """Only look, and return the plan."""
    park: bool = False
    """When a step fails, wait for a person's decision, where the run would undo by itself."""
    confirm: str | None = None
    """The name that the plan asks for, where it can't be undone."""


class Reason(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"reason": "members see errors"}]})

    reason: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)]


class Decide(Reason):
    """What a person chooses for a parked run, and why."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"decision": "retry", "reason": "the database is back"}, {"decision": "undo", "reason": "not today"}]},
    )

    decision: Decision


class AnswerApproval(BaseModel):
    """What somebody says who is asked."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {"verdict": "granted", "note": "looked at the plan"},
                {"gate": "product-approval", "verdict": "refused", "note": "not before the meeting"},
            ]
        },
    )

    gate: str | None = None
    """Left out where only one is theirs to answer."""
    verdict: Literal[Verdict.GRANTED, Verdict.REFUSED]
    note: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)]


class NewToken(BaseModel):
    """Who gets a token, to be what, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"name": "jane", "roles": ["responder"], "lasts": "P30D"}]})

    name: str
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    lasts: Annotated[timedelta, Field(gt=timedelta(0), le=LONGEST_TOKEN)] = timedelta(days=90)


def _address(url: str) -> str:
    """Return an address that can be asked, whoever answers there."""
    try:
        httpx.URL(url)
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        sound = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except (httpx.InvalidURL, ValueError):
        sound = False
    if not sound:
        message = "no address can be read from it"
        raise ValueError(message)
    return url


class SmokeTest(BaseModel):
    """What is to be smoke-tested."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{}]})

    url: Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=2000), AfterValidator(_address)] | None = None
    """The members' address when not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficReport:
    """What the routes say, what the data plane counted, and both colours second by second."""

    view: TrafficView | None
    counters: Counters | None
    seconds: TrafficSeries
    unavailable: str | None
    """Why there is no view or there are no counters."""


@router.get("/environment")
def environment(control: Parts, by: Reader) -> Facts:
    """Return what does not change while the environment runs."""
    del by
    return control.environment.facts


@router.post(
    "/runs",
    status_code=status.HTTP_201_CREATED,
    response_model=RunView,
    responses={
        200: {"model": PlanView, "description": "Dry run: the plan"},
        201: {"description": "The run", "headers": {"Location": {"required": True, "schema": {"type": "string", "pattern": f"^{PREFIX}/runs/"}}}},
    },
)
def start_run(body: StartRun, control: Parts, by: Reader) -> Response:
    """Start a run, which takes the right that its runbook names; with `dry_run`, return its plan and change nothing.

    A plan takes reading alone, but where the request brings the code along that is planned: that takes the right to execute, too.
    """
    if isinstance(reason := body.request.get("reason"), str):
        usable(reason)
    control.own.require(body.runbook)
    request: JsonValue = dict(body.request)
    right = definition(body.runbook).right
    if not body.dry_run or right is Right.EXECUTE:
        by.require(right)
    if body.dry_run:
        return VersionedJson(_PLAN.dump_python(control.engine.plan(body.runbook, request), mode="json"), status.HTTP_200_OK)
    run = control.engine.start(body.runbook, request, by=by.name, park=body.park, confirm=body.confirm)
    return VersionedJson(_RUN.dump_python(run, mode="json"), status.HTTP_201_CREATED, headers={"Location": f"{PREFIX}/runs/{run.id}"})


@router.get("/runs")
def list_runs(
    *,
    control: Parts,
    by: Reader,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    before: str | None = None,
    runbook: str | None = None,
    status: Annotated[RunStatus | None, Query()] = None,
) -> tuple[RunView, ...]:
    """Return runs, newest first. The next page is `before` the last run's id."""
    del by
    return control.engine.runs(limit=limit, before=before, runbook=runbook, status=status)


@router.get("/runs/{run_id}")
def show_run(run_id: str, control: Parts, by: Reader) -> RunView:
    """Return one run."""
    del by
    return control.engine.run(run_id)


@router.get("/runs/{run_id}/plan")
def show_plan(run_id: str, control: Parts, by: Reader) -> PlanView:
    """Return what the run was to do."""
    del by
    return control.engine.planned(run_id)


@router.get("/runs/{run_id}/journal")
async def show_journal(
    *,
    run_id: str,
    control: Parts,
    by: Reader,
    after: Annotated[int, Query(ge=0)] = 0,
    wait: Annotated[float, Query(ge=0, le=_LONGEST_WAIT)] = 0,
    limit: Annotated[int, Query(ge=1, le=2000)] = 500,
) -> tuple[JournalEntry, ...]:
    """Return the journal after a line; waits up to `wait` seconds for one when there is none yet."""
    del by
    left = timedelta(seconds=wait)
    while True:
        entries = await _journal(control, run_id, after=after, limit=limit, wait=min(left, _SLICE))
        left -= _SLICE
        if entries or left <= timedelta(0) or control.stopping.is_set():
            return entries


@router.get(
    "/runs/{run_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {EVENT_STREAM: {}}},
        204: {"description": "The run has ended, and nothing came after `Last-Event-ID`: there is no need to ask again"},
    },
)
async def stream_journal(run_id: str, request: Request, control: Parts, by: Reader, last_event_id: Annotated[int, Header(ge=0)] = 0) -> Response:
    """Stream the journal as server-sent events until the run ends; `Last-Event-ID` continues where a lost connection was."""
    del by
    run = await to_thread.run_sync(control.engine.run, run_id)  # an unknown run is a problem document, not an empty stream
    if run.status.ended and not await _journal(control, run_id, after=last_event_id, limit=1, wait=timedelta(0)):
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    return StreamingResponse(_events(request, control, run_id, last_event_id), media_type=EVENT_STREAM)


@router.post("/runs/{run_id}/cancel")
def cancel_run(run_id: str, body: Reason, control: Parts, by: Reader) -> RunView:
    """Stop the run, in the middle of a step that lasts, and undo what it did. It takes the right that its runbook names."""
    by.require(right_over(control.engine.run(run_id).runbook))
    return control.engine.cancel(run_id, by=by.name, reason=body.reason)


@router.post("/runs/{run_id}/decision")
def decide_run(run_id: str, body: Decide, control: Parts, by: Reader) -> RunView:
    """Let a parked run go on. It takes the right that its runbook names."""
    by.require(right_over(control.engine.run(run_id).runbook))
    return control.engine.decide(run_id, body.decision, by=by.name, reason=body.reason)


@router.get("/runbooks")
def list_runbooks(control: Parts, by: Reader) -> tuple[RunbookView, ...]:
    """Return every runbook: the project's own, those of its files that are broken, and the built-in ones with their last passing drill."""
    del by
    return tuple(replace(each, drilled=control.drills.last(each.name)) for each in control.own.all())


@router.get("/approvals")
def list_approvals(control: Parts, by: Reader) -> tuple[ApprovalView, ...]:
    """Return the runs that wait for others to say yes, oldest first."""
    del by
    return control.engine.approvals.awaited()


@router.get("/runs/{run_id}/approvals")
def show_approvals(run_id: str, control: Parts, by: Reader) -> ApprovalView:
    """Return whose yes the run needs or needed, and what was answered."""
    del by
    return control.engine.approvals.of(run_id)


@router.post("/runs/{run_id}/approvals")
def answer_run(run_id: str, body: AnswerApproval, control: Parts, by: Reader) -> ApprovalView:
    """Say yes or no to a run that waits for it. The policy's roles decide who may; nobody answers for what they asked for themselves."""
    return control.engine.approvals.answer(run_id, body.gate, body.verdict, by=by, note=usable(body.note))


@router.post("/runs/{run_id}/override")
def override_run(run_id: str, body: Reason, control: Parts, by: Operator) -> ApprovalView:
    """Say that a run can't wait for those who should be asked; two people must."""
    return control.engine.approvals.override(run_id, by=by, reason=usable(body.reason))


@router.get("/lock")
def show_lock(control: Parts, by: Reader) -> LockView | None:
    """Return who holds the service; null when nobody does."""
    del by
    return control.engine.lock()


@router.get("/releases")
def list_releases(control: Parts, by: Reader) -> tuple[Release, ...]:
    """Return what can be deployed, oldest first."""
    del by
    return control.environment.releases.all()


@router.get("/traffic")
def show_traffic(control: Parts, by: Reader, last: Annotated[int, Query(ge=1, le=KEPT // timedelta(seconds=1))] = 120) -> TrafficReport:
    """Return the routes, the counters, and both colours over the `last` seconds."""
    del by
    seconds = control.sampler.series(timedelta(seconds=last))
    try:
        traffic = control.environment.traffic
        return TrafficReport(view=traffic.view(), counters=traffic.counters(), seconds=seconds, unavailable=None)
    except Problem as problem:
        return TrafficReport(view=None, counters=None, seconds=seconds, unavailable=problem.what)


@router.get("/rollback/options")
def show_rollback_options(control: Parts, by: Reader, reason: Annotated[str | None, Query(min_length=1, max_length=1000)] = None) -> tuple[RollbackOption, ...]:
    """Return which ways back are open now, as probed, best first; one proposed, where `reason` is one of the document's triggers."""
    del by
    return rollback_options(control.environment, control.measured(), reason)


@router.get("/deployments")
def list_deployments(control: Parts, by: Reader, limit: Annotated[int, Query(ge=1, le=200)] = 20, before: str | None = None) -> tuple[DeploymentView, ...]:
    """Return the deployments, newest first, without what happened in their phases."""
    del by
    return control.deployments(limit=limit, before=before)


@router.get("/deployments/current")
def current_deployment(control: Parts, by: Reader) -> DeploymentStatus:
    """Return what is deployed and what is being deployed."""
    del by
    return control.status()


@router.get("/deployments/{run_id}")
def show_deployment(run_id: str, control: Parts, by: Reader) -> DeploymentView:
    """Return one deployment."""
    del by
    return control.deployment(control.engine.run(run_id))


@router.get("/deployments/{run_id}/explanation")
def explain_deployment(run_id: str, control: Parts, by: Reader) -> Explanation:
    """Return the numbers behind the deployment's verdicts; of one under way, as they stand now."""
    del by
    return explanation(control.journals.of(control.engine.run(run_id).id), run_id)


@router.post("/smoke")
def smoke_test(body: SmokeTest, control: Parts, by: Responder) -> SmokeReport:
    """Run the service's end-to-end flows at one of its addresses in this environment: the members', or the preview's. They write there, as a member would."""
    return control.engine.smoke_tests.run(body.url, by=by.name, within=SMOKE_WITHIN)


@router.get("/freezes")
def show_freezes(control: Parts, by: Reader) -> Freezes:
    """Return what holds changes now, and what the calendar will hold."""
    del by
    windows, moment = control.environment.checklist.freezes(), now()
    return Freezes(line=control.engine.line.stopped(), current=current(windows, moment), ahead=ahead(windows, moment))


@router.post("/line/stop")
def stop_line(body: Reason, control: Parts, by: Responder) -> LineStop:
    """Let no run but a rollback change the service, from its next step on."""
    return control.engine.line.stop(reason=usable(body.reason), by=by.name)


@router.post("/line/lift")
def lift_line(body: Reason, control: Parts, by: Operator) -> LineStop:
    """Let runs go on."""
    return control.engine.line.lift(reason=usable(body.reason), by=by.name)


@router.get("/me")
def show_myself(by: Reader) -> Myself:
    """Return who asks, and what they may do."""
    return Myself(name=by.name, roles=tuple(role for role in Role if role in by.roles), rights=tuple(right for right in Right if by.may(right)))


@router.get("/tokens")
def list_tokens(control: Parts, by: Overseer) -> tuple[TokenView, ...]:
    """Return every token, newest first, without what would let anybody in."""
    del by
    return control.engine.tokens.all()


@router.post("/tokens", status_code=status.HTTP_201_CREATED)
def create_token(body: NewToken, control: Parts, by: Administrator) -> TokenMade:
    """Make a token. Its secret is in this answer only."""
    made = control.engine.tokens.create(require_name(body.name), roles=body.roles, lasts=body.lasts, by=by.name)
    return TokenMade(token=made.view, secret=made.secret.get_secret_value())


@router.post("/tokens/{name}/revoke")
def revoke_token(name: str, control: Parts, by: Administrator) -> TokenView:
    """Let nobody in any more by this token."""
    return control.engine.tokens.revoke(name, by=by.name)


async def _journal(control: Control, run_id: str, *, after: int, limit: int, wait: timedelta) -> tuple[JournalEntry, ...]:
    return await to_thread.run_sync(lambda: control.engine.journal(run_id, after=after, limit=limit, wait=wait), limiter=_WAITERS)


async def _events(request: Request, control: Control, run_id: str, after: int) -> AsyncIterator[str]:
    """Give what the journal has, all at once: a client that went away is written to once, and not line by line."""
    while not control.stopping.is_set() and not await request.is_disconnected():
        ended = (await to_thread.run_sync(control.engine.run, run_id)).status.ended
        entries = await _journal(control, run_id, after=after, limit=500, wait=timedelta(0) if ended else _SLICE)
        if not entries and ended:
            return
        after = entries[-1].seq if entries else after
        yield "".join(map(_event, entries)) or ": nothing new\n\n"


def _event(entry: JournalEntry) -> str:
    return f"id: {entry.seq}\nevent: {entry.kind}\ndata: {_ENTRY.dump_json(entry).decode()}\n\n"
