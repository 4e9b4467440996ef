"""The sequential test: sure of faults within seconds, almost never wrong, at any look."""

import random

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.deployment.sequential import Detector, above, spared

LOOKS_IN_TEN_MINUTES = 1200


def looks_until_sure(random_: random.Random, *, failing: float, per_look: int, looks: int) -> int | None:
    detector = Detector()
    for look in range(1, looks + 1):
        failures = sum(random_.random() < failing for _ in range(per_look))
        detector = detector.seeing(failures=failures, answers=per_look, allowed=0.05)
        if detector.sure:
            return look
    return None


@given(st.integers(min_value=1, max_value=500))
def test_everything_failing_is_seen_within_a_handful_of_answers(per_look: int) -> None:
    seen = looks_until_sure(random.Random(0), failing=1.0, per_look=per_look, looks=20)
    assert seen is not None
    assert seen * per_look <= max(20, per_look)


def test_a_fifth_failing_at_fifty_requests_a_second_is_seen_within_ten_seconds() -> None:
    seen = [looks_until_sure(random.Random(seed), failing=0.2, per_look=25, looks=20) for seed in range(50)]
    assert None not in seen


def test_a_healthy_release_passes_ten_minutes_even_just_below_the_limit() -> None:
    assert all(looks_until_sure(random.Random(seed), failing=0.045, per_look=20, looks=LOOKS_IN_TEN_MINUTES) is None for seed in range(10))


def test_a_fault_that_begins_late_is_seen_as_soon_as_one_that_begins_at_once() -> None:
    detector = Detector()
    for _ in range(LOOKS_IN_TEN_MINUTES):
        detector = detector.seeing(failures=0, answers=50, allowed=0.05)
    late = early = Detector()
    late = detector.seeing(failures=25, answers=50, allowed=0.05)
    early = early.seeing(failures=25, answers=50, allowed=0.05)
    assert late.sure == early.sure is True


def test_nothing_seen_changes_nothing() -> None:
    assert Detector().seeing(failures=0, answers=0, allowed=0.05) == Detector()


def test_nothing_is_held_against_a_release_where_everything_is_allowed() -> None:
    assert not Detector().seeing(failures=1000, answers=1000, allowed=1.0).sure


def test_an_old_version_without_answers_is_not_spared() -> None:
    assert not spared(failures=0, answers=0, fine=0.05, failing=1.0)


def test_two_good_answers_spare_a_version_of_a_fault_of_everything_and_many_are_needed_of_a_small_one() -> None:
    assert spared(failures=0, answers=2, fine=0.05, failing=1.0)
    assert not spared(failures=0, answers=20, fine=0.05, failing=0.2)
    assert spared(failures=0, answers=40, fine=0.05, failing=0.2)


@given(st.integers(min_value=1, max_value=1000), st.floats(min_value=0.06, max_value=1.0))
def test_a_version_that_fails_as_the_other_does_is_not_spared(answers: int, failing: float) -> None:
    assert not spared(failures=round(failing * answers + 0.5), answers=answers, fine=0.05, failing=failing)


def test_a_share_just_below_the_limit_is_never_above_it_however_often_one_asks() -> None:
    for seed in range(10):
        chance, failures = random.Random(seed), 0
        for answers in range(1, 3000):
            failures += chance.random() < 0.045
            assert not above(failures=failures, answers=answers, allowed=0.05)


def test_a_fifth_is_above_the_limit_within_a_few_hundred_answers() -> None:
    assert above(failures=40, answers=200, allowed=0.05)
    assert not above(failures=6, answers=72, allowed=0.05)
