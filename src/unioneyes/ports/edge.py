"""The edge: who is kept out before the service is reached, and how much of everybody else is let in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from unioneyes.kernel.problems import Problem, Refused, Unavailable

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many requests one client's address may make; more are answered with 429."""

    requests: int
    per: timedelta
    """A second, a minute or an hour: what data planes count by."""

    def __str__(self) -> str:
        """Return it as people say it: `20 requests a second`."""
        unit = {1: "second", 60: "minute", 3600: "hour"}.get(int(self.per.total_seconds()), str(self.per))
        return f"{self.requests} requests a {unit}"


STRICT = RateLimit(requests=20, per=timedelta(seconds=1))
"""Enough for a person with a busy page, and nothing for a flood. Source: Security Incidents, "DDoS Attack", `rate-limit-strict.yaml`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeView:
    """What the edge does now."""

    limit: RateLimit | None
    """Of each data plane, for each client's address; None where everybody may ask as much as they like."""
    denied: tuple[Network, ...]
    """Whose requests are answered with 403."""
    in_force: bool
    """False when something else was filed than what the data plane runs."""


class Edge(Protocol):
    """Keeps requests away. Every change is observed first, safe to repeat, and done only when each data plane and a real request confirm it."""

    def view(self) -> EdgeView:
        """Return what the edge does now. Raises: EdgeUnavailable."""

    def limit(self, limit: RateLimit | None) -> EdgeView:
        """Each client's address may make so many requests; with None, as many as it likes. Raises: EdgeRejected (as it was before), EdgeUnavailable."""

    def describe_limit(self, limit: RateLimit | None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def deny(self, networks: tuple[Network, ...]) -> EdgeView:
        """Requests from these networks, and from no other, are answered with 403.

        Raises: OwnNetwork (nothing was changed), EdgeRejected (as it was before), EdgeUnavailable.
        """

    def describe_deny(self, networks: tuple[Network, ...]) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""


class EdgeUnavailable(Unavailable):
    """The edge does not answer."""


class EdgeRejected(Problem):
    """The edge refused the change, or it did not do what it should: everything is as it was before."""


class OwnNetwork(Refused):
    """The list would keep out what must come through: our own networks, or far too many."""
