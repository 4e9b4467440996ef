"""Stopping the line: what changes the service is held before its next change, nothing new is begun, and rollbacks go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from pydantic import SecretStr

from tests.drills.engine.conftest import Drill, url
from tests.drills.engine.runbooks import Behaviour, Move
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.audit.entry import Action
from unioneyes.runbook.problems import LineNotStopped, LineStopped, RunNotParked
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.journal import Line
from unioneyes.runbook.store.runs import Claim, Entered, Runs
from unioneyes.runbook.views import Decision, EntryKind, RunView

WAITING = Move(key="w", step="look", behaviour=Behaviour.WAITS)
BY = "officer-1@example.org"


@pytest.fixture(autouse=True)
def open_afterwards(drill: Drill) -> Iterator[None]:
    yield
    if drill.engine.line.stopped() is not None:
        drill.engine.line.lift(reason="the drill is over", by=BY)


def held(drill: Drill, *moves: Move) -> RunView:
    """A run that was in its first step when the line was stopped, and is held before the next one."""
    run = drill.start(WAITING, *moves)
    drill.until(lambda: drill.engine.run(run.id).step, lambda step: step == "look")
    drill.engine.line.stop(reason="payments fail", by=BY)
    drill.side.mark("go w")
    return drill.until(lambda: drill.engine.run(run.id), lambda seen: seen.status is RunStatus.HELD)


def test_a_run_is_held_before_its_next_change_and_goes_on_when_the_line_is_open(drill: Drill) -> None:
    run = held(drill, Move(key="a"), Move(key="b"))
    line = drill.line(run.id, EntryKind.LINE_HELD)
    assert BY in line.message
    assert "payments fail" in line.message
    assert drill.effects("began") == []

    drill.engine.line.lift(reason="they work again", by=BY)

    assert drill.ended(run.id).status is RunStatus.DONE
    assert drill.effects("did") == ["did a", "did b"]
    assert drill.kinds(run.id).count("line-held change") == 1


def test_a_change_that_is_tried_again_is_held_before_its_next_try(drill: Drill) -> None:
    run = drill.start(Move(key="a", behaviour=Behaviour.STUMBLES))
    drill.until(lambda: drill.effects("began"), lambda effects: effects == ["began a"])
    drill.engine.line.stop(reason="payments fail", by=BY)
    drill.until(lambda: drill.engine.run(run.id), lambda seen: seen.status is RunStatus.HELD)
    assert drill.effects("began", "did") == ["began a"]

    drill.engine.line.lift(reason="they work again", by=BY)

    assert drill.ended(run.id).status is RunStatus.DONE
    assert drill.effects("began", "did") == ["began a", "began a", "did a"]


def test_a_step_is_not_begun_when_the_line_was_stopped_since_it_was_looked_at(fresh: Drill) -> None:
    run = fresh.start(Move(key="a"))  # nobody carries it out
    fresh.engine.line.stop(reason="payments fail", by=BY)
    claim, line = Claim(root=run.id, service="drilled", attempt=0), Line(kind=EntryKind.STEP_STARTED, step="change", message="a change")
    with closing(ControlDatabase(SecretStr(url(fresh.server, fresh.control)), name="test")) as database:
        runs = Runs(database, Redactor())
        with pytest.raises(LineStopped):
            runs.begin_step(claim, run.id, line, cancellable=True, heeds_line=True)
        assert fresh.kinds(run.id) == []
        assert isinstance(runs.begin_step(claim, run.id, line, cancellable=True, heeds_line=False), Entered)
    assert fresh.kinds(run.id) == ["step-started change"]


def test_nothing_new_is_begun_and_whoever_tries_reads_who_and_why(drill: Drill) -> None:
    drill.engine.line.stop(reason="payments fail", by=BY)
    with pytest.raises(LineStopped, match=rf"by {BY} since .*: payments fail; nothing was changed"):
        drill.start(Move(key="a"))
    assert drill.engine.lock() is None


def test_what_changes_nothing_of_the_service_is_not_held(drill: Drill) -> None:
    drill.engine.line.stop(reason="payments fail", by=BY)
    assert drill.ended(drill.start(Move(key="a"), runbook="drill.aside").id).status is RunStatus.DONE


def test_a_rollback_is_never_held_and_takes_the_service_from_what_is(drill: Drill) -> None:
    run = held(drill, Move(key="a"))

    back = drill.start(Move(key="r"), runbook="drill.rescue")

    assert drill.ended(back.id).status is RunStatus.DONE
    assert drill.ended(run.id).status is RunStatus.SUPERSEDED
    assert drill.effects("did") == ["did r"]


def test_a_held_run_can_be_cancelled_and_takes_back_what_it_did(drill: Drill) -> None:
    run = drill.start(Move(key="a"), WAITING, Move(key="b"))
    drill.until(lambda: drill.engine.run(run.id).step, lambda step: step == "look")
    drill.engine.line.stop(reason="payments fail", by=BY)
    drill.side.mark("go w")
    drill.until(lambda: drill.engine.run(run.id), lambda seen: seen.status is RunStatus.HELD)

    drill.engine.cancel(run.id, by=BY, reason="not today")

    assert drill.ended(run.id).status is RunStatus.CANCELLED
    assert drill.effects("did", "undid") == ["did a", "undid a"]


def test_nobody_decides_for_a_run_that_the_line_holds(drill: Drill) -> None:
    run = held(drill, Move(key="a"))
    with pytest.raises(RunNotParked, match="held by the stopped line"):
        drill.engine.decide(run.id, Decision.GO, by=BY, reason="I insist")


def test_it_is_stopped_once_and_what_is_not_stopped_is_not_let_go_on(drill: Drill) -> None:
    with pytest.raises(LineNotStopped):
        drill.engine.line.lift(reason="why not", by=BY)
    drill.engine.line.stop(reason="payments fail", by=BY)
    with pytest.raises(LineStopped, match="payments fail"):
        drill.engine.line.stop(reason="me too", by="officer-2@example.org")


def test_who_stopped_it_and_who_let_it_go_on_stand_in_the_audit_log_and_nobody_who_only_tried(fresh: Drill) -> None:
    with pytest.raises(LineNotStopped):
        fresh.engine.line.lift(reason="why not", by=BY)
    fresh.engine.line.stop(reason="payments fail", by=BY)
    with pytest.raises(LineStopped):
        fresh.engine.line.stop(reason="me too", by="officer-2@example.org")
    fresh.engine.line.lift(reason="they work again", by="operator-1@example.org")
    told = [(item.entry.action, item.entry.actor, item.entry.reason) for item in fresh.engine.audit.page(limit=10)]
    assert told == [(Action.LINE_LIFTED, "operator-1@example.org", "they work again"), (Action.LINE_STOPPED, BY, "payments fail")]


def test_a_run_is_still_held_when_its_worker_was_killed(fresh: Drill) -> None:
    worker = fresh.work()
    run = fresh.start(WAITING, Move(key="a"))
    fresh.until(lambda: fresh.engine.run(run.id).step, lambda step: step == "look")
    fresh.engine.line.stop(reason="payments fail", by=BY)
    fresh.side.mark("go w")
    fresh.until(lambda: fresh.engine.run(run.id), lambda seen: seen.status is RunStatus.HELD)
    worker.kill()
    fresh.work()
    fresh.until(lambda: {line.kind for line in fresh.engine.journal(run.id)}, lambda kinds: EntryKind.TAKEN_OVER in kinds)
    assert fresh.effects("did") == []

    fresh.engine.line.lift(reason="they work again", by=BY)

    assert fresh.ended(run.id).status is RunStatus.DONE
    assert fresh.effects("did") == ["did a"]


def test_a_run_whose_line_is_opened_while_nobody_carries_it_out_does_not_stay_held(fresh: Drill) -> None:
    worker = fresh.work()
    run = fresh.start(WAITING, Move(key="a", behaviour=Behaviour.WAITS))
    fresh.until(lambda: fresh.engine.run(run.id).step, lambda step: step == "look")
    fresh.engine.line.stop(reason="payments fail", by=BY)
    fresh.side.mark("go w")
    fresh.until(lambda: fresh.engine.run(run.id), lambda seen: seen.status is RunStatus.HELD)
    worker.kill()
    fresh.engine.line.lift(reason="they work again", by=BY)
    fresh.work()
    fresh.until(lambda: fresh.engine.run(run.id).step, lambda step: step == "change")
    assert fresh.engine.run(run.id).status is RunStatus.RUNNING
    fresh.side.mark("go a")
    assert fresh.ended(run.id).status is RunStatus.DONE
