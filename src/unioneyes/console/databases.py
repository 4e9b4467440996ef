"""The operated database in the HTTP API: who is connected, and what each does. Ending what should not be there is a run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from unioneyes.console.api import PREFIX, VersionedJson
from unioneyes.console.control import Control, Parts
from unioneyes.console.failures import RESPONSES
from unioneyes.console.guard import Reader
from unioneyes.kernel.problems import Problem
from unioneyes.operations.database.connections import Connections, Doing, Locks, connections, locks, queries, told_without_secrets
from unioneyes.operations.database.slow import SlowQueries, slow_queries
from unioneyes.operations.database.status import DatabaseStatus, LagStatus, database_status, lag_status
from unioneyes.operations.database.status_rules import LATE
from unioneyes.ports.activity import ActivityView
from unioneyes.ports.query_history import LoggedQueries
from unioneyes.ports.replicas import PoolUse, Replicas
from unioneyes.ports.traffic import Colour

_LONGEST_NAME = 63
"""Bytes of a name. Source: PostgreSQL, `NAMEDATALEN`."""

HEARTBEAT_WITHIN = LATE + timedelta(seconds=0.5)
"""How long a heartbeat is waited for: until the lag is one that is wrong."""
_LONGEST = 366 * 86_400.0
"""Seconds."""

router = APIRouter(prefix=f"{PREFIX}/database", default_response_class=VersionedJson, responses=RESPONSES)

Name = Annotated[str | None, Query(min_length=1, max_length=_LONGEST_NAME)]


@router.get("/status")
def show_database(control: Parts, by: Reader) -> DatabaseStatus:
    """Return how the operated database is: what it does, what it is behind with, and what is wrong."""
    del by
    environment = control.environment
    with ThreadPoolExecutor(max_workers=4) as reading:
        signs, lag = reading.submit(environment.vitals.signs), reading.submit(environment.vitals.lag, within=HEARTBEAT_WITHIN)
        backups, pools = reading.submit(environment.backups.all), reading.submit(_pools, environment.replicas)
        view = _seen(control)
        return database_status(
            environment=environment.facts.name, signs=signs.result(), view=view, pools=pools.result(), lag=lag.result(), backups=backups.result()
        )


@router.get("/lag")
def show_lag(control: Parts, by: Reader) -> LagStatus:
    """Return how far the copies of the operated database are behind, from both ends, in bytes and seconds, and what is wrong with them."""
    del by
    return lag_status(control.environment.vitals.lag(within=HEARTBEAT_WITHIN))


@router.get("/connections")
def show_connections(*, control: Parts, by: Reader, app: Name = None, user: Name = None, database: Name = None, state: Doing = Doing.ANY) -> Connections:
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
    with ThreadPoolExecutor(max_workers=1) as reading:
        asked = reading.submit(history.logged, last=timedelta(seconds=last))
        view, logged = _seen(control), asked.result()
    counted = None if isinstance(logged, LoggedQueries) else history.counted()
    found = slow_queries(view, over=timedelta(seconds=over), logged=logged, counted=counted, switch_on=history.describe_logging())
    past = tuple(replace(each, query=control.redactor(each.query)) for each in found.past)
    slowest = None if found.slowest is None else replace(found.slowest, query=control.redactor(found.slowest.query))
    return replace(found, past=past, slowest=slowest)


def _pools(replicas: Replicas) -> tuple[PoolUse, ...]:
    """Return what can be known of them: the database is looked at when nothing else answers, too."""
    try:
        return tuple(pool for colour in Colour for pool in replicas.pools(colour))
    except Problem:
        return ()


def _seen(control: Control) -> ActivityView:
    return told_without_secrets(control.environment.activity.view(), control.redactor)
