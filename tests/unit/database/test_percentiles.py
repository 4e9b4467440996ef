"""Percentiles of what was logged: each duration counts for as many as its chance of being logged says."""

from __future__ import annotations

import math
import random
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.database.percentiles import FEWEST, chance, floor, percentile, spread
from unioneyes.ports.query_history import Sampling

EVERYTHING = Sampling(always=timedelta(0), sampled=None, rate=1.0)
A_SHARE = Sampling(always=timedelta(seconds=1), sampled=timedelta(0), rate=0.05)
LENGTHS = st.lists(st.floats(min_value=0.001, max_value=60_000), min_size=FEWEST, max_size=200)


def milliseconds(told: timedelta | None) -> float:
    assert told is not None
    return told / timedelta(milliseconds=1)


@given(LENGTHS, st.floats(min_value=0.01, max_value=1))
def test_a_percentile_of_all_is_the_nearest_rank(took: list[float], share: float) -> None:
    expected = sorted(took)[math.ceil(share * len(took) - 1e-9) - 1]
    found = milliseconds(percentile([(each, 1.0) for each in sorted(took)], share))
    assert math.isclose(found, expected, abs_tol=0.001)


@given(LENGTHS, st.floats(min_value=0.001, max_value=1))
def test_percentiles_are_in_their_order_and_some_duration_that_was_seen(took: list[float], rate: float) -> None:
    told = spread(took, Sampling(always=timedelta(seconds=1), sampled=timedelta(0), rate=rate))
    assert told is not None
    p50, p95, p99, longest = (milliseconds(each) for each in (told.p50, told.p95, told.p99, told.longest))
    assert p50 <= p95 <= p99 <= longest
    for each in (p50, p95, p99, longest):
        assert min(abs(each - known) for known in took) < 0.001
    assert min(took) - 0.001 <= milliseconds(told.mean) <= longest + 0.001


@given(st.integers(min_value=0, max_value=40), st.integers(min_value=0, max_value=40), st.integers(min_value=1, max_value=20))
def test_a_sampled_duration_counts_for_as_many_as_were_not_logged(short: int, long: int, factor: int) -> None:
    """What a sample of 1 in `factor` with all long ones tells is what a log of everything tells."""
    sampled = spread([10.0] * short + [2_000.0] * long, Sampling(always=timedelta(seconds=1), sampled=timedelta(0), rate=1 / factor))
    everything = spread([10.0] * short * factor + [2_000.0] * long, EVERYTHING)
    if everything is None:
        assert sampled is None
        return
    assert sampled is not None
    assert sampled.calls == everything.calls
    assert math.isclose(milliseconds(sampled.mean), milliseconds(everything.mean), abs_tol=0.0011)  # a microsecond: what a timedelta tells
    if short + long >= FEWEST and 20 * long != short * factor + long and 100 * long != short * factor + long and 2 * long != short * factor + long:
        assert (sampled.p50, sampled.p95, sampled.p99) == (everything.p50, everything.p95, everything.p99)


def test_long_ones_that_are_all_logged_do_not_pull_the_percentile_up() -> None:
    """1 in 20 of 4,000 that took 10 ms was logged, and each of 40 that took 2 s: 1 % of all took long, not 17 %."""
    told = spread([10.0] * 200 + [2_000.0] * 40, A_SHARE)
    assert told is not None
    assert told.calls == 4_040
    assert told.p95 == timedelta(milliseconds=10)


def test_the_p95_of_a_sample_is_that_of_all_within_its_error() -> None:
    drawn = random.Random(7)
    everything = [drawn.uniform(5, 50) + (1_500 if drawn.random() < 0.02 else 0) for _ in range(20_000)]
    sample = [each for each in everything if each >= 1_000 or drawn.random() < 0.05]
    told = spread(sample, A_SHARE)
    assert told is not None
    assert math.isclose(milliseconds(told.p95), sorted(everything)[19_000], rel_tol=0.05)
    assert math.isclose(told.calls, 20_000, rel_tol=0.1)


def test_too_few_tell_no_percentile() -> None:
    told = spread([10.0] * (FEWEST - 1), EVERYTHING)
    assert told is not None
    assert (told.p50, told.p95, told.p99) == (None, None, None)
    assert (told.calls, told.longest) == (FEWEST - 1, timedelta(milliseconds=10))


def test_where_only_long_ones_are_logged_there_is_no_percentile() -> None:
    long_only = Sampling(always=timedelta(seconds=1), sampled=None, rate=1.0)
    told = spread([1_500.0] * 100, long_only)
    assert told is not None
    assert (told.p95, told.calls) == (None, 100)
    assert floor(long_only) == timedelta(seconds=1)
    assert spread([500.0] * 100, long_only) is None, "by these settings none of them would have been logged"


def test_the_chance_of_being_logged() -> None:
    assert chance(1_000, A_SHARE) == 1
    assert math.isclose(chance(999.9, A_SHARE), 0.05)
    of_transactions = Sampling(always=None, sampled=timedelta(milliseconds=100), rate=0.5, transactions=0.5)
    assert math.isclose(chance(50, of_transactions), 0.5)
    assert math.isclose(chance(150, of_transactions), 0.75)
    assert floor(of_transactions) == timedelta(0)
    assert floor(Sampling(always=None, sampled=timedelta(0), rate=0)) is None
