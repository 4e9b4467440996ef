"""A run that its plan holds for a person: for as long as it takes, by one worker after another, and never longer than anybody is needed."""

from __future__ import annotations

import pytest

from tests.drills.engine.conftest import Drill
from tests.drills.engine.runbooks import Move
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.problems import ChoiceNotOffered, RunNotParked
from unioneyes.runbook.views import Decision, EntryKind, RunView

HELD = Move(key="h", step="hold")


def held(drill: Drill, run: RunView) -> RunView:
    return drill.until(lambda: drill.engine.run(run.id), lambda seen: seen.status is RunStatus.HELD)


def test_a_held_run_shows_what_it_waits_for_and_goes_on_when_a_person_says_so(drill: Drill) -> None:
    run = drill.start(Move(key="a"), HELD, Move(key="b"))
    assert held(drill, run).step == "hold"
    line = drill.line(run.id, EntryKind.HELD)
    assert line.message == "h is well; decide: go, retry, undo"
    assert line.data["choices"] == ["go", "retry", "undo"]
    with pytest.raises(ChoiceNotOffered, match="can't be decided by skip"):
        drill.engine.decide(run.id, Decision.SKIP, by="officer-1@example.org", reason="no")

    decided = drill.engine.decide(run.id, Decision.GO, by="officer-1@example.org", reason="looks well")

    assert decided.status is RunStatus.RUNNING
    assert drill.ended(run.id).status is RunStatus.DONE
    assert drill.effects("did", "go") == ["did a", "go h", "did b"]
    assert drill.kinds(run.id)[3:7] == ["step-started hold", "held hold", "decided hold", "step-done hold"]


def test_a_run_can_be_held_more_than_once_and_each_hold_has_its_own_decision(drill: Drill) -> None:
    run = drill.start(HELD, Move(key="i", step="hold"))
    held(drill, run)
    drill.engine.decide(run.id, Decision.GO, by="officer-1@example.org", reason="first")
    drill.until(lambda: drill.kinds(run.id).count("held hold"), lambda count: count == 2)
    drill.engine.decide(run.id, Decision.RETRY, by="officer-1@example.org", reason="second")

    assert drill.ended(run.id).status is RunStatus.DONE
    assert drill.effects("go", "retry") == ["go h", "retry i"]


def test_a_hold_that_ends_by_itself_leaves_nothing_to_decide(drill: Drill) -> None:
    run = drill.start(HELD, Move(key="b", step="look"))
    held(drill, run)
    drill.side.mark("go h")

    assert drill.ended(run.id).status is RunStatus.DONE
    assert EntryKind.DECIDED not in {line.kind for line in drill.engine.journal(run.id)}


def test_a_held_run_is_taken_back_when_a_person_says_so(drill: Drill) -> None:
    run = drill.start(Move(key="a"), HELD)
    held(drill, run)
    drill.engine.decide(run.id, Decision.UNDO, by="officer-1@example.org", reason="not today")

    assert drill.ended(run.id).status is RunStatus.UNDONE
    assert drill.effects("undid") == ["undid a"]


def test_a_held_run_can_be_cancelled_and_a_rollback_takes_its_service_over(drill: Drill) -> None:
    cancelled = drill.start(Move(key="a"), HELD)
    held(drill, cancelled)
    drill.engine.cancel(cancelled.id, by="officer-1@example.org", reason="no time")
    assert drill.ended(cancelled.id).status is RunStatus.CANCELLED
    assert drill.effects("undid") == ["undid a"]

    superseded = drill.start(Move(key="c"), Move(key="h2", step="hold"))
    held(drill, superseded)
    rescue = drill.start(Move(key="r"), runbook="drill.rescue")
    assert drill.ended(superseded.id).status is RunStatus.SUPERSEDED
    assert drill.ended(rescue.id).status is RunStatus.DONE


def test_a_run_is_still_held_when_its_worker_was_killed_and_is_asked_about_once(fresh: Drill) -> None:
    worker = fresh.work()
    run = fresh.start(Move(key="a"), HELD, Move(key="b"))
    held(fresh, run)
    worker.kill()
    fresh.work()
    fresh.until(lambda: fresh.kinds(run.id), lambda kinds: "taken-over" in kinds and kinds.count("step-started hold") == 2)
    assert held(fresh, run).status is RunStatus.HELD

    fresh.engine.decide(run.id, Decision.GO, by="officer-1@example.org", reason="good morning")

    assert fresh.ended(run.id).status is RunStatus.DONE
    assert fresh.kinds(run.id).count("held hold") == 1
    assert fresh.effects("did", "go") == ["did a", "go h", "did b"]


def test_a_run_that_was_decided_while_no_worker_lived_goes_on_with_the_next(fresh: Drill) -> None:
    worker = fresh.work()
    run = fresh.start(HELD, Move(key="b"))
    held(fresh, run)
    worker.kill()
    worker.wait(20)
    fresh.engine.decide(run.id, Decision.GO, by="officer-1@example.org", reason="go on")
    with pytest.raises(RunNotParked):
        fresh.engine.decide(run.id, Decision.UNDO, by="officer-2@example.org", reason="too late")
    fresh.work()

    assert fresh.ended(run.id).status is RunStatus.DONE
    assert fresh.effects("go", "undo") == ["go h"]
