"""What members saw of each colour, from counters that only ever rise, or begin anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.console.sampler import Sample, Sampler, between, recent, series
from unioneyes.ports.traffic import Colour, ColourCounters, Counters, Drained, TrafficShifted, TrafficUnavailable, TrafficView, Weights

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)


def colour(ok: int, failed: int = 0, *, slow: int = 0) -> ColourCounters:
    total = ok + failed
    return ColourCounters(
        answers_2xx=ok,
        answers_3xx=0,
        answers_4xx=0,
        answers_5xx=failed,
        active=0,
        healthy=2,
        replicas=2,
        latency=((100.0, total - slow), (2000.0, total)),
        timed=total,
    )


def sample(second: float, blue: ColourCounters | None, green: ColourCounters | None = None) -> Sample:
    at = AT + timedelta(seconds=second)
    return Sample(at=at, counters=None if blue is None else counted(at, blue, green or colour(0)))


def counted(at: datetime, blue: ColourCounters, green: ColourCounters) -> Counters:
    return Counters(at=at, blue=blue, green=green, preview_blue=colour(0), preview_green=colour(0))


def test_a_rate_is_what_came_between_two_readings() -> None:
    rates = between(sample(0, colour(100, 0)), sample(2, colour(190, 10)), Colour.BLUE)
    assert rates is not None
    assert rates.requests_per_s == 50
    assert rates.error_rate == 0.1


def test_a_missing_reading_is_a_gap_and_never_a_zero() -> None:
    columns = series([sample(0, colour(0)), sample(1, colour(40)), sample(2, None), sample(3, colour(120)), sample(4, colour(160))])
    assert list(columns.blue.requests_per_s) == [40, None, None, 40]
    assert list(columns.blue.error_rate) == [0, None, None, 0]


def test_no_answers_have_no_error_rate_and_no_percentile() -> None:
    rates = between(sample(0, colour(100)), sample(1, colour(100)), Colour.BLUE)
    assert rates is not None
    assert (rates.requests_per_s, rates.error_rate, rates.p99_ms) == (0, None, None)


def test_a_data_plane_that_began_anew_is_a_gap() -> None:
    assert between(sample(0, colour(100, 5)), sample(1, colour(3)), Colour.BLUE) is None
    assert between(sample(0, colour(100, 5)), sample(1, colour(200, 0)), Colour.BLUE) is None


def test_the_slowest_hundredth_is_seen() -> None:
    rates = between(sample(0, colour(0)), sample(1, colour(100, slow=5)), Colour.BLUE)
    assert rates is not None
    assert rates.p99_ms is not None
    assert rates.p99_ms > 100


def test_now_is_over_all_readings_that_there_are_and_nothing_without_the_newest() -> None:
    readings = [sample(0, colour(0)), sample(1, None), sample(5, colour(100))]
    rates = recent(readings, Colour.BLUE)
    assert rates is not None
    assert rates.requests_per_s == 20
    assert recent([*readings, sample(6, None)], Colour.BLUE) is None
    assert recent(readings[-1:], Colour.BLUE) is None
    assert recent([], Colour.BLUE) is None


@given(st.lists(st.none() | st.tuples(st.integers(0, 500), st.integers(0, 50)), max_size=30))
def test_all_columns_are_equally_long_and_shares_are_shares(readings: list[tuple[int, int] | None]) -> None:
    samples = [sample(second, reading and colour(*reading)) for second, reading in enumerate(readings)]
    columns = series(samples)
    for each in Colour:
        own = columns.of(each)
        assert len(columns.at) == len(own.requests_per_s) == len(own.error_rate) == len(own.p99_ms) == max(0, len(samples) - 1)
        assert all(share is None or 0 <= share <= 1 for share in own.error_rate)
        assert all(rate is None or rate >= 0 for rate in own.requests_per_s)


class Scripted:
    """A data plane of which only the counters are asked."""

    def __init__(self, read: Callable[[], Counters]) -> None:
        self._read = read

    def counters(self) -> Counters:
        return self._read()

    def view(self) -> TrafficView:
        raise NotImplementedError

    def shift(self, weights: Weights) -> TrafficShifted:
        raise NotImplementedError(weights)

    def describe_shift(self, weights: Weights) -> tuple[str, ...]:
        raise NotImplementedError(weights)

    def enter_maintenance(self, *, retry_after: timedelta) -> TrafficView:
        raise NotImplementedError(retry_after)

    def leave_maintenance(self) -> TrafficView:
        raise NotImplementedError

    def require_means(self, *, shares: bool = False, maintenance: bool = False) -> None:
        raise NotImplementedError

    def describe_maintenance(self, *, on: bool) -> tuple[str, ...]:
        raise NotImplementedError(on)

    def drained(self, colour: Colour, *, within: timedelta) -> Drained:
        raise NotImplementedError(colour, within)

    def rehearse_shift(self) -> timedelta:
        raise NotImplementedError


def test_a_data_plane_that_is_away_does_not_end_the_sampling() -> None:
    readings = iter([colour(10), None, colour(30), colour(40), colour(50)])
    enough = Event()

    def read() -> Counters:
        reading = next(readings, colour(60))
        if reading == colour(60):
            enough.set()
        if reading is None:
            raise TrafficUnavailable(what="the data plane does not answer", remedy="wait")
        return counted(datetime.now(UTC), reading, colour(0))

    sampler = Sampler(Scripted(read), every=timedelta(milliseconds=5))
    sampler.start()
    assert enough.wait(timeout=30)
    sampler.stop()
    assert sampler.series().blue.requests_per_s[:2] == (None, None)
    assert sampler.recent(Colour.BLUE) is not None
