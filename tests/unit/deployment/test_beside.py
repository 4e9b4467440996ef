"""Both versions compared within each look."""

import random

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.deployment.beside import Excess

counts = st.integers(min_value=0, max_value=200).flatmap(lambda answers: st.tuples(st.integers(min_value=0, max_value=answers), st.just(answers)))


def summed(looks: list[tuple[tuple[int, int], tuple[int, int]]]) -> Excess:
    excess = Excess()
    for new, old in looks:
        excess = excess.plus(Excess.of(new=new, old=old))
    return excess


def fails(chance: random.Random, answers: int, share: float) -> tuple[int, int]:
    return sum(chance.random() < share for _ in range(answers)), answers


@given(counts, counts)
def test_a_window_that_has_slid_past_a_look_has_forgotten_it(new: tuple[int, int], old: tuple[int, int]) -> None:
    kept = Excess(failures=2.0, variance=1.0)
    look = Excess.of(new=new, old=old)
    left = kept.plus(look).minus(look)
    assert abs(left.failures - kept.failures) < 1e-6
    assert abs(left.variance - kept.variance) < 1e-6


@given(counts, counts)
def test_what_one_has_too_many_the_other_has_too_few(new: tuple[int, int], old: tuple[int, int]) -> None:
    there, back = Excess.of(new=new, old=old), Excess.of(new=old, old=new)
    assert abs(there.failures + back.failures) < 1e-6
    assert abs(there.variance - back.variance) < 1e-6
    assert there.variance >= 0


def test_a_rush_of_members_during_a_fault_outside_makes_no_difference() -> None:
    chance = random.Random(1)
    looks = [(fails(chance, 5, 0.01), fails(chance, 5, 0.01)) for _ in range(500)] + [(fails(chance, 200, 0.5), fails(chance, 5, 0.5)) for _ in range(50)]
    new, old = (sum(look[at][0] for look in looks) / sum(look[at][1] for look in looks) for at in (0, 1))
    assert new > 5 * old  # the averages differ, and yet both failed alike
    assert not summed(looks).beyond_luck


def test_failing_twice_as_often_in_the_same_seconds_is_no_luck() -> None:
    chance = random.Random(1)
    assert summed([(fails(chance, 25, 0.06), fails(chance, 5, 0.03)) for _ in range(600)]).beyond_luck


def test_an_old_version_that_answers_nothing_says_nothing() -> None:
    assert not summed([((50, 50), (0, 0))] * 100).beyond_luck
