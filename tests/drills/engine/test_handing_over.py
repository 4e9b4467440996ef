"""The service changes hands: rollbacks that take it over, and child runs."""

from __future__ import annotations

import pytest

from tests.drills.engine.conftest import Drill
from tests.drills.engine.runbooks import Behaviour, Move, Script
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.audit.entry import Action
from unioneyes.runbook.problems import PartOfAnotherRun, ServiceLocked
from unioneyes.runbook.views import RunView

WAITING = Move(key="w", behaviour=Behaviour.WAITS)


def waiting(drill: Drill, run: RunView) -> RunView:
    drill.until(drill.effects, lambda told: "began w" in told)
    return run


def test_a_rollback_takes_the_service_from_the_run_that_holds_it(drill: Drill) -> None:
    deploy = waiting(drill, drill.start(Move(key="a"), WAITING))
    before = drill.engine.lock()
    rollback = drill.start(Move(key="r", behaviour=Behaviour.WAITS), runbook="drill.rescue")
    held = drill.engine.lock()
    assert before is not None
    assert held is not None
    assert held.run_id == rollback.id
    assert held.token > before.token
    drill.side.mark("go r")

    superseded, rescued = drill.ended(deploy.id), drill.ended(rollback.id)

    assert superseded.status is RunStatus.SUPERSEDED
    assert superseded.problem is not None
    assert superseded.problem["detail"] == f"{rollback.id} took drilled over"
    assert rescued.status is RunStatus.DONE
    assert isinstance(rescued.result, dict)
    assert rescued.result["took_over_from"] == deploy.id
    (entry,) = drill.audited(Action.RUN_SUPERSEDED, run=deploy.id)
    assert (entry.actor, entry.reason, entry.data) == (rollback.requested_by, rollback.summary, {"superseded_by": rollback.id})
    assert drill.effects("did", "undid") == ["did a", "did r"]
    assert superseded.ended_at is not None
    assert rescued.ended_at is not None
    assert superseded.ended_at < rescued.ended_at


def test_a_rollback_under_way_is_left_to_its_end(drill: Drill) -> None:
    first = waiting(drill, drill.start(WAITING, runbook="drill.rescue"))
    with pytest.raises(ServiceLocked, match=first.id):
        drill.start(Move(key="r"), runbook="drill.rescue")
    drill.side.mark("go w")
    assert drill.ended(first.id).status is RunStatus.DONE


def test_a_superseded_run_that_was_deaf_changes_nothing_afterwards(drill: Drill) -> None:
    deploy = drill.start(Move(key="w", behaviour=Behaviour.DAWDLES), Move(key="b"))
    waiting(drill, deploy)
    rollback = drill.start(Move(key="r"), runbook="drill.rescue")

    assert drill.ended(deploy.id).status is RunStatus.SUPERSEDED
    assert drill.ended(rollback.id).status is RunStatus.DONE
    assert drill.effects("did", "undid") == ["did w", "did r"]


def test_a_parked_run_is_superseded_too(drill: Drill) -> None:
    deploy = drill.start(Move(key="z", behaviour=Behaviour.BREAKS), park=True)
    drill.until(lambda: drill.engine.run(deploy.id).status, lambda status: status is RunStatus.PARKED)
    rollback = drill.start(Move(key="r"), runbook="drill.rescue")
    assert drill.ended(deploy.id).status is RunStatus.SUPERSEDED
    assert drill.ended(rollback.id).status is RunStatus.DONE


def test_a_child_run_works_under_its_parents_lock_and_hands_it_back(drill: Drill) -> None:
    run = drill.start_script(Script(moves=(Move(key="a"),), child=(Move(key="c", behaviour=Behaviour.WAITS),)))
    child_id = f"{run.id}.1"
    drill.until(drill.effects, lambda told: "began c" in told)
    held = drill.engine.lock()
    assert held is not None
    assert held.run_id == child_id
    drill.side.mark("go c")

    ended, child = drill.ended(run.id), drill.engine.run(child_id)

    assert (ended.status, child.status) == (RunStatus.DONE, RunStatus.DONE)
    assert child.parent == run.id
    assert child.worker == ended.worker
    assert isinstance(child.result, dict)
    assert child.result["took_over_from"] == run.id
    assert drill.effects("did") == ["did a", "did c"]
    assert [line.run_id for line in drill.engine.journal(run.id) if line.kind == "run-ended"] == [child_id, run.id]
    assert drill.kinds(run.id)[3:5] == ["step-started drill.part", "run-started"]
    assert drill.engine.lock() is None


def test_a_child_that_fails_undoes_its_own_and_then_its_parent_does(drill: Drill) -> None:
    run = drill.start_script(Script(moves=(Move(key="a"),), child=(Move(key="c"), Move(key="z", behaviour=Behaviour.BREAKS))))

    ended = drill.ended(run.id)

    assert ended.status is RunStatus.UNDONE
    assert drill.engine.run(f"{run.id}.1").status is RunStatus.UNDONE
    assert drill.effects("undid") == ["undid z", "undid c", "undid a"]
    assert ended.problem is not None
    assert ended.problem["detail"] == "z is broken"


def test_a_child_that_the_plan_does_not_name_is_refused(drill: Drill) -> None:
    run = drill.ended(drill.start_script(Script(moves=(Move(key="a"),), child=(Move(key="c"),), unplanned="child")).id)
    assert run.problem is not None
    assert run.problem["type"] == "urn:unioneyes:problem:unplanned-step"
    assert drill.effects("did") == ["did a"]


def test_cancelling_reaches_the_child_and_undoes_both(drill: Drill) -> None:
    run = drill.start_script(Script(moves=(Move(key="a"),), child=(WAITING,)))
    waiting(drill, run)
    with pytest.raises(PartOfAnotherRun, match=run.id):
        drill.engine.cancel(f"{run.id}.1", by="officer-1@example.org", reason="stop")
    drill.engine.cancel(run.id, by="officer-1@example.org", reason="stop")

    assert drill.ended(run.id).status is RunStatus.CANCELLED
    assert drill.engine.run(f"{run.id}.1").status is RunStatus.CANCELLED
    assert drill.effects("undid") == ["undid w", "undid a"]


def test_a_rollback_inside_a_run_is_finished_before_a_cancellation_counts(drill: Drill) -> None:
    run = drill.start_script(Script(moves=(Move(key="a"),), child=(WAITING, Move(key="b")), child_takes_over=True))
    waiting(drill, run)
    drill.engine.cancel(run.id, by="officer-1@example.org", reason="stop")
    drill.side.mark("go w")

    drill.ended(run.id)

    assert drill.engine.run(f"{run.id}.1").status is RunStatus.DONE
    assert drill.effects("did") == ["did a", "did w", "did b"]


def test_a_rollback_can_take_over_from_a_run_whose_child_holds_the_service(drill: Drill) -> None:
    run = drill.start_script(Script(moves=(Move(key="a"),), child=(WAITING,)))
    waiting(drill, run)
    rollback = drill.start(Move(key="r"), runbook="drill.rescue")

    assert drill.ended(run.id).status is RunStatus.SUPERSEDED
    assert drill.engine.run(f"{run.id}.1").status is RunStatus.SUPERSEDED
    assert drill.ended(rollback.id).status is RunStatus.DONE
    assert drill.effects("did", "undid") == ["did a", "did r"]
