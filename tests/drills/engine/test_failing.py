"""A run that fails: what is undone, in which order, and how the run ends."""

from __future__ import annotations

import pytest

from tests.drills.engine.conftest import Drill
from tests.drills.engine.runbooks import Behaviour, Move, Script
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.problems import ChoiceNotOffered, RunEnded, RunNotParked
from unioneyes.runbook.reasons import UnusableReason
from unioneyes.runbook.views import Decision, EntryKind, RunView

BROKEN = Move(key="z", behaviour=Behaviour.BREAKS)


def test_changes_are_undone_last_first_the_failed_one_included(drill: Drill) -> None:
    run = drill.ended(drill.start(Move(key="a"), Move(key="b"), BROKEN).id)

    assert run.status is RunStatus.UNDONE
    assert run.problem is not None
    assert run.problem["detail"] == "z is broken"
    assert drill.effects("undid") == ["undid z", "undid b", "undid a"]
    assert drill.kinds(run.id)[-8:] == [
        "step-failed change",
        *["undo-started change", "undo-done change"] * 3,
        "run-ended",
    ]
    assert drill.engine.lock() is None


def test_what_has_no_undo_and_what_only_reads_is_left_alone(drill: Drill) -> None:
    run = drill.ended(drill.start(Move(key="a", step="change_for_good"), Move(key="b", step="look"), Move(key="c", step="look", behaviour=Behaviour.BREAKS)).id)
    assert run.status is RunStatus.FAILED
    assert drill.effects() == ["did a for good"]


def test_a_gate_that_refuses_before_any_change_ends_the_run_as_refused(drill: Drill) -> None:
    run = drill.ended(drill.start(Move(key="a", step="look", behaviour=Behaviour.REFUSES), Move(key="b")).id)
    assert run.status is RunStatus.REFUSED
    assert run.problem is not None
    assert run.problem["exit_code"] == ExitCode.REFUSED


def test_a_change_that_refuses_changed_nothing_and_is_not_undone(drill: Drill) -> None:
    run = drill.ended(drill.start(Move(key="a"), Move(key="b", behaviour=Behaviour.REFUSES)).id)
    assert run.status is RunStatus.UNDONE
    assert drill.effects("undid") == ["undid a"]


def test_after_the_point_of_no_return_nothing_is_undone(drill: Drill) -> None:
    run = drill.ended(drill.start(Move(key="a"), Move(key="b", step="change_for_good", no_return=True), BROKEN).id)
    assert run.status is RunStatus.FAILED
    assert drill.effects("undid") == []


def test_a_settled_step_is_not_undone(drill: Drill) -> None:
    script = Script(moves=(Move(key="a"), Move(key="b", step="change_soon"), Move(key="c", step="look", behaviour=Behaviour.BREAKS)), settles_at="c")
    run = drill.ended(drill.start_script(script).id)
    assert run.status is RunStatus.UNDONE
    assert drill.effects("undid") == ["undid b"]


def test_an_undo_that_keeps_failing_calls_for_a_person_and_leaves_what_is_below_it(drill: Drill) -> None:
    run = drill.ended(drill.start(Move(key="a"), Move(key="b", undo_breaks=True), BROKEN).id)

    assert run.status is RunStatus.UNDO_FAILED
    assert run.problem is not None
    assert run.problem["detail"] == "z is broken; then an undo failed: b can't be undone"
    assert run.problem["exit_code"] == ExitCode.UNDO_FAILED
    assert [kind for kind in drill.kinds(run.id) if "retried" in kind] == ["step-retried change"] * 2
    assert drill.effects("undid") == ["undid z"]


def test_a_step_that_takes_too_long_is_left_behind_and_undone(drill: Drill) -> None:
    run = drill.ended(drill.start(Move(key="a", step="change_soon", behaviour=Behaviour.DAWDLES)).id)

    assert run.status is RunStatus.UNDONE
    assert run.problem is not None
    assert run.problem["type"] == "urn:unioneyes:problem:step-timed-out"
    drill.until(drill.effects, lambda told: "did a late" in told)  # nobody can stop a thread: what it does late is why the undo looks first


def test_a_cancelled_run_stops_in_its_pause_and_undoes_what_it_did(drill: Drill) -> None:
    run = drill.start(Move(key="a"), Move(key="b", behaviour=Behaviour.WAITS), Move(key="c"))
    drill.until(drill.effects, lambda told: "began b" in told)
    drill.engine.cancel(run.id, by="officer-1@example.org", reason="wrong day")
    drill.engine.cancel(run.id, by="officer-2@example.org", reason="told twice")

    ended = drill.ended(run.id)

    assert ended.status is RunStatus.CANCELLED
    assert ended.problem is not None
    assert ended.problem["detail"] == "cancelled by officer-1@example.org: wrong day"
    assert drill.effects("undid") == ["undid b", "undid a"]
    with pytest.raises(RunEnded, match="has ended: cancelled"):
        drill.engine.cancel(run.id, by="officer-1@example.org", reason="once more")


def test_a_parked_run_goes_on_when_what_failed_is_mended_and_tried_again(drill: Drill) -> None:
    run = drill.start(Move(key="a"), BROKEN, park=True)
    parked = drill.until(lambda: drill.engine.run(run.id), lambda seen: seen.status is RunStatus.PARKED)
    assert parked.step == "change"
    assert drill.line(run.id, EntryKind.PARKED).data["choices"] == ["retry", "undo"]
    with pytest.raises(ChoiceNotOffered, match="can't be decided by skip"):
        drill.engine.decide(run.id, Decision.SKIP, by="officer-1@example.org", reason="no")

    drill.side.mark("mended z")
    drill.engine.decide(run.id, Decision.RETRY, by="officer-1@example.org", reason="mended it")

    assert drill.ended(run.id).status is RunStatus.DONE
    assert drill.effects("did") == ["did a", "did z"]
    with pytest.raises(RunEnded):
        drill.engine.decide(run.id, Decision.RETRY, by="officer-1@example.org", reason="again")


def test_a_step_that_returns_nothing_can_be_skipped(drill: Drill) -> None:
    run = drill.start(Move(key="z", step="change_for_good", behaviour=Behaviour.BREAKS), Move(key="b"), park=True)
    drill.until(lambda: drill.engine.run(run.id).status, lambda status: status is RunStatus.PARKED)
    drill.engine.decide(run.id, Decision.SKIP, by="officer-1@example.org", reason="done by hand")

    assert drill.ended(run.id).status is RunStatus.DONE
    assert "step-skipped change_for_good" in drill.kinds(run.id)
    assert drill.effects("did") == ["did b"]


def test_a_step_that_nothing_needs_can_be_skipped_though_it_returns_something(drill: Drill) -> None:
    run = drill.start(Move(key="z", step="write_report", behaviour=Behaviour.BREAKS), Move(key="b"), park=True)
    parked = drill.until(lambda: drill.engine.run(run.id), lambda seen: seen.status is RunStatus.PARKED)
    assert parked.choices == (Decision.RETRY, Decision.SKIP, Decision.UNDO)
    drill.engine.decide(run.id, Decision.SKIP, by="officer-1@example.org", reason="nobody reads it")

    ended = drill.ended(run.id)
    assert ended.status is RunStatus.DONE
    assert ended.result == {"did": ["z left out", "b"], "ends_as": "done", "took_over_from": None, "story": 1}


@pytest.mark.parametrize("reason", ["", "  ", "\n", "x" * 1_001])
def test_nobody_decides_or_cancels_without_a_reason_that_can_be_kept(drill: Drill, reason: str) -> None:
    run = drill.start(Move(key="z", step="change_for_good", behaviour=Behaviour.BREAKS), park=True)
    drill.until(lambda: drill.engine.run(run.id).status, lambda status: status is RunStatus.PARKED)
    with pytest.raises(UnusableReason):
        drill.engine.decide(run.id, Decision.SKIP, by="officer-1@example.org", reason=reason)
    with pytest.raises(UnusableReason):
        drill.engine.cancel(run.id, by="officer-1@example.org", reason=reason)

    assert drill.engine.run(run.id).status is RunStatus.PARKED
    assert "decided change_for_good" not in drill.kinds(run.id)
    drill.engine.cancel(run.id, by="officer-1@example.org", reason="seen enough")
    assert drill.ended(run.id).status is RunStatus.CANCELLED


def parked_in_its_undo(drill: Drill) -> RunView:
    """A run that failed, of which `b` can't be taken back; `a` was changed before it."""
    run = drill.start(Move(key="a"), Move(key="b", undo_breaks=True, behaviour=Behaviour.BREAKS), park=True)
    drill.until(lambda: drill.engine.run(run.id).status, lambda status: status is RunStatus.PARKED)
    drill.engine.decide(run.id, Decision.UNDO, by="officer-1@example.org", reason="not today")
    return drill.until(lambda: drill.engine.run(run.id), lambda seen: seen.status is RunStatus.PARKED and Decision.LEAVE in seen.choices)


def test_a_run_parks_where_an_undo_fails_keeps_the_service_and_goes_on_when_it_is_mended(drill: Drill) -> None:
    run = parked_in_its_undo(drill)
    assert (run.step, run.choices) == ("change", (Decision.RETRY, Decision.SKIP, Decision.LEAVE))
    lock = drill.engine.lock()
    assert lock is not None
    assert lock.run_id == run.id
    assert drill.effects("undid") == []

    drill.side.mark("mended undo b")
    drill.engine.decide(run.id, Decision.RETRY, by="officer-1@example.org", reason="mended it")
    ended = drill.ended(run.id)

    assert ended.status is RunStatus.UNDONE
    assert ended.problem is not None
    assert ended.problem["detail"] == "b is broken"
    assert drill.effects("undid") == ["undid b", "undid a"]
    undoing = [kind for kind in drill.kinds(run.id) if kind.startswith(("undo", "parked"))]
    assert undoing == ["parked change", "undo-started change", "undo-failed change", "parked change", *["undo-started change", "undo-done change"] * 2]


def test_an_undo_that_fails_can_be_skipped_and_what_stands_below_it_is_taken_back(drill: Drill) -> None:
    run = parked_in_its_undo(drill)
    with pytest.raises(ChoiceNotOffered, match="can't be decided by undo"):
        drill.engine.decide(run.id, Decision.UNDO, by="officer-1@example.org", reason="once more")
    drill.engine.decide(run.id, Decision.SKIP, by="officer-1@example.org", reason="took it back by hand")

    assert drill.ended(run.id).status is RunStatus.UNDONE
    assert drill.effects("undid") == ["undid a"]
    assert "undo-skipped change" in drill.kinds(run.id)


def test_an_undo_that_fails_can_be_left_and_the_run_says_that_a_person_is_needed(drill: Drill) -> None:
    run = parked_in_its_undo(drill)
    drill.engine.cancel(run.id, by="officer-2@example.org", reason="a cancellation does not change how it is taken back")
    drill.engine.decide(run.id, Decision.LEAVE, by="officer-1@example.org", reason="it stays like this")
    ended = drill.ended(run.id)

    assert ended.status is RunStatus.UNDO_FAILED
    assert ended.problem is not None
    assert ended.problem["detail"] == "b is broken; then an undo failed: b can't be undone"
    assert drill.effects("undid") == []
    assert drill.engine.lock() is None


def test_a_run_that_parked_in_its_undo_is_gone_on_with_by_another_worker(fresh: Drill) -> None:
    first = fresh.work()
    run = parked_in_its_undo(fresh)
    fresh.work()
    first.kill()
    fresh.until(lambda: fresh.kinds(run.id), lambda kinds: "taken-over" in kinds)
    fresh.side.mark("mended undo b")
    fresh.engine.decide(run.id, Decision.RETRY, by="officer-1@example.org", reason="mended it")

    assert fresh.ended(run.id).status is RunStatus.UNDONE
    assert fresh.effects("undid") == ["undid b", "undid a"]
    assert fresh.kinds(run.id).count("parked change") == 2


def test_a_rollback_takes_the_service_from_a_run_that_parked_in_its_undo(drill: Drill) -> None:
    run = parked_in_its_undo(drill)
    rescue = drill.ended(drill.start(Move(key="r"), runbook="drill.rescue").id)

    assert rescue.status is RunStatus.DONE
    assert drill.ended(run.id).status is RunStatus.SUPERSEDED


def test_a_parked_run_is_undone_when_a_person_says_so_whatever_the_runbook_catches(drill: Drill) -> None:
    run = drill.start_script(Script(moves=(Move(key="a"), BROKEN), catches="z"), park=True)
    drill.until(lambda: drill.engine.run(run.id).status, lambda status: status is RunStatus.PARKED)
    decided = drill.engine.decide(run.id, Decision.UNDO, by="officer-1@example.org", reason="leave it")
    assert not decided.status.ended
    with pytest.raises((RunNotParked, RunEnded)):
        drill.engine.decide(run.id, Decision.RETRY, by="officer-2@example.org", reason="too late")

    assert drill.ended(run.id).status is RunStatus.UNDONE
    assert drill.effects("undid") == ["undid z", "undid a"]


def test_a_parked_run_can_be_cancelled(drill: Drill) -> None:
    run = drill.start(Move(key="a"), BROKEN, park=True)
    drill.until(lambda: drill.engine.run(run.id).status, lambda status: status is RunStatus.PARKED)
    drill.engine.cancel(run.id, by="officer-1@example.org", reason="no time")

    assert drill.ended(run.id).status is RunStatus.CANCELLED
    assert drill.effects("undid") == ["undid z", "undid a"]


def test_a_run_that_fails_accounts_for_itself_after_what_it_changed_was_taken_back(drill: Drill) -> None:
    run = drill.ended(drill.start_script(Script(moves=(Move(key="a"), BROKEN), accounts=Behaviour.WORKS)).id)
    assert run.status is RunStatus.UNDONE
    assert run.problem is not None
    assert run.result == {"did": ["change", "change"], "ends_as": "undone", "took_over_from": None, "story": 1}


def test_a_run_that_can_not_account_for_itself_ends_all_the_same(drill: Drill) -> None:
    run = drill.ended(drill.start_script(Script(moves=(Move(key="a"), BROKEN), accounts=Behaviour.CRASHES)).id)
    assert run.status is RunStatus.UNDONE
    assert run.result is None


def test_a_failure_in_words_that_no_database_keeps_is_a_failure_like_any_other(drill: Drill) -> None:
    run = drill.ended(drill.start(Move(key="a"), Move(key="g", behaviour=Behaviour.GARBLES)).id)
    assert run.status is RunStatus.UNDONE
    assert run.problem is not None
    assert "a file called \ufffd?" in run.problem["detail"]
    assert drill.effects("began") == ["began a", "began g"]
    assert drill.effects("undid") == ["undid g", "undid a"]
