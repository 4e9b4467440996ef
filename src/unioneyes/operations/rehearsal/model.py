"""What a rehearsal measured, and how it stands beside the promise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one version answered, as the client outside saw it."""

    version: str
    answers: int
    lost: int
    """Of them, those that nobody intended: any 5xx, any unexpected 4xx."""
    bad: int
    """Of them, those that were lost or slower than 2 s."""
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSeen:
    """What the client outside saw, from first to last request."""

    sent: int
    lost: int
    """Requests with an unintended status or without an answer, whoever was to answer."""
    slowest: timedelta
    p99: timedelta
    posts_answered: int
    """Claims that members know to be submitted."""
    versions: tuple[Answered, ...]
    first_bad_at: datetime | None
    last_bad_at: datetime | None

    def of(self, version: str) -> Answered | None:
        """Return what `version` answered; None when it never did."""
        return next((one for one in self.versions if one.version == version), None)

    def lost_outside(self, faulty: str) -> int:
        """Return how many requests were lost that the faulty version did not answer."""
        answered = self.of(faulty)
        return self.lost - (answered.lost if answered else 0)


class Score(StrEnum):
    """Whether a promise was kept."""

    KEPT = "kept"
    BROKEN = "broken"
    NO_PROMISE = "no promise"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSeen:
    """What one faulty release did to the members, and where it was stopped."""

    version: str
    caught_by: str
    """What stopped it, for people."""
    answers: int
    """Answers that it gave to members."""
    bad: int
    """Of them, bad ones."""
    exposed: timedelta | None
    """From the first answer that it gave to members to the last; None when it gave none."""
    fault_to_good: timedelta | None
    """From the first bad answer that the client got to the last; None when it got none."""
    ends_as: str
    """The run's status, or `refused`."""
    lost_elsewhere: int
    """Requests lost that the faulty version did not answer."""
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLine:
    """One line of the scorecard."""

    what: str
    measured: str
    promise: str
    """What the document or the design promises; empty where neither does."""
    score: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """The whole card."""

    lines: tuple[ScoreLine, ...]

    @property
    def kept(self) -> bool:
        """True when no promise was broken."""
        return all(line.score is not Score.BROKEN for line in self.lines)
