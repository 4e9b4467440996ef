"""The service's pods in the HTTP API: how they stand, what they log, and the way into one. Restarting and scaling are runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from time import monotonic
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from starlette.responses import StreamingResponse

from unioneyes.console.api import EVENT_STREAM, PREFIX, VersionedJson
from unioneyes.console.control import Control, Parts
from unioneyes.console.failures import RESPONSES
from unioneyes.console.guard import Executor, Reader, Responder
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import BadInput, Problem
from unioneyes.kernel.redaction import Redactor
from unioneyes.operations.app.status import AppStatus, app_status
from unioneyes.ports.pods import NoSuchPod, Pod, PodDetails, ShellWay
from unioneyes.ports.replicas import LogLine
from unioneyes.ports.traffic import Colour, TrafficView
from unioneyes.runbook.reasons import LONGEST_REASON, usable

MOST_LINES = 10_000
MOST_FOLLOWED = 50
"""Pods: each that is followed takes a connection and a thread."""
_LONGEST_NAME = 253
"""Characters of a name. Source: Kubernetes, "Object Names and IDs"."""
_AT_ONCE, _GATHERED_SECONDS = 500, 0.3
_FOLLOWERS = CapacityLimiter(32)
"""Those who follow logs hold threads of their own, each a second at most at a time, and keep nobody else out."""
_LINE = TypeAdapter(LogLine)

router = APIRouter(prefix=f"{PREFIX}/app", default_response_class=VersionedJson, responses=RESPONSES)

PodName = Annotated[str | None, Query(min_length=1, max_length=_LONGEST_NAME)]
Lines = Annotated[int, Query(ge=1, le=MOST_LINES)]


class OpenShell(BaseModel):
    """Into which pod, and why."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"reason": "look at the open files"}]})

    pod: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)] | None = None
    """A ready one of the colour that serves when not given."""
    terminal: bool = True
    """Whether a person types; else what is piped in is read."""
    reason: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)]


@router.get("/status")
def show_app(control: Parts, by: Reader) -> AppStatus:
    """Return how the service's pods stand: both colours, and what is wrong with which pod."""
    del by
    environment = control.environment
    with ThreadPoolExecutor(max_workers=2) as reading:
        asked_pods, asked_traffic = reading.submit(environment.pods.all), reading.submit(_traffic, control)
        sizes = {colour: environment.pods.size(colour) for colour in Colour}
        return app_status(
            environment=environment.facts.name,
            service=environment.facts.service,
            at=now(),
            pods=_redacted(asked_pods.result(), control.redactor),
            sizes=sizes,
            traffic=asked_traffic.result(),
            lock=control.engine.lock(),
        )


@router.get("/pods")
def list_pods(control: Parts, by: Reader) -> tuple[Pod, ...]:
    """Return every pod of both colours, by name."""
    del by
    return _redacted(control.environment.pods.all(), control.redactor)


@router.get("/pods/{pod}")
def show_pod(pod: Annotated[str, InPath(max_length=_LONGEST_NAME)], control: Parts, by: Reader) -> PodDetails:
    """Return everything of one pod that is no secret."""
    del by
    found, redact = control.environment.pods.details(pod), control.redactor
    return replace(
        found,
        pod=_redacted((found.pod,), redact)[0],
        command=tuple(map(redact, found.command)),
        settings={name: redact(value) for name, value in found.settings.items()},
        events=tuple(replace(event, message=redact(event.message)) for event in found.events),
    )


@router.get("/logs")
def show_logs(
    *,
    control: Parts,
    by: Responder,
    pod: PodName = None,
    colour: Colour | None = None,
    since: AwareDatetime | None = None,
    previous: bool = False,
    limit: Lines = 100,
) -> tuple[LogLine, ...]:
    """Return the last lines that the pods logged, oldest first."""
    del by
    pods = _chosen(control, pod, colour)
    found = control.environment.pods.logs(pods=pods, last=limit, since=_utc(since), previous=previous)
    return tuple(replace(line, message=control.redactor(line.message)) for line in found)


@router.get("/logs/stream", response_class=StreamingResponse, responses={200: {"content": {EVENT_STREAM: {}}}})
def follow_logs(
    *,
    request: Request,
    control: Parts,
    by: Responder,
    pod: PodName = None,
    colour: Colour | None = None,
    since: AwareDatetime | None = None,
    limit: Lines = 100,
) -> StreamingResponse:
    """Stream the last lines that the pods logged, and then those that come, as server-sent events; ends when none of the pods is there any more."""
    del by
    pods = _chosen(control, pod, colour)
    if len(pods) > MOST_FOLLOWED:
        raise TooManyPods(what=f"{len(pods)} pods are more than are followed at once ({MOST_FOLLOWED})", remedy="name one: ue app logs POD -f")
    lines = control.environment.pods.follow(pods=pods, last=limit, since=_utc(since))
    return StreamingResponse(_events(request, control, lines), media_type=EVENT_STREAM)


@router.post("/shell")
def open_shell(body: OpenShell, control: Parts, by: Executor) -> ShellWay:
    """Return the way into a pod, which whoever asks then goes by themselves; that they asked for it, and why, stands in the audit log."""
    way = control.engine.shells.open(body.pod, terminal=body.terminal, by=by.name, reason=usable(body.reason))
    secret = tuple(name for name, value in (way.environment or {}).items() if control.redactor(value) != value)
    kept = None if way.environment is None else {name: value for name, value in way.environment.items() if name not in secret}
    return replace(way, environment=kept, secrets_left_out=tuple(sorted((*way.secrets_left_out, *secret))))


def _traffic(control: Control) -> TrafficView | None:
    try:
        return control.environment.traffic.view()
    except Problem:
        return None


def _chosen(control: Control, pod: str | None, colour: Colour | None) -> tuple[str, ...]:
    """Return the names of the pods that are meant. Raises: NoSuchPod."""
    if pod is not None:
        return (pod,)
    found = tuple(replica.name for replica in control.environment.replicas.all() if colour in {None, replica.colour})
    if not found:
        raise NoSuchPod(what="there is no pod" if colour is None else f"there is no pod on {colour}", remedy="ue app status shows what runs where")
    return found


def _redacted(pods: tuple[Pod, ...], redact: Redactor) -> tuple[Pod, ...]:
    return tuple(pod if pod.last_end is None else replace(pod, last_end=replace(pod.last_end, message=redact(pod.last_end.message))) for pod in pods)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


async def _events(request: Request, control: Control, lines: Generator[LogLine | None, None, None]) -> AsyncIterator[str]:
    """Give what came in a moment, all at once, until nothing comes any more, or nobody listens."""
    ended = False
    with closing(lines):
        while not ended and not control.stopping.is_set() and not await request.is_disconnected():
            come, ended = await to_thread.run_sync(_some, lines, limiter=_FOLLOWERS)
            yield "".join(_event(line, control.redactor) for line in come) or ": nothing new\n\n"


def _some(lines: Generator[LogLine | None, None, None]) -> tuple[list[LogLine], bool]:
    """Return the lines that come in a moment, and whether there will be no more."""
    come: list[LogLine] = []
    began = monotonic()
    for line in islice(lines, _AT_ONCE):
        if line is not None:
            come.append(line)
        if line is None or monotonic() - began > _GATHERED_SECONDS:
            return come, False
    return come, len(come) < _AT_ONCE


def _event(line: LogLine, redact: Redactor) -> str:
    return f"event: line\ndata: {_LINE.dump_json(replace(line, message=redact(line.message))).decode()}\n\n"


class TooManyPods(BadInput):
    """More pods were meant than can be followed."""
