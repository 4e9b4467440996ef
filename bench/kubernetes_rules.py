"""What a switch on a cluster is judged by: rules over what the members saw, what the controllers asked, and what the peers' analysis is told. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from unioneyes.simulators.report import Exchange

_CALL = re.compile(r'"Response" verb="(?P<verb>[A-Z]+)" url="[^"]*?(?P<watch>[?&]watch=(?:1|true)\b[^"]*)?"')
"""What `kubectl proxy -v=6` says of each request that it passed on."""
STILL = 1.0
"""Seconds before the end of a window: an old version that answers later than that has not stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One switch, in seconds since the epoch."""

    asked: float
    """When the command was given."""
    confirmed: float
    """When it had ended."""
    until: float
    """When the next version was promoted, or the members left."""
    old: str
    """The version that served before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAnswer:
    """How long the old version answered on, over one kind of connection."""

    after: timedelta
    """From the command to its last answer; nothing where it gave none."""
    stopped: bool
    """False where it still answered when the look ended."""


def last_answers(exchanges: Iterable[Exchange], switches: Sequence[Switch], *, connection: str) -> tuple[LastAnswer, ...]:
    """Return, of each switch, how long the old version answered on over `new` or `kept` connections."""
    ends = [0.0] * len(switches)
    for exchange in exchanges:
        if exchange.connection != connection:
            continue
        for at, switch in enumerate(switches):
            if exchange.version == switch.old and switch.asked < exchange.ended_at < switch.until:
                ends[at] = max(ends[at], exchange.ended_at)
    return tuple(
        LastAnswer(after=timedelta(seconds=max(end - switch.asked, 0)), stopped=switch.until - end > STILL) for end, switch in zip(ends, switches, strict=True)
    )


def first_answers(exchanges: Sequence[Exchange], switches: Sequence[Switch]) -> tuple[timedelta | None, ...]:
    """Return, of each switch, how long after the command another version than the old one answered first; None where none did."""
    found: list[timedelta | None] = []
    for switch in switches:
        ended = [each.ended_at for each in exchanges if each.version not in {None, switch.old} and switch.asked < each.ended_at < switch.until]
        found.append(timedelta(seconds=min(ended) - switch.asked) if ended else None)
    return tuple(found)


def losses(exchanges: Iterable[Exchange], switches: Sequence[Switch]) -> tuple[str, ...]:
    """Return what was lost, as what, and when, counted from the command of the switch before: one line for each switch and kind."""
    found: dict[tuple[int, str], list[float]] = {}
    for exchange in exchanges:
        if exchange.lost:
            position = sum(switch.asked < exchange.ended_at for switch in switches)
            found.setdefault((position, exchange.error or f"status {exchange.status}"), []).append(exchange.ended_at)
    lines = []
    for (position, why), ends in sorted(found.items()):
        since = switches[position - 1].asked if position else min(ends)
        lines.append(f"{len(ends):,} lost as {why}, {min(ends) - since:.1f} to {max(ends) - since:.1f} s after command {position} ({_clock(min(ends))})")
    return tuple(lines)


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, tz=UTC):%H:%M:%S} UTC"


def count_calls(log: str) -> Counter[str]:
    """Return how often the API server was asked, by verb; a watch that was opened counts once, as `WATCH`."""
    return Counter("WATCH" if found["watch"] else found["verb"] for found in _CALL.finditer(log))


def failed_share(exchanges: Iterable[Exchange], *, now: float, window: timedelta) -> float:
    """Return the share of requests that ended within `window` before `now` and were lost, 0-1; 0 where there were none."""
    since = now - window.total_seconds()
    outcomes = [exchange.lost for exchange in exchanges if since < exchange.ended_at <= now]
    return sum(outcomes) / len(outcomes) if outcomes else 0.0


def vector(share: float, *, at: float) -> str:
    """Return a figure as Prometheus answers an instant query. Source: Prometheus, HTTP API, "Instant vectors"."""
    return f'{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[{at:.3f},"{share:.6f}"]}}]}}}}'
