"""Traffic: which colour answers the members' requests, and what the data plane counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from unioneyes.kernel.problems import Problem, Refused, Unavailable


class Colour(StrEnum):
    """One of the two places where a release can stand."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Colour:
        """The one that this is not."""
        return Colour.GREEN if self is Colour.BLUE else Colour.BLUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Share of new requests per colour, in percent. Both 0: nothing is deployed yet."""

    blue: int = 0
    green: int = 0

    @classmethod
    def all_to(cls, colour: Colour | None) -> Weights:
        """Return the weights that send everything to `colour`, or nothing anywhere."""
        return cls(blue=100 * (colour is Colour.BLUE), green=100 * (colour is Colour.GREEN))

    @classmethod
    def part_to(cls, colour: Colour, share: int) -> Weights:
        """Return the weights that send `share` percent to `colour`, and the rest to the other one."""
        return cls(blue=share if colour is Colour.BLUE else 100 - share, green=share if colour is Colour.GREEN else 100 - share)

    def of(self, colour: Colour) -> int:
        """Return the share of `colour`, in percent."""
        return self.blue if colour is Colour.BLUE else self.green

    def __str__(self) -> str:
        """Return them as people say them: `blue 30 %, green 70 %`."""
        return ", ".join(f"{colour} {self.of(colour)} %" for colour in Colour)

    @property
    def live(self) -> Colour | None:
        """The colour that gets the most; None when nothing is deployed."""
        if self.blue == self.green == 0:
            return None
        return Colour.BLUE if self.blue >= self.green else Colour.GREEN

    @property
    def split(self) -> bool:
        """True while both colours get requests."""
        return self.blue > 0 and self.green > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficView:
    """What the routes say now."""

    weights: Weights
    maintenance: bool
    revision: str
    """Changes with every change of the routes, by whomever; drift is seen by it."""
    in_force: bool
    """False when something else was filed than what the data plane runs: it refused that, or did not read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourCounters:
    """What the data plane counted of one colour since it started: its members' requests, or its preview's."""

    answers_2xx: int
    answers_3xx: int
    answers_4xx: int
    answers_5xx: int
    """Includes requests for which no healthy replica was found."""
    active: int
    """Requests under way now."""
    healthy: int
    """Replicas that the data plane holds for healthy."""
    replicas: int
    latency: tuple[tuple[float, int], ...]
    """Cumulative histogram: (upper bound in milliseconds, answers at or below it), finite bounds only, ascending."""
    timed: int
    """All answers in the histogram, those above its last bound included. May lag behind `answers` by a tenth of a second."""

    @property
    def answers(self) -> int:
        """All answers."""
        return self.answers_2xx + self.answers_3xx + self.answers_4xx + self.answers_5xx


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """One reading of the data plane's counters. A counter that fell means that the data plane was restarted."""

    at: datetime
    blue: ColourCounters
    """Of its members: preview requests are not in it."""
    green: ColourCounters
    preview_blue: ColourCounters
    """Of its preview: probes, and whoever tries the colour."""
    preview_green: ColourCounters

    def of(self, colour: Colour) -> ColourCounters:
        """Return the counters of the members of `colour`."""
        return self.blue if colour is Colour.BLUE else self.green

    def preview_of(self, colour: Colour) -> ColourCounters:
        """Return the counters of the preview of `colour`."""
        return self.preview_blue if colour is Colour.BLUE else self.preview_green


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficShifted:
    """The data plane has confirmed the new weights."""

    weights: Weights
    took: timedelta
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """No request is under way on the colour any more, and none arrives."""

    colour: Colour
    took: timedelta
    left: int
    """Requests still under way when the time was up; 0 when drained."""


class Traffic(Protocol):
    """Which colour answers. Every change is observed first, atomic, safe to repeat, and done only when the data plane confirms it."""

    def require_means(self, *, shares: bool = False, maintenance: bool = False) -> None:
        """Return where what is planned can be had at all, both colours at once or maintenance; nobody is asked. Raises: NotOffered, with what to do instead."""

    def view(self) -> TrafficView:
        """Return what the routes say now. Raises: ForeignRoutes, TrafficUnavailable."""

    def shift(self, weights: Weights) -> TrafficShifted:
        """All new requests follow `weights`. Refuses weights for a colour without a healthy replica.

        Raises: NoHealthyReplica (nothing was changed), RoutesRejected (the old routes stay), TrafficUnavailable.
        """

    def describe_shift(self, weights: Weights) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def enter_maintenance(self, *, retry_after: timedelta) -> TrafficView:
        """Every request is answered with 503 and Retry-After; previews still work."""

    def leave_maintenance(self) -> TrafficView:
        """Requests reach the colours again."""

    def describe_maintenance(self, *, on: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def drained(self, colour: Colour, *, within: timedelta) -> Drained:
        """Return when `colour` has no request under way, or when the time is up."""

    def rehearse_shift(self) -> timedelta:
        """Return how long the data plane takes to confirm its present routes, written anew: what a shift would take now.

        Nothing is written over what somebody changed. Raises: RoutesRejected, TrafficUnavailable.
        """

    def counters(self) -> Counters:
        """Return the data plane's counters. Raises: TrafficUnavailable."""


class TrafficUnavailable(Unavailable):
    """The data plane does not answer."""


class ForeignRoutes(TrafficUnavailable):
    """The data plane runs routes that this program did not write."""


class NoHealthyReplica(Problem):
    """The colour has no replica that could answer; the routes were left as they are."""


class NotOffered(Refused):
    """What leads this environment's traffic can't do that; said before anything is changed."""


class RoutesRejected(Problem):
    """The data plane refused the new routes and keeps the old ones."""
