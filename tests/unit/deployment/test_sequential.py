"""The sequential test: sure of faults within seconds, almost never wrong, at any look."""

import random

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.deployment.sequential import Detector, upper_bound

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


@given(st.integers(min_value=1, max_value=10_000), st.data())
def test_the_upper_bound_lies_above_the_share_and_never_above_one(answers: int, data: st.DataObject) -> None:
    failures = data.draw(st.integers(min_value=0, max_value=answers))
    bound = upper_bound(failures, answers)
    assert failures / answers <= bound + 1e-9
    assert bound <= 1
