"""Reads the data plane's counters each second and keeps the last quarter of an hour. No data is a gap, never a zero."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Event, Thread

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem
from unioneyes.operations.deployment.watch import Histogram
from unioneyes.ports.traffic import Colour, ColourCounters, Counters, Traffic

EVERY = timedelta(seconds=1)
KEPT = timedelta(minutes=15)
RECENT = timedelta(seconds=10)
"""What "now" means in a status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One reading."""

    at: datetime
    counters: Counters | None
    """None when the data plane did not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What one colour did between two readings."""

    requests_per_s: float
    error_rate: float | None
    """Share of answers with 5xx, 0-1; None without answers."""
    p99_ms: float | None
    """None without answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourSeries:
    """One colour, second by second; None is no data."""

    requests_per_s: tuple[float | None, ...]
    error_rate: tuple[float | None, ...]
    p99_ms: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSeries:
    """Both colours, second by second, oldest first; all columns are equally long."""

    at: tuple[float, ...]
    """Seconds since the epoch."""
    blue: ColourSeries
    green: ColourSeries

    def of(self, colour: Colour) -> ColourSeries:
        """Return the columns of `colour`."""
        return self.blue if colour is Colour.BLUE else self.green


class Sampler:
    """Samples in a thread of its own from `start` to `stop`."""

    def __init__(self, traffic: Traffic, *, every: timedelta = EVERY) -> None:
        """Read `traffic`, once `every` so often."""
        self._traffic = traffic
        self._every = every
        self._samples: deque[Sample] = deque(maxlen=KEPT // every)
        self._stop = Event()
        self._thread = Thread(target=self._sample, name="sampler", daemon=True)

    def start(self) -> None:
        """Sample from now on."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._stop.set()
        self._thread.join()

    def series(self, last: timedelta = KEPT) -> TrafficSeries:
        """Return the seconds since `last`."""
        since = now() - last
        return series([sample for sample in tuple(self._samples) if sample.at >= since])

    def recent(self, colour: Colour) -> Rates | None:
        """Return what `colour` did in the last seconds; None when the data plane says nothing."""
        since = now() - RECENT
        return recent([sample for sample in tuple(self._samples) if sample.at >= since], colour)

    def _sample(self) -> None:
        while not self._stop.wait(self._every.total_seconds()):
            at = now()
            try:
                self._samples.append(Sample(at=at, counters=self._traffic.counters()))
            except Problem:
                self._samples.append(Sample(at=at, counters=None))


def series(samples: Sequence[Sample]) -> TrafficSeries:
    """Return what happened between each sample and the one before it."""
    steps = list(pairwise(samples))
    return TrafficSeries(
        at=tuple(round(later.at.timestamp(), 3) for _, later in steps),
        blue=_columns(between(earlier, later, Colour.BLUE) for earlier, later in steps),
        green=_columns(between(earlier, later, Colour.GREEN) for earlier, later in steps),
    )


def recent(samples: Sequence[Sample], colour: Colour) -> Rates | None:
    """Return the rates from the oldest to the newest reading; None when the newest is missing, or nothing can be compared."""
    if not samples or samples[-1].counters is None:
        return None
    readable = [sample for sample in samples if sample.counters is not None]
    return between(readable[0], readable[-1], colour) if len(readable) > 1 else None


def between(earlier: Sample, later: Sample, colour: Colour) -> Rates | None:
    """Return what `colour` did between two samples; None when one is missing, or the data plane was restarted between them."""
    if earlier.counters is None or later.counters is None:
        return None
    before, after = earlier.counters.of(colour), later.counters.of(colour)
    seconds = (later.counters.at - earlier.counters.at).total_seconds()
    if seconds <= 0 or _began_anew(before, after):
        return None
    answers = after.answers - before.answers
    return Rates(
        requests_per_s=round(answers / seconds, 2),
        error_rate=(after.answers_5xx - before.answers_5xx) / answers if answers else None,
        p99_ms=_p99(before, after),
    )


def _began_anew(before: ColourCounters, after: ColourCounters) -> bool:
    """Return whether a counter fell: they only rise while the data plane runs."""
    return any(later < earlier for earlier, later in zip(_rising(before), _rising(after), strict=True))


def _rising(counters: ColourCounters) -> tuple[int, ...]:
    return (counters.answers_2xx, counters.answers_3xx, counters.answers_4xx, counters.answers_5xx, counters.timed)


def _p99(before: ColourCounters, after: ColourCounters) -> float | None:
    p99 = Histogram().plus(before, after).quantile(0.99)
    return None if p99 is None else round(p99, 1)


def _columns(rates: Iterable[Rates | None]) -> ColourSeries:
    kept = list(rates)
    return ColourSeries(
        requests_per_s=tuple(None if each is None else each.requests_per_s for each in kept),
        error_rate=tuple(None if each is None else each.error_rate for each in kept),
        p99_ms=tuple(None if each is None else each.p99_ms for each in kept),
    )
