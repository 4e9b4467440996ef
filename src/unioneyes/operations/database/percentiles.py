"""Percentiles of durations of which a share was logged: each stands for as many as its chance of being logged says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from unioneyes.ports.query_history import Sampling

FEWEST = 20
"""Durations below which nobody can tell the longest twentieth: the 95th percentile would be the longest of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long queries took that differ by their values alone."""

    calls: int
    """How many there were; where a share was logged, how many that comes to."""
    mean: timedelta
    p50: timedelta | None
    """None where too few were logged, or only the long ones."""
    p95: timedelta | None
    p99: timedelta | None
    longest: timedelta


def spread(took: Sequence[float], sampling: Sampling) -> Spread | None:
    """Return what these durations in milliseconds come to; None where, by the settings as they are now, none of them would have been logged."""
    weighed = sorted((each, 1 / share) for each in took if (share := chance(each, sampling)) > 0)
    if not weighed:
        return None
    weight = sum(each for _, each in weighed)
    tells = len(weighed) >= FEWEST and floor(sampling) == timedelta(0)
    return Spread(
        calls=round(weight),
        mean=timedelta(milliseconds=sum(each * heavy for each, heavy in weighed) / weight),
        p50=percentile(weighed, 0.50) if tells else None,
        p95=percentile(weighed, 0.95) if tells else None,
        p99=percentile(weighed, 0.99) if tells else None,
        longest=timedelta(milliseconds=weighed[-1][0]),
    )


def percentile(weighed: Iterable[tuple[float, float]], share: float) -> timedelta:
    """Return the shortest duration that at least `share` of the weight does not exceed, of milliseconds and weights, shortest first; not empty."""
    known = tuple(weighed)
    wanted = share * sum(weight for _, weight in known)
    reached = 0.0
    for took, weight in known:
        reached += weight
        if reached >= wanted:
            return timedelta(milliseconds=took)
    return timedelta(milliseconds=known[-1][0])  # where the last hair of the sum was lost to rounding


def chance(took: float, sampling: Sampling) -> float:
    """Return with what chance a query of so many milliseconds was logged, 0-1."""
    if _reaches(took, sampling.always):
        return 1.0
    sampled = sampling.rate if _reaches(took, sampling.sampled) else 0.0
    return 1 - (1 - sampled) * (1 - sampling.transactions)


def floor(sampling: Sampling) -> timedelta | None:
    """Return the duration below which no query is logged; None where none is logged at all."""
    if sampling.transactions > 0:
        return timedelta(0)
    known = (sampling.always, sampling.sampled if sampling.rate > 0 else None)
    return min((each for each in known if each is not None), default=None)


def _reaches(took: float, bound: timedelta | None) -> bool:
    return bound is not None and took >= bound / timedelta(milliseconds=1)
