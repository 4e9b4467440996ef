"""Whether the way back is open: believed when the old version answers now, told once when it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from unioneyes.operations.deployment.readiness import Readiness, Turn
from unioneyes.operations.deployment.verdict import Look, Seen
from unioneyes.operations.deployment.vigil import LOSSES, SINCE, readiness_so_far
from unioneyes.runbook.views import EntryKind, JournalEntry

START = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
HALF_A_SECOND = timedelta(milliseconds=500)
WELL, SILENT, GONE = Seen(ready=2, answered=True), Seen(ready=2, answered=None), Seen(ready=0, answered=False)


def turns(*old: Seen, readiness: Readiness | None = None) -> list[Turn | None]:
    readiness = readiness or Readiness()
    return [readiness.see(Look(at=START + number * HALF_A_SECOND, new=Seen(), old=seen)) for number, seen in enumerate(old)]


def test_a_version_that_answers_can_be_gone_back_to() -> None:
    assert turns(*[WELL] * 10) == [None] * 10


def test_no_ready_replica_is_a_loss_at_once_and_told_once() -> None:
    assert turns(WELL, GONE, GONE, GONE) == [None, Turn.LOST, None, None]


def test_silence_is_a_loss_after_two_seconds_that_counts_from_the_last_good_answer() -> None:
    readiness = Readiness()
    assert turns(WELL, *[SILENT] * 6, readiness=readiness) == [None] * 5 + [Turn.LOST, None]
    assert readiness.lost_since == START


def test_it_is_regained_by_a_good_answer_of_a_ready_replica_and_by_nothing_less() -> None:
    assert turns(GONE, SILENT, Seen(ready=0, answered=True), WELL) == [Turn.LOST, None, None, Turn.REGAINED]


def test_a_supervisor_that_says_nothing_is_no_loss_while_the_version_answers() -> None:
    assert turns(*[Seen(ready=None, answered=True)] * 8) == [None] * 8


def test_without_an_old_version_there_is_nothing_to_lose() -> None:
    assert Readiness().see(Look(at=START, new=Seen(), old=None)) is None


@given(st.lists(st.sampled_from([WELL, SILENT, GONE])))
def test_losses_and_returns_take_turns(old: list[Seen]) -> None:
    turned = [turn for turn in turns(*old) if turn]
    assert turned == [Turn.LOST, Turn.REGAINED] * (len(turned) // 2) + [Turn.LOST] * (len(turned) % 2)


def line(data: dict[str, JsonValue]) -> JournalEntry:
    return JournalEntry(seq=1, run_id="r", at=START, kind=EntryKind.STEP_PROGRESS, step="watch_release", message="", data=data)


def test_a_worker_that_takes_over_goes_on_counting_and_alarms_nobody_twice() -> None:
    taken_over = readiness_so_far((line({LOSSES: 1, SINCE: None}), line({LOSSES: 2, SINCE: "2026-02-09T14:30:00Z"})))
    assert (taken_over.losses, taken_over.lost_since) == (2, START)
    assert turns(GONE, WELL, readiness=taken_over) == [None, Turn.REGAINED]
    assert readiness_so_far(()) == Readiness()
