"""Where each planned step is, from the journal alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from unioneyes.runbook.phases import PhaseState, PhaseView, phases
from unioneyes.runbook.plan import Effect, PlannedStep
from unioneyes.runbook.views import EntryKind, JournalEntry

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
STEPS = tuple(
    PlannedStep(step=name, does=f"{name} is true.", effect=Effect.READ, when="it must") for name in ("smoke_test", "shift_traffic", "rollback.traffic")
)
NAMES = st.sampled_from(["smoke_test", "shift_traffic", "rollback.traffic", "unplanned", None])
LINES = st.lists(st.builds(lambda kind, step, run_id: entry(kind, step, run_id=run_id), st.sampled_from(EntryKind), NAMES, st.sampled_from(["r", "r.1"])))


def entry(kind: EntryKind, step: str | None = "smoke_test", *, message: str = "", run_id: str = "r", took_s: float | None = None) -> JournalEntry:
    data: dict[str, JsonValue] = {} if took_s is None else {"took_s": took_s}
    return JournalEntry(seq=1, run_id=run_id, at=AT, kind=kind, step=step, message=message, data=data)


def first(*entries: JournalEntry, ended: bool = False) -> PhaseView:
    return phases(STEPS, "r", entries, ended=ended)[0]


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (EntryKind.STEP_STARTED, PhaseState.RUNNING),
        (EntryKind.STEP_PROGRESS, PhaseState.RUNNING),
        (EntryKind.STEP_RETRIED, PhaseState.RUNNING),
        (EntryKind.STEP_DONE, PhaseState.DONE),
        (EntryKind.STEP_FAILED, PhaseState.FAILED),
        (EntryKind.STEP_SKIPPED, PhaseState.SKIPPED),
        (EntryKind.UNDO_STARTED, PhaseState.RUNNING),
        (EntryKind.UNDO_DONE, PhaseState.UNDONE),
        (EntryKind.UNDO_FAILED, PhaseState.FAILED),
        (EntryKind.UNDO_SKIPPED, PhaseState.SKIPPED),
    ],
)
def test_the_last_line_of_a_step_says_where_it_is(kind: EntryKind, state: PhaseState) -> None:
    assert first(entry(EntryKind.STEP_STARTED), entry(kind)).state is state


def test_a_step_without_a_line_waits_while_the_run_goes_on_and_was_not_taken_afterwards() -> None:
    assert first().state is PhaseState.WAITING
    assert first(ended=True).state is PhaseState.NOT_TAKEN


def test_a_step_that_was_cut_did_not_succeed() -> None:
    assert first(entry(EntryKind.STEP_STARTED), ended=True).state is PhaseState.FAILED


def test_a_step_says_how_long_it_took_and_what_it_said_last() -> None:
    phase = first(entry(EntryKind.STEP_STARTED, message="begins"), entry(EntryKind.STEP_PROGRESS, message="half"), entry(EntryKind.STEP_DONE, took_s=0.25))
    assert phase.took == timedelta(milliseconds=250)
    assert phase.message == "half"


def test_while_another_runbook_carries_a_step_out_its_own_steps_are_told() -> None:
    begun = entry(EntryKind.STEP_STARTED, "rollback.traffic", message="r.1 begins")
    inside = entry(EntryKind.STEP_STARTED, "shift_traffic", run_id="r.1", message="traffic goes back")
    shown = phases(STEPS, "r", (begun, inside), ended=False)
    assert (shown[2].state, shown[2].message) == (PhaseState.RUNNING, "shift_traffic: traffic goes back")
    assert shown[1].state is PhaseState.WAITING


@given(journal=LINES, ended=st.booleans())
def test_every_journal_shows_every_planned_step_once_and_nothing_runs_after_the_end(*, journal: list[JournalEntry], ended: bool) -> None:
    shown = phases(STEPS, "r", journal, ended=ended)
    assert [phase.step for phase in shown] == [step.step for step in STEPS]
    assert not (ended and any(phase.state in {PhaseState.RUNNING, PhaseState.WAITING} for phase in shown))


TWICE = tuple(PlannedStep(step="shift_traffic", does="It shifts.", effect=Effect.CHANGE, detail=f"{share} %") for share in (10, 100))


def states(*kinds: EntryKind, ended: bool = False) -> list[PhaseState]:
    return [phase.state for phase in phases(TWICE, "r", [entry(kind, "shift_traffic") for kind in kinds], ended=ended)]


def test_a_step_that_is_planned_twice_shows_each_taking_by_itself() -> None:
    begun, done = EntryKind.STEP_STARTED, EntryKind.STEP_DONE
    assert states(begun) == [PhaseState.RUNNING, PhaseState.WAITING]
    assert states(begun, done) == [PhaseState.DONE, PhaseState.WAITING]
    assert states(begun, done, begun) == [PhaseState.DONE, PhaseState.RUNNING]
    assert states(begun, begun, done) == [PhaseState.DONE, PhaseState.WAITING], "a takeover begins the same taking again"
    assert states(begun, done, begun, done, begun, done) == [PhaseState.DONE, PhaseState.DONE]
    assert [phase.name for phase in phases(TWICE, "r", (), ended=False)] == ["shift_traffic 10 %", "shift_traffic 100 %"]


def test_takings_are_undone_the_last_first() -> None:
    twice = [EntryKind.STEP_STARTED, EntryKind.STEP_DONE] * 2
    undone = [EntryKind.UNDO_STARTED, EntryKind.UNDO_DONE]
    assert states(*twice, *undone) == [PhaseState.DONE, PhaseState.UNDONE]
    assert states(*twice, *undone, *undone) == [PhaseState.UNDONE, PhaseState.UNDONE]


def test_a_held_step_stays_held_while_it_looks_on_and_with_the_next_worker() -> None:
    held = (EntryKind.STEP_STARTED, EntryKind.HELD, EntryKind.STEP_PROGRESS, EntryKind.STEP_STARTED)
    assert first(*(entry(kind) for kind in held)).state is PhaseState.HELD
    assert first(*(entry(kind) for kind in (*held, EntryKind.STEP_DONE))).state is PhaseState.DONE
    assert first(*(entry(kind) for kind in held), ended=True).state is PhaseState.FAILED


def test_what_the_line_held_before_it_was_begun_waits_and_is_done_when_it_is_done() -> None:
    line = (EntryKind.LINE_HELD, EntryKind.LINE_OPEN)
    assert first(entry(EntryKind.LINE_HELD)).state is PhaseState.WAITING
    assert first(*(entry(kind) for kind in (*line, EntryKind.STEP_STARTED))).state is PhaseState.RUNNING
    assert states(EntryKind.STEP_STARTED, EntryKind.STEP_DONE, *line) == [PhaseState.DONE, PhaseState.WAITING]
    assert states(EntryKind.STEP_STARTED, EntryKind.STEP_DONE, *line, EntryKind.STEP_STARTED, EntryKind.STEP_DONE) == [PhaseState.DONE, PhaseState.DONE]
