"""A run without the engine: the same steps in the same order, each on the disk before it is begun, and gone on with where a kill left it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from unioneyes.kernel.problems import Problem, Refused, Unavailable
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.environment import Environment
from unioneyes.runbook.codec import decode
from unioneyes.runbook.definition import Definition, collect, run_child, runbook
from unioneyes.runbook.direct.journal import DirectJournal, JournalNotKept, read_journal
from unioneyes.runbook.direct.run import DirectRun, Order, begin, go_on
from unioneyes.runbook.direct.views import direct_run, plan_of
from unioneyes.runbook.plan import Effect, Plan
from unioneyes.runbook.steps import ask, progress, step, story

RUN = "rollback-20260209-143000-k7m2q"
SECRET = "correct-horse-battery"


class Killed(BaseException):
    """Stands for a `kill -9`: nothing of ours may catch it."""


class Flickering(Unavailable):
    """It does not work at the moment."""


@dataclass
class World:
    """What the steps change, and how they fail."""

    done: list[str] = field(default_factory=list)
    fails: list[BaseException] = field(default_factory=list)
    """What the next tries of the second step raise."""


WORLD = World()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    reason: str


@step(effect=Effect.READ)
def note() -> int:
    """It is noted how much was done."""
    return len(WORLD.done)


@step(effect=Effect.CHANGE)
def shift(*, to: str) -> str:
    """The members are there."""
    if WORLD.fails:
        raise WORLD.fails.pop(0)
    WORLD.done.append(f"shifted to {to}")
    return to


@step(effect=Effect.CHANGE, time_limit=timedelta(milliseconds=50))
def stop(*, colour: str) -> None:
    """The other colour runs nothing."""
    WORLD.done.append(f"stopped {colour}")


@step(effect=Effect.CHANGE)
def stray() -> None:
    """No plan names it."""


def known(run: Callable[[Plan], int]) -> Definition:
    """A runbook that plans the three steps, and carries out `run`."""

    class Rescue:
        def plan(self, env: Environment, request: Request) -> Plan:
            del env, request
            return PLAN

        def run(self, env: Environment, plan: Plan) -> int:
            del env
            return run(plan)

    return collect(lambda: runbook(name="test.rescue", chapter="test", takes_over=True)(Rescue))["test.rescue"]


PLAN = Plan(summary="send them back", steps=(note.planned(), shift.planned(), stop.planned()))


def rescue(plan: Plan) -> int:
    del plan
    noted = note()
    stop(colour=shift(to="green"))
    return noted


RESCUE = known(rescue)
BARE = object.__new__(Environment)


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("unioneyes.runbook.direct.run.pause_before", lambda _retry: timedelta(0))
    WORLD.done.clear()
    WORLD.fails.clear()
    return WORLD


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"{RUN}.jsonl"


def begun(path: Path, definition: Definition = RESCUE) -> DirectRun:
    order = Order(run_id=RUN, by="jane", reason="errors", request={"reason": f"errors, {SECRET}"}, plan=PLAN, control="the server is gone")
    return begin(DirectJournal(path), order, definition, redactor=Redactor([SECRET]), tell=lambda _line: None, warn=lambda _text: None)


def kinds(path: Path) -> list[str]:
    return [f"{line.entry.kind} {line.entry.step}" if line.entry.step else line.entry.kind.value for line in read_journal(path)]


TAKEN = ["step-started note", "step-done note", "step-started shift", "step-done shift", "step-started stop", "step-done stop"]


def test_it_takes_the_plan_s_steps_and_the_journal_tells_all_of_it(path: Path, world: World) -> None:
    run = begun(path).carry_out(BARE)
    assert (run.status, run.result, run.requested_by, run.plan_hash) == (RunStatus.DONE, 0, "jane", PLAN.hash())
    assert world.done == ["shifted to green", "stopped green"]
    assert kinds(path) == ["run-started", *TAKEN, "run-ended"]
    lines = read_journal(path)
    assert direct_run(lines) == run
    assert decode(plan_of(lines), Plan) == PLAN
    assert SECRET not in path.read_text()
    assert lines[0].entry.data["uid"] == os.getuid()


@pytest.mark.parametrize("after", range(1, 8))
def test_killed_after_any_line_the_next_one_goes_on_and_changes_nothing_twice_that_is_known_to_be_done(path: Path, world: World, after: int) -> None:
    first = begun(path)
    count = 0

    def killed(_line: object) -> None:
        nonlocal count
        count += 1
        if count == after:
            raise Killed

    first.tell = killed
    with suppress(Killed):
        first.carry_out(BARE)
    before = list(world.done)
    second = go_on(DirectJournal(path), RESCUE, by="joan", redactor=Redactor(), tell=lambda _line: None, warn=lambda _text: None)
    run = second.carry_out(BARE)
    assert (run.status, run.result, run.requested_by) == (RunStatus.DONE, 0, "jane")
    done_before = [kind for kind in kinds(path)[: kinds(path).index("taken-over")] if kind.startswith("step-done")]
    assert world.done == ["shifted to green", "stopped green"], f"{before} was done, and {done_before} was known to be"
    assert [kind for kind in kinds(path) if kind.startswith("step-done")] == [kind for kind in TAKEN if kind.startswith("step-done")]
    assert {line.by for line in read_journal(path)} == {"jane", "joan"}


def test_what_passes_is_tried_again_and_what_does_not_ends_it(path: Path, world: World) -> None:
    world.fails += [Flickering(what=f"it flickers: {SECRET}", remedy="wait"), Problem(what="it is broken", remedy="mend it")]
    run = begun(path).carry_out(BARE)
    assert run.status is RunStatus.FAILED
    assert run.problem is not None
    assert run.problem["detail"] == "it is broken"
    assert kinds(path)[-4:] == ["step-started shift", "step-retried shift", "step-failed shift", "run-ended"]
    assert SECRET not in path.read_text()


def test_refused_before_anything_was_changed_it_ends_as_refused(path: Path, world: World) -> None:
    world.fails.append(Refused(what="closed", remedy="open it"))
    assert begun(path).carry_out(BARE).status is RunStatus.REFUSED


def test_what_nobody_foresaw_ends_it_and_is_told(path: Path, world: World) -> None:
    world.fails.append(ZeroDivisionError("odd"))
    run = begun(path).carry_out(BARE)
    assert run.status is RunStatus.FAILED
    assert run.problem is not None
    assert "ZeroDivisionError: odd" in run.problem["detail"]


def test_a_step_that_hangs_is_left_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WORLD, "done", Slow())
    run = begun(path, known(lambda _plan: len(str(stop(colour="blue"))))).carry_out(BARE)
    assert run.problem is not None
    assert "took longer" in run.problem["detail"]


class Slow(list[str]):
    """Takes its time."""

    def append(self, what: str) -> None:
        time.sleep(0.5)
        super().append(what)


@pytest.mark.parametrize(("done", "ends"), [(0, None), (4, RunStatus.DONE)])
def test_a_full_disk_stops_it_before_the_first_change_and_not_after(path: Path, monkeypatch: pytest.MonkeyPatch, done: int, ends: RunStatus | None) -> None:
    run, warned, real = begun(path), list[str](), os.fsync
    left = [done]

    def fsync(descriptor: int) -> None:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    run.warn = warned.append
    if ends is None:
        with pytest.raises(JournalNotKept):
            run.carry_out(BARE)
        assert WORLD.done == []
        return
    ended = run.carry_out(BARE)
    assert ended.status is ends
    assert WORLD.done == ["shifted to green", "stopped green"]
    assert "No space left on device" in warned[0]
    assert len(read_journal(path)) >= 5


def test_a_terminal_that_is_gone_holds_up_nothing(path: Path) -> None:
    run = begun(path)

    def gone(_line: object) -> None:
        raise BrokenPipeError

    run.tell = gone
    assert run.carry_out(BARE).status is RunStatus.DONE


def test_texts_that_no_database_keeps_are_kept_in_another_form(path: Path, world: World) -> None:
    world.fails.append(Problem(what="a NUL \x00 and half a character \udcff", remedy=""))
    begun(path).carry_out(BARE)
    assert read_journal(path)[-1].entry.message == "a NUL \ufffd and half a character ?"


def test_its_story_is_its_journal_and_progress_is_in_it(path: Path) -> None:
    def tell(plan: Plan) -> int:
        del plan
        progress("half-way", share=50)
        assert story("deploy-of-another-time") == ()
        return len(story(RUN))

    assert begun(path, known(tell)).carry_out(BARE).result == 2
    assert kinds(path) == ["run-started", "step-progress", "run-ended"]


@pytest.mark.parametrize("asks", [lambda: ask("go on?", ()), lambda: run_child("test.rescue", Request(reason="x"), int), stray])
def test_what_needs_the_engine_or_is_not_planned_is_not_done(path: Path, asks: Callable[[], object]) -> None:
    run = begun(path, known(lambda _plan: int(bool(asks())))).carry_out(BARE)
    assert run.status in {RunStatus.REFUSED, RunStatus.FAILED}
    assert run.problem is not None
