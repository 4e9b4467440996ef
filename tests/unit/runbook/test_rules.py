"""What is undone, in which order, and how a run ends."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.problems import Problem, Refused, Unavailable
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.plan import Effect, Plan
from unioneyes.runbook.problems import NotConfirmed
from unioneyes.runbook.rules import LONGEST_PAUSE, UNDO_PATIENCE, Taken, Undoing, ends_as, gives_up, pause_before, refuse_unconfirmed
from unioneyes.runbook.steps import Step, Stop, step


def taken_back(*, key: str) -> str:
    """The change is gone."""
    return key


def undoable(name: str, effect: Effect = Effect.CHANGE) -> Step[..., object]:
    back = step(effect=Effect.CHANGE)(taken_back)
    return Step(function=taken_back, name=name, effect=effect, undo=back, time_limit=timedelta(seconds=1), retries=0)


def plan(*steps: Step[..., object], no_return: str | None = None) -> Plan:
    return Plan(summary="a plan", steps=tuple(each.planned(no_return=each.name == no_return) for each in steps))


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_what_was_taken_is_undone_in_the_opposite_order(names: list[str]) -> None:
    taken = Taken(plan(*(undoable(name) for name in "abc")))
    for number, name in enumerate(names):
        taken.note(undoable(name), partial(taken_back, key=str(number)))
    assert [undo.call() for undo in taken.to_undo()] == [str(number) for number in reversed(range(len(names)))]
    assert taken.changed == bool(names)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.sampled_from("abc"))
def test_a_settled_step_is_undone_only_when_it_is_taken_again(names: list[str], settled: str) -> None:
    taken = Taken(plan(*(undoable(name) for name in "abc")))
    for name in names:
        taken.note(undoable(name), partial(taken_back, key=name))
    taken.settle(settled)
    assert [undo.taken for undo in taken.to_undo()] == [name for name in reversed(names) if name != settled]
    taken.note(undoable(settled), partial(taken_back, key=settled))
    assert taken.to_undo()[0].taken == settled


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_after_the_point_of_no_return_nothing_is_undone(names: list[str]) -> None:
    taken = Taken(plan(*(undoable(name) for name in "abc"), no_return="b"))
    for name in names:
        taken.note(undoable(name), partial(taken_back, key=name))
    assert (not taken.to_undo()) == ("b" in names or not names)


def test_a_step_that_reads_or_has_no_undo_leaves_nothing_to_undo() -> None:
    taken = Taken(plan(undoable("a")))
    taken.note(undoable("a", Effect.READ), partial(taken_back, key="a"))
    assert taken == Taken(taken.plan)
    for_good = step(effect=Effect.DESTROY)(taken_back)
    taken.note(for_good, None)
    assert taken.changed
    assert taken.to_undo() == ()


PROBLEM = Problem(what="it broke", remedy="mend it")
GATE = Refused(what="closed", remedy="open it")


@pytest.mark.parametrize(
    ("failure", "changed", "undoing", "status"),
    [
        (PROBLEM, False, Undoing.NOTHING_TO_DO, RunStatus.FAILED),
        (PROBLEM, True, Undoing.NOTHING_TO_DO, RunStatus.FAILED),
        (PROBLEM, True, Undoing.DONE, RunStatus.UNDONE),
        (PROBLEM, True, Undoing.FAILED, RunStatus.UNDO_FAILED),
        (GATE, False, Undoing.NOTHING_TO_DO, RunStatus.REFUSED),
        (GATE, True, Undoing.NOTHING_TO_DO, RunStatus.FAILED),
        (GATE, True, Undoing.DONE, RunStatus.UNDONE),
        (Stop.CANCELLED, False, Undoing.NOTHING_TO_DO, RunStatus.CANCELLED),
        (Stop.CANCELLED, True, Undoing.DONE, RunStatus.CANCELLED),
        (Stop.CANCELLED, True, Undoing.FAILED, RunStatus.UNDO_FAILED),
        (Stop.SUPERSEDED, True, Undoing.NOTHING_TO_DO, RunStatus.SUPERSEDED),
        (Stop.SUPERSEDED, True, Undoing.FAILED, RunStatus.SUPERSEDED),
    ],
)
def test_how_a_run_ends_follows_from_why_it_failed_and_what_could_be_undone(
    failure: Problem | Stop,
    changed: bool,  # noqa: FBT001 - one row of the table
    undoing: Undoing,
    status: RunStatus,
) -> None:
    assert ends_as(failure, changed=changed, undoing=undoing) is status


@given(st.integers(min_value=1, max_value=10_000))
def test_pauses_between_tries_grow_to_a_limit(retry: int) -> None:
    assert timedelta(0) < pause_before(retry) <= pause_before(retry + 1) <= LONGEST_PAUSE


def test_a_plan_that_asks_for_a_name_starts_by_that_name_only() -> None:
    asking = Plan(summary="restore", steps=(), confirm="unioneyes")
    refuse_unconfirmed(asking, "unioneyes")
    refuse_unconfirmed(plan(), None)
    for typed in (None, "", "claims", "yes"):
        with pytest.raises(NotConfirmed, match="can't be brought back"):
            refuse_unconfirmed(asking, typed)


BROKEN, AWAY = Problem(what="it is broken", remedy="mend it"), Unavailable(what="it is away", remedy="wait")


@pytest.mark.parametrize(
    ("problem", "attempt", "after", "forwards", "back"),
    [
        (BROKEN, 1, timedelta(), True, False),
        (BROKEN, 3, timedelta(), True, True),
        (AWAY, 1, timedelta(), False, False),
        (AWAY, 3, timedelta(seconds=1), True, False),
        (AWAY, 40, UNDO_PATIENCE - timedelta(seconds=1), True, False),
        (AWAY, 40, UNDO_PATIENCE, True, True),
    ],
)
def test_an_undo_is_tried_again_for_minutes_where_what_it_needs_is_away(
    problem: Problem, attempt: int, after: timedelta, *, forwards: bool, back: bool
) -> None:
    said = [gives_up(problem, attempt=attempt, tries=3, after=after, undoes=undoes) for undoes in (False, True)]
    assert said == [forwards, back]
