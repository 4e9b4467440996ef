"""Threads for steps."""

from __future__ import annotations

from contextvars import ContextVar
from threading import Event, current_thread

import pytest

from unioneyes.runbook.steps import RunStopped, Stop
from unioneyes.runbook.threads import StepThreads

here: ContextVar[str] = ContextVar("here", default="nowhere")


def test_a_step_sees_the_context_of_whoever_started_it() -> None:
    threads = StepThreads()
    token = here.set("in a run")
    try:
        assert threads.submit(here.get).result(5) == "in a run"
    finally:
        here.reset(token)
    assert threads.submit(here.get).result(5) == "nowhere"


def test_a_thread_is_kept_for_the_next_step() -> None:
    threads = StepThreads()
    names = {threads.submit(lambda: current_thread().name).result(5) for _ in range(20)}
    assert len(names) <= 2  # the second one, when the first had not yet said that it is idle


def test_a_step_that_hangs_holds_nobody_up_and_not_the_process_either() -> None:
    threads = StepThreads()
    go = Event()
    hanging = threads.submit(go.wait)
    assert threads.submit(lambda: current_thread().daemon).result(5)
    assert not hanging.done()
    go.set()
    assert hanging.result(5)


def test_what_a_step_raises_reaches_whoever_waits_even_what_is_no_exception() -> None:
    def stopped() -> None:
        raise RunStopped(Stop.CANCELLED)

    with pytest.raises(RunStopped, match="the run was cancelled"):
        StepThreads().submit(stopped).result(5)
