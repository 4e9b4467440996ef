"""What a deployment looks like from outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue

from unioneyes.console.deployments import deployment_view, step_times
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.phases import PhaseState
from unioneyes.runbook.plan import Effect, PlannedStep
from unioneyes.runbook.views import Decision, EntryKind, JournalEntry, PlanView, RunView

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
RUN = "deployment-20260209-143000-k7m2q"
PLAN = PlanView(
    runbook="deployment.start",
    summary="deploy 1.1.0 to green",
    hash="",
    steps=tuple(PlannedStep(step=name, does=name, effect=Effect.READ) for name in ("shift_traffic", "watch_release", "rollback.traffic")),
    readings=(),
    details={"version": "1.1.0", "previous": "1.0.0", "colour": "green"},
)


def run(
    status: RunStatus,
    *,
    run_id: str = RUN,
    runbook: str = "deployment.start",
    parent: str | None = None,
    step: str | None = None,
    choices: tuple[Decision, ...] = (),
    request: JsonValue = None,
    result: JsonValue = None,
    problem: Problem | None = None,
    began: timedelta = timedelta(0),
) -> RunView:
    return RunView(
        id=run_id,
        runbook=runbook,
        summary="",
        status=status,
        requested_by="engineer",
        created_at=AT + began,
        started_at=AT + began,
        ended_at=AT + began + timedelta(seconds=60) if status.ended else None,
        step=step,
        choices=choices,
        worker=None,
        parent=parent,
        request=request if request is not None else {"version": "1.1.0"},
        plan_hash="",
        result=result,
        problem=problem.document() if problem else None,
    )


def rollback(status: RunStatus, *, parent: str | None = None, deployment: str | None = None, began: timedelta = timedelta(seconds=30)) -> RunView:
    result: JsonValue = {"deployment": deployment} if status is RunStatus.DONE else None
    return run(status, run_id="rollback-1", runbook="rollback.traffic", parent=parent, request={"reason": "bad"}, result=result, began=began)


def watched(**figures: float) -> JournalEntry:
    return JournalEntry(seq=1, run_id=RUN, at=AT, kind=EntryKind.STEP_PROGRESS, step="watch_release", message="446 answers", data=dict(figures))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (RunStatus.PENDING, "WAITING"),
        (RunStatus.RUNNING, "DEPLOYING"),
        (RunStatus.PARKED, "WAITING FOR A PERSON"),
        (RunStatus.UNDOING, "FAILED - UNDOING"),
        (RunStatus.DONE, "DEPLOYED"),
        (RunStatus.FAILED, "FAILED"),
        (RunStatus.REFUSED, "REFUSED"),
        (RunStatus.UNDONE, "FAILED - UNDONE"),
        (RunStatus.UNDO_FAILED, "FAILED - UNDO FAILED"),
        (RunStatus.CANCELLED, "CANCELLED"),
        (RunStatus.SUPERSEDED, "SUPERSEDED"),
    ],
)
def test_every_state_has_its_words(status: RunStatus, words: str) -> None:
    assert deployment_view(run(status), PLAN, ()).words == words


def test_a_deployment_that_went_back_by_itself_is_failed_rolled_back() -> None:
    ended = run(RunStatus.UNDONE, result={"outcome": "FAILED - ROLLED BACK: errors: 15 %", "rolled_back": {"version": "1.0.0"}})
    view = deployment_view(ended, PLAN, ())
    assert view.words == "FAILED - ROLLED BACK"
    assert view.outcome == "errors: 15 %"


def test_a_deployment_that_a_person_rolled_back_is_failed_rolled_back() -> None:
    superseded = run(RunStatus.SUPERSEDED)
    assert deployment_view(superseded, PLAN, (), [rollback(RunStatus.RUNNING)]).words == "FAILED - ROLLING BACK"
    assert deployment_view(superseded, PLAN, (), [rollback(RunStatus.DONE, deployment=RUN)]).words == "FAILED - ROLLED BACK"


def test_a_rollback_under_way_as_a_part_of_the_deployment_shows_in_its_words() -> None:
    assert deployment_view(run(RunStatus.RUNNING), PLAN, (), [rollback(RunStatus.RUNNING, parent=RUN)]).words == "FAILED - ROLLING BACK"


def test_a_rollback_of_another_deployment_changes_nothing() -> None:
    others = [rollback(RunStatus.DONE, deployment="deployment-other", began=timedelta(hours=1)), rollback(RunStatus.DONE, began=timedelta(hours=-1))]
    assert deployment_view(run(RunStatus.SUPERSEDED), PLAN, (), others).words == "SUPERSEDED"
    assert deployment_view(run(RunStatus.DONE), PLAN, (), others).words == "DEPLOYED"


def test_a_release_under_which_a_person_changed_the_routes_is_left_to_a_person() -> None:
    ended = run(RunStatus.FAILED, result={"outcome": "FAILED, LEFT TO A PERSON: somebody changed the routes", "rolled_back": None})
    view = deployment_view(ended, PLAN, ())
    assert (view.words, view.outcome) == ("FAILED, LEFT TO A PERSON", "somebody changed the routes")


def test_a_bad_release_that_may_not_go_back_by_itself_still_serves() -> None:
    ended = run(RunStatus.FAILED, result={"outcome": "FAILED, STILL SERVING: errors", "rolled_back": None})
    view = deployment_view(ended, PLAN, ())
    assert (view.words, view.outcome) == ("FAILED, STILL SERVING", "errors")


def test_while_it_is_watched_it_says_how_long_a_rollback_would_take() -> None:
    view = deployment_view(run(RunStatus.RUNNING, step="watch_release"), PLAN, (watched(rollback_takes_s=0.034, left_s=29.0),))
    assert view.rollback_takes == timedelta(milliseconds=34)
    assert view.watch_left == timedelta(seconds=29)


def test_afterwards_it_promises_no_rollback_any_more() -> None:
    view = deployment_view(run(RunStatus.DONE), PLAN, (watched(rollback_takes_s=0.034, left_s=0.0),))
    assert (view.rollback_takes, view.watch_left) == (None, None)


def test_versions_and_colour_are_the_plan_s() -> None:
    view = deployment_view(run(RunStatus.RUNNING), PLAN, ())
    assert (view.version, view.previous, view.colour) == ("1.1.0", "1.0.0", Colour.GREEN)


def test_a_failure_says_why() -> None:
    failed = run(RunStatus.UNDONE, problem=Problem(what="green has no ready replica", remedy="look at its logs"))
    assert deployment_view(failed, PLAN, ()).outcome == "green has no ready replica"


def test_its_phases_are_its_plan_s_steps() -> None:
    view = deployment_view(run(RunStatus.RUNNING), PLAN, (watched(left_s=1),))
    assert [(phase.step, phase.state) for phase in view.phases] == [
        ("shift_traffic", PhaseState.WAITING),
        ("watch_release", PhaseState.RUNNING),
        ("rollback.traffic", PhaseState.WAITING),
    ]


def test_a_superseded_deployment_tells_why_and_when_it_was_rolled_back() -> None:
    taken_over = run(RunStatus.SUPERSEDED, problem=Problem(what="rollback-1 took unioneyes-web over", remedy="ue run show rollback-1"))
    view = deployment_view(taken_over, PLAN, (), (rollback(RunStatus.DONE, deployment=RUN),))
    assert view.words == "FAILED - ROLLED BACK"
    assert view.outcome == "bad (rolled back by engineer at 2026-02-09T14:31:30.000Z: rollback-1)"


def test_a_rollback_that_is_a_part_of_the_deployment_leaves_it_its_own_outcome() -> None:
    view = deployment_view(run(RunStatus.UNDONE, result={"outcome": "FAILED - ROLLED BACK: errors"}), PLAN, (), (rollback(RunStatus.DONE, parent=RUN),))
    assert view.outcome == "errors"


def test_a_held_deployment_says_what_it_waits_for_and_a_lost_way_back_since_when() -> None:
    figures: dict[str, JsonValue] = {"rollback_not_ready_since": "2026-02-09T14:30:00.000Z", "rollback_takes_s": None}
    journal = (
        JournalEntry(seq=1, run_id=RUN, at=AT, kind=EntryKind.HELD, step="hold", message="1.1.0 is kept at 10 %; decide: go, undo", data={}),
        JournalEntry(seq=2, run_id=RUN, at=AT, kind=EntryKind.STEP_PROGRESS, step="hold", message="held", data=figures),
    )
    held = deployment_view(run(RunStatus.HELD, step="hold", choices=(Decision.GO, Decision.UNDO)), PLAN, journal)
    assert (held.words, held.question) == ("HELD", "1.1.0 is kept at 10 %; decide: go, undo")
    assert held.choices == (Decision.GO, Decision.UNDO)
    assert held.rollback_not_ready_since == AT
    line = JournalEntry(seq=3, run_id=RUN, at=AT, kind=EntryKind.LINE_HELD, step="shift_traffic", message="the line is stopped by jane: payments fail", data={})
    stopped = deployment_view(run(RunStatus.HELD, step="hold"), PLAN, (*journal, line))
    assert (stopped.question, stopped.choices) == ("the line is stopped by jane: payments fail", ())
    going_on = deployment_view(run(RunStatus.RUNNING, step="hold"), PLAN, journal)
    assert going_on.question is None
    ended = deployment_view(run(RunStatus.DONE), PLAN, journal)
    assert (ended.question, ended.rollback_not_ready_since) == (None, None)


@pytest.mark.parametrize(
    ("bad_since", "words"), [(timedelta(seconds=20), "FAILED - ROLLED BACK"), (timedelta(hours=-1), "DEPLOYED"), (timedelta(hours=1), "DEPLOYED")]
)
def test_a_deployment_whose_release_was_taken_back_long_afterwards_is_failed_rolled_back(bad_since: timedelta, words: str) -> None:
    result: JsonValue = {"deployment": None, "bad_since": (AT + bad_since).isoformat()}
    back = run(RunStatus.DONE, run_id="rollback-2", runbook="rollback.release", request={"reason": "vulnerable"}, result=result, began=timedelta(days=1))
    assert deployment_view(run(RunStatus.DONE), PLAN, (), (back,)).words == words


def test_what_each_step_took_is_read_from_its_journal() -> None:
    def line(kind: EntryKind, step: str, took: float) -> JournalEntry:
        return JournalEntry(seq=1, run_id=RUN, at=AT, kind=kind, step=step, message="", data={"took_s": took})

    journal = (line(EntryKind.STEP_DONE, "start_replicas", 0.5), line(EntryKind.STEP_FAILED, "smoke_test", 3), line(EntryKind.STEP_DONE, "smoke_test", 1.5))
    assert step_times(journal) == {"start_replicas": timedelta(seconds=0.5), "smoke_test": timedelta(seconds=1.5)}
