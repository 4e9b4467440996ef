"""What the members saw: the load program's lines, and what they add up to. Pure but for `read_report`."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from unioneyes.kernel.clock import rfc3339

SLOW_MS = 2000.0
"""Milliseconds above which an answer is a bad one. Source: Key Metrics, "Response Time (P99) > 2000ms"."""

SUBMIT = "/api/claims"
"""Where a POST submits a claim."""

CONFLICT = 409
"""The one refusal that the service's documentation foresees for what members do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request, and what became of it."""

    scheduled_at: float
    """When it was due, in seconds since the epoch; the latency counts from here, so that a server that stalls can't hide behind a client that waits."""
    method: str
    path: str
    connection: str
    """`kept`: one that earlier requests had used; `new`: one of its own."""
    status: int | None
    """HTTP status; None when no answer came."""
    error: str | None
    """Why no answer came; None when one did."""
    took_ms: float
    version: str | None
    """The version that answered; None when it did not say."""
    claim: str | None
    """Identifier of the claim that a POST made."""

    @property
    def submits(self) -> bool:
        """True for a request that submits a claim."""
        return self.method == "POST" and self.path == SUBMIT

    @property
    def lost(self) -> bool:
        """True when no answer came, or one that nobody intended."""
        return self.status is None or not (200 <= self.status < 300 or self.status == CONFLICT)  # noqa: PLR2004 - the class of HTTP's successes

    @property
    def bad(self) -> bool:
        """True when a member is not served well: lost, or answered later than the document allows."""
        return self.lost or self.took_ms > SLOW_MS

    @property
    def ended_at(self) -> float:
        """When the answer, or the certainty that none comes, was there: seconds since the epoch."""
        return self.scheduled_at + self.took_ms / 1000

    def line(self) -> str:
        """Return the exchange as one line of JSON."""
        return f"{json.dumps(asdict(self))}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSeen:
    """What one version of the service answered."""

    version: str
    answers: int
    lost: int
    """Of them, those that nobody intended."""
    bad: int
    """Of them, those that were lost or slow."""
    first: datetime
    """Its first answer."""
    last: datetime
    """Its last answer so far."""
    per_second: tuple[tuple[int, int], ...]
    """(second since the epoch, answers), ascending; seconds without answers are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What all members together saw."""

    sent: int
    answered: int
    """Requests that got an answer, whatever it said."""
    lost: int
    """Requests without an answer, or with one that nobody intended: anything but 2xx and a documented 409."""
    posts: int
    """Requests that submit a claim."""
    posts_answered: int
    """Of them, those answered with 2xx: so many claims must be in the database, plus those of POSTs whose answer was lost."""
    claims: tuple[str, ...]
    """The identifiers that those answers named, in the order of the answers."""
    slowest: timedelta
    p50: timedelta
    """Of the answered, from when they were due."""
    p99: timedelta
    first_bad: datetime | None
    """When the first bad answer came, or was given up; None when none was bad."""
    last_bad: datetime | None
    versions: tuple[VersionSeen, ...]
    """In the order of their first answers."""

    def document(self) -> dict[str, JsonValue]:
        """Return the figures as JSON, without the claims' identifiers and the seconds, of which there may be many."""
        return {
            "sent": self.sent,
            "answered": self.answered,
            "lost": self.lost,
            "posts": self.posts,
            "posts_answered": self.posts_answered,
            "slowest_ms": _milliseconds(self.slowest),
            "p50_ms": _milliseconds(self.p50),
            "p99_ms": _milliseconds(self.p99),
            "first_bad": rfc3339(self.first_bad) if self.first_bad else None,
            "last_bad": rfc3339(self.last_bad) if self.last_bad else None,
            "versions": [
                {"version": seen.version, "answers": seen.answers, "lost": seen.lost, "bad": seen.bad, "first": rfc3339(seen.first), "last": rfc3339(seen.last)}
                for seen in self.versions
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Whether the figures can be trusted: a client that is late measures itself."""

    behind: timedelta
    """By which the latest request started late."""
    cpu: timedelta
    """Processor time that the load program took."""


def read_report(path: Path) -> LoadReport:
    """Return what the lines of `path` add up to, also while they are being written."""
    return summarise(read_exchanges(path))


def read_pace(path: Path) -> Pace:
    """Return how the load program kept its schedule, once it has ended."""
    *_, last = path.read_text(encoding="utf-8").splitlines()
    summary = json.loads(last)["summary"]
    return Pace(behind=timedelta(milliseconds=summary["behind_ms"]), cpu=timedelta(seconds=summary["cpu_s"]))


def read_exchanges(path: Path) -> Iterator[Exchange]:
    """Yield the requests of a report in the order in which they ended, also while it is being written."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n") and not line.startswith('{"summary"'):  # a line without its end is still being written
                yield _EXCHANGE.validate_json(line)


def summarise(exchanges: Iterable[Exchange]) -> LoadReport:
    """Return what `exchanges` add up to. They stand in the order in which they ended."""
    sent = posts = posts_answered = 0
    claims: list[str] = []
    took: list[float] = []
    bad: list[float] = []
    seconds: dict[str, Counter[int]] = {}
    ends: dict[str, tuple[float, float]] = {}
    lost_of: Counter[str] = Counter()
    bad_of: Counter[str] = Counter()
    lost = 0
    for exchange in exchanges:
        sent += 1
        posts += exchange.submits
        if exchange.bad:
            bad.append(exchange.ended_at)
        if exchange.lost:
            lost += 1
        elif exchange.submits and exchange.status != CONFLICT:
            posts_answered += 1
        if exchange.claim is not None:
            claims.append(exchange.claim)
        if exchange.status is not None:
            took.append(exchange.took_ms)
        if exchange.version is not None:
            end = exchange.ended_at
            seconds.setdefault(exchange.version, Counter())[math.floor(end)] += 1
            first, last = ends.get(exchange.version, (end, end))
            ends[exchange.version] = (min(first, end), max(last, end))
            lost_of[exchange.version] += exchange.lost
            bad_of[exchange.version] += exchange.bad
    took.sort()
    return LoadReport(
        sent=sent,
        answered=len(took),
        lost=lost,
        posts=posts,
        posts_answered=posts_answered,
        claims=tuple(claims),
        slowest=timedelta(milliseconds=took[-1] if took else 0),
        p50=timedelta(milliseconds=percentile(took, 0.50)),
        p99=timedelta(milliseconds=percentile(took, 0.99)),
        first_bad=_moment(min(bad)) if bad else None,
        last_bad=_moment(max(bad)) if bad else None,
        versions=tuple(
            VersionSeen(
                version=version,
                answers=seconds[version].total(),
                lost=lost_of[version],
                bad=bad_of[version],
                first=_moment(first),
                last=_moment(last),
                per_second=tuple(sorted(seconds[version].items())),
            )
            for version, (first, last) in sorted(ends.items(), key=lambda item: item[1])
        ),
    )


def percentile(ascending: list[float], share: float) -> float:
    """Return the smallest value that at least `share` (0-1) of the values do not exceed (nearest rank); 0 of none."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)] if ascending else 0.0


_EXCHANGE = TypeAdapter(Exchange)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _milliseconds(duration: timedelta) -> float:
    return round(duration / timedelta(milliseconds=1), 1)
