"""The operated database in the HTTP API: who is connected, and what each does. Ending what should not be there is a run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from unioneyes.console.api import PREFIX, VersionedJson
from unioneyes.console.control import Control, Parts
from unioneyes.console.failures import RESPONSES
from unioneyes.console.guard import Executor, Reader, Responder
from unioneyes.kernel.problems import Problem
from unioneyes.operations.database.connections import Connections, Doing, Locks, connections, locks, queries, told_without_secrets
from unioneyes.operations.database.explaining import PlanShown, plan_shown, require_reading
from unioneyes.operations.database.slow import SlowQueries, slow_queries
from unioneyes.operations.database.status import DatabaseStatus, LagStatus, Recoverable, database_status, lag_status
from unioneyes.operations.database.status_rules import LATE
from unioneyes.ports.activity import ActivityView
from unioneyes.ports.database import Backups
from unioneyes.ports.plans import Explained
from unioneyes.ports.query_history import LoggedQueries
from unioneyes.ports.recovery import Recovery
from unioneyes.ports.replicas import PoolUse, Replicas
from unioneyes.ports.traffic import Colour
from unioneyes.ports.vitals import Unknown
from unioneyes.runbook.reasons import LONGEST_REASON
from unioneyes.runbook.views import DatabaseSession

_LONGEST_NAME = 63
"""Bytes of a name. Source: PostgreSQL, `NAMEDATALEN`."""

HEARTBEAT_WITHIN = LATE + timedelta(seconds=0.5)
"""How long a heartbeat is waited for: until the lag is one that is wrong."""
_LONGEST = 366 * 86_400.0
"""Seconds."""
_LONGEST_STATEMENT = 100_000
"""Characters."""

router = APIRouter(prefix=f"{PREFIX}/database", default_response_class=VersionedJson, responses=RESPONSES)

Name = Annotated[str | None, Query(min_length=1, max_length=_LONGEST_NAME)]
NameOrNone = Annotated[str | None, Query(max_length=_LONGEST_NAME)]
"""Empty: those without a name."""


@router.get("/status")
def show_database(control: Parts, by: Reader) -> DatabaseStatus:
    """Return how the operated database is: what it does, what it is behind with, and what is wrong."""
    del by
    environment = control.environment
    with ThreadPoolExecutor(max_workers=4) as reading:
        signs, lag = reading.submit(environment.vitals.signs), reading.submit(environment.vitals.lag, within=HEARTBEAT_WITHIN)
        recoverable, pools = reading.submit(_recoverable, environment.backups, environment.recovery), reading.submit(_pools, environment.replicas)
        view = _seen(control)
        return database_status(
            environment=environment.facts.name, signs=signs.result(), view=view, pools=pools.result(), lag=lag.result(), recoverable=recoverable.result()
        )


@router.get("/lag")
def show_lag(control: Parts, by: Reader) -> LagStatus:
    """Return how far the copies of the operated database are behind, from both ends, in bytes and seconds, and what is wrong with them."""
    del by
    return lag_status(control.environment.vitals.lag(within=HEARTBEAT_WITHIN))


@router.get("/connections")
def show_connections(*, control: Parts, by: Reader, app: NameOrNone = None, user: Name = None, database: Name = None, state: Doing = Doing.ANY) -> Connections:
    """Return who is connected to the database's server, against how many may be: by database, role, application and state, and each."""
    del by
    return connections(_seen(control), app=app, user=user, database=database, state=state)


@router.get("/queries")
def show_queries(control: Parts, by: Reader) -> Connections:
    """Return the queries that run now, and the transactions that wait in their middle, longest first; without the values that stand in them."""
    del by
    return queries(_seen(control))


@router.get("/locks")
def show_locks(control: Parts, by: Reader) -> Locks:
    """Return who waits for whom."""
    del by
    return locks(_seen(control))


@router.get("/slow")
def show_slow(
    *, control: Parts, by: Reader, over: Annotated[float, Query(ge=0, le=_LONGEST)] = 5.0, last: Annotated[float, Query(gt=0, le=_LONGEST)] = 86_400.0
) -> SlowQueries:
    """Return what runs now for longer than `over`, and which queries took longer before, with their percentiles where the server logs durations."""
    del by
    history = control.environment.query_history
    logged = history.logged(last=timedelta(seconds=last))
    counted = None if isinstance(logged, LoggedQueries) else history.counted()
    found = slow_queries(_seen(control), over=timedelta(seconds=over), logged=logged, counted=counted, switch_on=history.describe_logging())
    past = tuple(replace(each, query=control.redactor(each.query)) for each in found.past)
    slowest = None if found.slowest is None else replace(found.slowest, query=control.redactor(found.slowest.query))
    return replace(found, past=past, slowest=slowest)


class Explain(BaseModel):
    """Which statement: one that the server knows by its id, or one that is written here."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"statement": "SELECT 1"}]})

    query_id: Annotated[str, Field(pattern=r"^-?[0-9]{1,20}$")] | None = None
    """As `ue db slow` and `ue db queries` show it."""
    statement: Annotated[str, Field(min_length=1, max_length=_LONGEST_STATEMENT)] | None = None
    """One statement. It is neither kept nor logged."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.query_id is None) is (self.statement is None):
            raise ValueError("give either query_id or statement")
        return self


class Analyze(Explain):
    """Which statement, and why it is carried out."""

    reason: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)] | None = None
    """Asked for in production."""


@router.post("/explain")
def explain_statement(body: Explain, control: Parts, by: Responder) -> PlanShown:
    """Return how the database would carry out a statement, which it does not, and what may make it slow."""
    del by
    return _shown(control, control.environment.plans.explain(_statement(body, control), typed=body.query_id is None))


@router.post("/analyze")
def analyze_statement(body: Analyze, control: Parts, by: Executor) -> PlanShown:
    """Return how the database carried out a statement that only reads, within seconds and rolled back; that it was asked for stands in the audit log."""
    statement = _statement(body, control)
    require_reading(statement)
    return _shown(control, control.engine.database_access.analyze(statement, query_id=body.query_id, by=by.name, reason=body.reason))


class OpenSession(BaseModel):
    """What a person goes into the database for."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{"reason": "look at the statistics of a table"}]})

    write: bool = False
    """As the role that owns the schema."""
    reason: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)] | None = None
    """Asked for in production, and of whoever may write."""


class EndSession(BaseModel):
    """Which session ended, and how."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"session": "0b5c1c1e-7c2f-4f57-9d5c-3f0f0a6c2b1d", "seconds": 12.5, "exit_code": 0}]}
    )

    session: UUID
    """Its id, as it was told when it was opened."""
    seconds: Annotated[float, Field(ge=0, le=_LONGEST)]
    """How long it was open."""
    exit_code: Annotated[int, Field(ge=0, le=255)]
    """How psql ended."""


@router.post("/sessions")
def open_session(body: OpenSession, control: Parts, by: Executor) -> DatabaseSession:
    """Return the id of a session that whoever asks then opens by themselves; who, whether to write and why stands in the audit log."""
    return control.engine.database_access.open(write=body.write, by=by.name, reason=body.reason)


@router.post("/sessions/end")
def end_session(body: EndSession, control: Parts, by: Executor) -> DatabaseSession:
    """Return the session; that it ended, and after how long, stands in the audit log."""
    return control.engine.database_access.end(str(body.session), seconds=body.seconds, exit_code=body.exit_code, by=by.name)


def _statement(body: Explain, control: Control) -> str:
    return control.environment.query_history.statement(body.query_id) if body.query_id is not None else body.statement or ""


def _shown(control: Control, explained: Explained) -> PlanShown:
    return plan_shown(replace(explained, query=control.redactor(explained.query)))


def _pools(replicas: Replicas) -> tuple[PoolUse, ...]:
    """Return what can be known of them: the database is looked at when nothing else answers, too."""
    try:
        return tuple(pool for colour in Colour for pool in replicas.pools(colour))
    except Problem:
        return ()


def _recoverable(backups: Backups, recovery: Recovery) -> Recoverable:
    """Return what can be recovered. That the log's keeper can't be asked is said, and keeps nobody from the rest."""
    try:
        windows, faults = recovery.wal().windows, recovery.faults()
    except Problem as problem:
        return Recoverable(backups=backups.all(), unknown=(Unknown(what="recoverable window", why=problem.what),))
    return Recoverable(backups=backups.all(), window=windows[0] if windows else None, faults=faults)


def _seen(control: Control) -> ActivityView:
    return told_without_secrets(control.environment.activity.view(), control.redactor)
