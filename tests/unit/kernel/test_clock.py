"""Deadlines are kept while somebody sets the wall clock."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from unioneyes.kernel.clock import Deadline, Stopwatch, now

AN_HOUR = timedelta(hours=1)


@pytest.mark.parametrize("jump", [AN_HOUR, -AN_HOUR])
def test_a_wall_clock_that_jumps_moves_no_deadline(jump: timedelta) -> None:
    soon, later = Deadline.after(timedelta(0)), Deadline.after(timedelta(minutes=30))
    before = now()
    with time_machine.travel(before + jump):
        assert abs(now() - before - jump) < timedelta(minutes=1)
        assert soon.passed
        assert not later.passed
        assert timedelta(minutes=29) < later.left <= timedelta(minutes=30)


def test_what_is_left_is_negative_once_the_moment_has_passed() -> None:
    assert Deadline.after(-timedelta(seconds=5)).left <= -timedelta(seconds=5)


@pytest.mark.parametrize("jump", [AN_HOUR, -AN_HOUR])
def test_a_wall_clock_that_jumps_makes_nothing_last_longer_or_shorter(jump: timedelta) -> None:
    watch = Stopwatch.started(already=timedelta(minutes=5))
    with time_machine.travel(now() + jump):
        assert timedelta(minutes=5) <= watch.shows < timedelta(minutes=6)
