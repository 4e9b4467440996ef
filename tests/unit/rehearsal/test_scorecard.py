"""The scorecard believes only what was measured."""

from datetime import UTC, datetime, timedelta

import pytest

from unioneyes.operations.rehearsal.model import Answered, ClientSeen, Score
from unioneyes.operations.rehearsal.rules import fault_lines, fault_seen, none_lost, release_lines, scorecard, within

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)


def answered(version: str, *, answers: int, bad: int = 0, first: float = 0, last: float = 60) -> Answered:
    return Answered(version=version, answers=answers, lost=bad, bad=bad, first_at=AT + timedelta(seconds=first), last_at=AT + timedelta(seconds=last))


def seen(*versions: Answered, lost: int = 0, bad: tuple[float, float] | None = None) -> ClientSeen:
    return ClientSeen(
        sent=1000,
        lost=lost,
        slowest=timedelta(milliseconds=80),
        p99=timedelta(milliseconds=30),
        posts_answered=200,
        versions=versions,
        first_bad_at=AT + timedelta(seconds=bad[0]) if bad else None,
        last_bad_at=AT + timedelta(seconds=bad[1]) if bad else None,
    )


def test_what_was_not_measured_is_a_broken_promise() -> None:
    assert within("rolled back", None, timedelta(minutes=5), "5 min").score is Score.BROKEN


def test_none_lost_of_none_sent_says_nothing_and_is_broken() -> None:
    assert none_lost("lost", 0, 0).score is Score.BROKEN
    assert none_lost("lost", 0, 10).score is Score.KEPT
    assert none_lost("lost", 1, 10).score is Score.BROKEN


def test_an_old_answer_long_after_the_switch_breaks_the_promise() -> None:
    client = seen(answered("1.0.0", answers=500, last=31), answered("1.1.0", answers=500, first=30))
    lines = release_lines(client, old="1.0.0", switch_took=timedelta(milliseconds=8), switched_at=AT + timedelta(seconds=30))
    assert [line.score for line in lines] == [Score.KEPT, Score.BROKEN]


def test_bad_answers_of_the_faulty_version_are_its_own_and_others_are_ours() -> None:
    client = seen(answered("1.2.0", answers=100, bad=20), lost=21, bad=(10, 14))
    assert client.lost_outside("1.2.0") == 1


def test_a_fault_that_was_seen_late_breaks_the_promise_of_detection() -> None:
    client = seen(answered("1.2.0", answers=100, bad=20), lost=20, bad=(10, 200))
    lines = fault_lines(client, faulty="1.2.0", detected_at=AT + timedelta(seconds=131), healthy_in=timedelta(milliseconds=200))
    assert [line.score for line in lines] == [Score.NO_PROMISE, Score.BROKEN, Score.KEPT, Score.KEPT]


def test_a_card_is_kept_when_nothing_is_broken() -> None:
    assert scorecard((none_lost("lost", 0, 10),)).kept
    assert not scorecard((none_lost("lost", 0, 10), none_lost("lost", 1, 10))).kept


def test_a_fault_that_was_undone_within_the_promise_is_kept_and_says_how_long_it_lasted() -> None:
    client = seen(answered("1.2.0", answers=100, bad=20, first=9, last=14), lost=20, bad=(10, 14))
    row = fault_seen("1.2.0", client, step="watch_release", ends_as="undone")
    assert (row.score, row.caught_by) == (Score.KEPT, "the watch")
    assert (row.fault_to_good, row.exposed) == (timedelta(seconds=4), timedelta(seconds=5))


def test_a_faulty_release_that_was_kept_breaks_the_promise() -> None:
    assert fault_seen("1.2.0", seen(), step=None, ends_as="done").score is Score.BROKEN


@pytest.mark.parametrize(("bad", "ends_as", "score"), [(0, "done", Score.KEPT), (1, "done", Score.BROKEN), (0, "undone", Score.BROKEN)])
def test_a_harmless_fault_must_stay_and_answer_every_member_well(bad: int, ends_as: str, score: Score) -> None:
    client = seen(answered("1.2.0", answers=100, bad=bad, first=9, last=14))
    assert fault_seen("1.2.0", client, step=None, ends_as=ends_as, harmless=True).score is score


def test_a_request_lost_elsewhere_breaks_the_promise_of_a_fault_that_was_undone() -> None:
    assert fault_seen("1.2.0", seen(lost=1, bad=(1, 1)), step="smoke_test", ends_as="undone").score is Score.BROKEN


def test_a_fault_without_a_single_request_shows_nothing() -> None:
    nobody = ClientSeen(sent=0, lost=0, slowest=timedelta(0), p99=timedelta(0), posts_answered=0, versions=(), first_bad_at=None, last_bad_at=None)
    assert fault_seen("1.2.0", nobody, step="smoke_test", ends_as="undone").score is Score.BROKEN
