"""What is under way ends in its middle, once its run must stop; and nothing else does."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from unioneyes.kernel.cancelling import LOOK_SECONDS, ended_with_run, group_ended_with_run, look_at_run, seldom, sleep

IGNORES_TERM = "trap '' TERM; echo deaf; while :; do sleep 0.05; done"


class Stopped(BaseException):
    """The run must stop."""


class NotWellError(Exception):
    """What was under way did not end well."""


@contextmanager
def in_a_run(must_stop: Event) -> Iterator[None]:
    def look() -> None:
        if must_stop.is_set():
            raise Stopped

    outside = look_at_run.set(look)
    try:
        yield
    finally:
        look_at_run.reset(outside)


@pytest.fixture
def must_stop() -> Event:
    return Event()


def begin(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def carry_out(program: subprocess.Popen[bytes], *, within: float = 30) -> None:
    """As adapters do: what ended otherwise than well has failed."""
    with program, group_ended_with_run(program):
        program.communicate(timeout=within)
        raise NotWellError


def fail(after: Callable[[], object], *, end: Callable[[], None]) -> None:
    with ended_with_run(end):
        after()
        raise NotWellError


def test_a_wait_ends_when_the_run_must_stop(must_stop: Event) -> None:
    with in_a_run(must_stop):
        sleep(0.01)
        must_stop.set()
        began = time.monotonic()
        with pytest.raises(Stopped):
            sleep(30)
    assert time.monotonic() - began < 1


def test_a_wait_outside_of_a_run_lasts_as_long_as_was_asked_for() -> None:
    began = time.monotonic()
    sleep(3 * LOOK_SECONDS)
    assert time.monotonic() - began >= 3 * LOOK_SECONDS


def test_a_fast_loop_looks_about_as_often_as_everybody_else() -> None:
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1

    seldom_looked = seldom(look)
    until = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < until:
        seldom_looked()
    assert 1 <= looks <= 3


def test_what_fails_because_it_was_ended_stops_the_step_and_is_ended_again_until_it_does(must_stop: Event) -> None:
    ended: list[float] = []
    heard = Event()
    must_stop.set()

    def end() -> None:
        ended.append(time.monotonic())
        if len(ended) == 3:
            heard.set()

    with in_a_run(must_stop), pytest.raises(Stopped):
        fail(heard.wait, end=end)
    time.sleep(2 * LOOK_SECONDS)
    assert len(ended) == 3, "nothing is ended after its block"


def test_what_is_done_before_it_could_be_ended_is_done(must_stop: Event) -> None:
    told = Event()
    must_stop.set()
    with in_a_run(must_stop), ended_with_run(told.set):
        assert told.wait(5)


def test_what_fails_by_itself_has_failed(must_stop: Event) -> None:
    with in_a_run(must_stop), pytest.raises(NotWellError):
        fail(partial(time.sleep, 2 * LOOK_SECONDS), end=must_stop.set)
    assert not must_stop.is_set()


def test_nothing_is_ended_outside_of_a_run() -> None:
    ended = Event()
    with ended_with_run(ended.set):
        time.sleep(2 * LOOK_SECONDS)
    assert not ended.is_set()


def test_a_look_that_breaks_ends_the_step_with_what_it_broke_by(must_stop: Event) -> None:
    def look() -> None:
        raise RuntimeError("no way to look")

    outside = look_at_run.set(look)
    try:
        with pytest.raises(RuntimeError, match="no way to look"):
            fail(must_stop.wait, end=must_stop.set)
    finally:
        look_at_run.reset(outside)


def test_a_program_ends_with_all_that_it_started(must_stop: Event) -> None:
    program = begin("sh", "-c", "sleep 60 & echo $!; wait")
    assert program.stdout is not None
    child = int(program.stdout.readline())
    must_stop.set()
    with in_a_run(must_stop), pytest.raises(Stopped):
        carry_out(program)
    assert program.returncode == -signal.SIGTERM
    assert _is_gone(child, within=5)


def test_a_program_that_does_not_listen_is_killed(must_stop: Event) -> None:
    program = begin("sh", "-c", IGNORES_TERM)
    assert program.stdout is not None
    assert program.stdout.readline() == b"deaf\n"
    must_stop.set()
    began = time.monotonic()
    with in_a_run(must_stop), pytest.raises(Stopped):
        carry_out(program)
    assert program.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 5


def test_a_program_does_not_outlive_whoever_gave_it_up() -> None:
    program = begin("sleep", "60")
    with pytest.raises(subprocess.TimeoutExpired):
        carry_out(program, within=0.1)
    assert program.returncode == -signal.SIGKILL


def _is_gone(pid: int, *, within: float) -> bool:
    """Return True once nobody has that number any more; False when somebody still has it after so many seconds."""
    give_up = time.monotonic() + within
    while time.monotonic() < give_up:
        try:
            state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == b"Z":  # nobody here reaps what lost its parent
            return True
        time.sleep(0.02)
    return False
