"""A block that was cut off half-way, or done already, is not begun again by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from unioneyes.runbook.documents.model import Language
from unioneyes.runbook.documents.plan import PlannedBlock
from unioneyes.runbook.documents.steps import Before, before, step_of
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.views import EntryKind, JournalEntry

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
STARTED, FAILED, DONE, PARKED, DECIDED = (EntryKind.STEP_STARTED, EntryKind.STEP_FAILED, EntryKind.STEP_DONE, EntryKind.PARKED, EntryKind.DECIDED)


def entry(kind: EntryKind, *, step: str = "mark:6", run_id: str = "run") -> JournalEntry:
    return JournalEntry(seq=1, run_id=run_id, at=AT, kind=kind, step=step, message="", data={})


@pytest.mark.parametrize(
    ("kinds", "came"),
    [
        ([STARTED], Before.NOTHING),
        ([STARTED, EntryKind.STEP_PROGRESS, EntryKind.TAKEN_OVER, STARTED], Before.BEGUN),
        ([STARTED, STARTED, FAILED, PARKED, DECIDED, STARTED], Before.NOTHING),
        ([STARTED, FAILED, STARTED], Before.BEGUN),
        ([STARTED, FAILED, EntryKind.TAKEN_OVER, STARTED], Before.BEGUN),
        ([STARTED, STARTED, FAILED, STARTED, STARTED], Before.BEGUN),
        ([STARTED, FAILED, PARKED, DECIDED, STARTED, STARTED], Before.BEGUN),
        ([STARTED, DONE, EntryKind.TAKEN_OVER, STARTED], Before.DONE),
        ([STARTED, FAILED, PARKED, DECIDED, STARTED, DONE, STARTED], Before.DONE),
        ([STARTED, DONE, STARTED, STARTED], Before.DONE),
    ],
)
def test_a_block_is_begun_again_only_where_nothing_came_of_it_since_a_person_decided(kinds: list[EntryKind], came: Before) -> None:
    assert before([entry(kind) for kind in kinds], "run", "mark:6") is came


def test_another_step_and_another_run_do_not_count() -> None:
    journal = [entry(STARTED, step="other:1"), entry(STARTED, run_id="child"), entry(DONE, run_id="child"), entry(STARTED)]
    assert before(journal, "run", "mark:6") is Before.NOTHING


def test_a_block_is_a_step_with_its_own_name_effect_limit_and_undo() -> None:
    block = PlannedBlock(
        step="mark:6",
        section="Mark",
        line=6,
        language=Language.BASH,
        effect=Effect.CHANGE,
        code="touch a",
        undo="rm -f a",
        variables={},
        secrets={},
        within=timedelta(seconds=20),
        programs=("touch",),
    )
    step = step_of(block)
    assert (step.name, step.effect, step.retries) == ("mark:6", Effect.CHANGE, 0)
    assert step.time_limit > block.within
    assert step.returns is type(None), "or a person could not skip it"
    assert step.undo is not None
