"""The watch's verdict: keep, roll back, or not enough data."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.deployment.model import Figures, Keep, NotEnoughData, RollBack
from unioneyes.operations.deployment.verdict import Look, Tally, Watch, exceeds_error_rate, share

START = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
HALF_A_SECOND = timedelta(milliseconds=500)
NOTHING = Tally()


def watched(
    looks: int,
    *,
    new: Tally,
    old: Tally = NOTHING,
    new_health: bool | None = None,
    old_health: bool | None = None,
    restarts: int = 0,
    every: timedelta = HALF_A_SECOND,
) -> Watch:
    watch = Watch()
    for number in range(looks):
        watch.see(Look(at=START + number * every, new=new, old=old, new_health=new_health, old_health=old_health, new_restarts=restarts))
    return watch


def figures(answers: int, errors: int = 0) -> Figures:
    return Figures(answers=answers, errors=errors, slow=0, p99_ms=20.0)


def test_a_release_that_fails_every_fifth_request_goes_back_within_seconds() -> None:
    assert isinstance(watched(10, new=Tally(answers=50, errors=10)).rolls_back(), RollBack)


def test_a_release_that_fails_none_stays() -> None:
    watch = watched(20, new=Tally(answers=50))
    assert watch.rolls_back() is None
    assert isinstance(watch.concludes(seen=figures(1000), blind=False), Keep)


def test_a_fault_outside_that_hits_both_alike_does_not_roll_back() -> None:
    watch = watched(40, new=Tally(answers=50, errors=25), old=Tally(answers=4, errors=2))
    assert watch.rolls_back() is None
    verdict = watch.concludes(seen=figures(2000, 1000), blind=False)
    assert isinstance(verdict, Keep)
    assert "outside" in verdict.reason


def test_a_fault_of_the_new_version_alone_rolls_back_although_the_old_one_is_fine() -> None:
    assert isinstance(watched(40, new=Tally(answers=50, errors=25), old=Tally(answers=4)).rolls_back(), RollBack)


def test_slow_answers_roll_back() -> None:
    verdict = watched(10, new=Tally(answers=50, slow=15), old=Tally(answers=4)).rolls_back()
    assert isinstance(verdict, RollBack)
    assert verdict.reason.startswith("slow")


def test_the_document_s_limit_is_five_per_cent_and_strict() -> None:
    assert not exceeds_error_rate(Tally(answers=1000, errors=50))
    assert exceeds_error_rate(Tally(answers=1000, errors=51))


@given(st.integers(min_value=0, max_value=4), st.integers(min_value=0, max_value=100))
def test_a_handful_of_failures_is_never_a_fault(errors: int, more: int) -> None:
    assert not exceeds_error_rate(Tally(answers=errors + more, errors=errors))


def test_just_above_the_limit_over_five_minutes_rolls_back() -> None:
    watch = watched(301, new=Tally(answers=1000, errors=51), every=timedelta(seconds=1))
    assert isinstance(watch.rolls_back(), RollBack)


def test_exactly_the_limit_over_five_minutes_stays() -> None:
    assert watched(301, new=Tally(answers=1000, errors=50), every=timedelta(seconds=1)).rolls_back() is None


def test_two_bad_health_reports_are_forgiven_and_three_are_not() -> None:
    assert watched(2, new=Tally(), new_health=False, old_health=True).rolls_back() is None
    assert isinstance(watched(3, new=Tally(), new_health=False, old_health=True).rolls_back(), RollBack)


def test_bad_health_of_both_is_a_fault_outside() -> None:
    assert watched(10, new=Tally(), new_health=False, old_health=False).rolls_back() is None


def test_replicas_that_keep_ending_roll_back() -> None:
    assert watched(1, new=Tally(), restarts=1).rolls_back() is None
    assert isinstance(watched(1, new=Tally(), restarts=2).rolls_back(), RollBack)


def test_too_few_answers_are_not_enough_data_and_never_keep() -> None:
    assert isinstance(watched(5, new=Tally(answers=1)).concludes(seen=figures(5), blind=False), NotEnoughData)


def test_a_silent_data_plane_is_not_enough_data() -> None:
    assert isinstance(watched(50, new=Tally(answers=50)).concludes(seen=figures(2500), blind=True), NotEnoughData)


def test_the_last_health_report_must_be_good() -> None:
    assert isinstance(watched(1, new=Tally(answers=100), new_health=False).concludes(seen=figures(100), blind=False), NotEnoughData)


def test_a_share_of_nothing_is_none_seen() -> None:
    assert share(0, 0) == "none seen"
    assert share(42, 1000) == "4.2 %"


def test_a_window_forgets_what_is_older_than_five_minutes() -> None:
    watch = watched(400, new=Tally(answers=10), every=timedelta(seconds=1))
    assert len(watch.looks) == 301
