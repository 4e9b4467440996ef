"""A step whose run must stop, as adapters see it: without an engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

import pytest

from tests.contract.postgres.conftest import Database
from tests.stack import eventually
from unioneyes.kernel.cancelling import look_at_run
from unioneyes.runbook.steps import RunStopped, Stop

AT_ONCE = 5.0
"""Seconds within which what is under way has ended."""


def stopped_in(work: Callable[[], object], *, when: Callable[[], object]) -> None:
    """`work` was under way, `when` became true, its run was told to stop then, and it did: with what the engine stops a step with, and at once."""
    stops: list[float] = []
    over = Event()

    def look() -> None:
        if not stops and not over.is_set() and when():
            stops.append(time.monotonic())
        if stops:
            raise RunStopped(Stop.CANCELLED)

    outside = look_at_run.set(look)
    try:
        with pytest.raises(RunStopped):
            work()
    finally:
        look_at_run.reset(outside)
        over.set()
    assert time.monotonic() - stops[0] < AT_ONCE


def active(database: Database, application: str) -> bool:
    """Return True while a session that calls itself so is in a statement, or waits for a lock in one."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{}' AND state = 'active'"
    return bool(database.value(query.format(application)))


def waits(database: Database, application: str) -> bool:
    """Return True while a session that calls itself so waits for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{}' AND wait_event_type = 'Lock'"
    return bool(database.value(query.format(application)))


def gone(look: Callable[[], bool]) -> bool:
    """Return True as soon as `look` sees nothing any more."""
    return eventually(lambda: not look(), within=AT_ONCE)
