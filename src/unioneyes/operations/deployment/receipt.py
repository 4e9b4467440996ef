"""What the receipt says, from two readings of the data plane's counters."""

from __future__ import annotations

from unioneyes.operations.deployment.model import ServedBy
from unioneyes.ports.traffic import Colour, ColourCounters, Counters


def served_by(before: Counters, after: Counters, *, new: Colour, version: str, previous: str | None) -> tuple[ServedBy, ...]:
    """Return how many answers each version gave between the readings; a data plane that was restarted between them counts from zero."""
    versions = [(previous, new.other), (version, new)]
    return tuple(_served(before.of(colour), after.of(colour), name, colour) for name, colour in versions if name is not None)


def _served(before: ColourCounters, after: ColourCounters, version: str, colour: Colour) -> ServedBy:
    restarted = after.answers < before.answers
    return ServedBy(
        version=version,
        colour=colour,
        answers=after.answers - (0 if restarted else before.answers),
        errors=after.answers_5xx - (0 if restarted else before.answers_5xx),
    )


def lost(served: tuple[ServedBy, ...]) -> int:
    """Return how many members were answered with a 5xx. Maintenance is answered before any colour, so it is not in the counters."""
    return sum(one.errors for one in served)


def slowest_ms(before: Counters, after: Counters) -> float | None:
    """Return the upper bound of the bucket in which the slowest answer between the readings lies; None without answers."""
    bounds = [bound for colour in Colour if (bound := _slowest(before.of(colour), after.of(colour))) is not None]
    return max(bounds, default=None)


def _slowest(before: ColourCounters, after: ColourCounters) -> float | None:
    earlier = dict(before.latency) if after.timed >= before.timed else {}
    timed = after.timed - (before.timed if earlier else 0)
    if timed <= 0:
        return None
    return next((bound for bound, count in after.latency if count - earlier.get(bound, 0) >= timed), after.latency[-1][0] if after.latency else None)
