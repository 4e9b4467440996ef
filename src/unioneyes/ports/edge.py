"""The edge: who is kept out before the service is reached, and how much of everybody else is let in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Protocol

from unioneyes.kernel.problems import BadInput, Problem, Refused, Unavailable

Network = IPv4Network | IPv6Network

WIDEST = {4: 8, 6: 16}
"""Bits of a network that may be kept out: a shorter prefix is a part of the world, and none of an attacker."""
UNITS = {timedelta(seconds=1): "second", timedelta(minutes=1): "minute", timedelta(hours=1): "hour"}
"""What data planes count by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many requests one client's address may make; more are answered with 429."""

    requests: int
    per: timedelta
    """A second, a minute or an hour: what data planes count by."""

    def __str__(self) -> str:
        """Return it as people say it: `20 requests a second`."""
        unit = UNITS.get(self.per, str(self.per))
        return f"{self.requests} request{'' if self.requests == 1 else 's'} {'an' if unit == 'hour' else 'a'} {unit}"

    def require_countable(self) -> None:
        """Return where a data plane can count by it. Raises: BadLimit."""
        if self.per not in UNITS or self.requests < 1:
            raise BadLimit(what=f"{self} can't be a limit", remedy="name a number above 0, by the second, the minute or the hour: 20/second")


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
    note: str = ""
    """What is not confirmed of it, where the data plane does not show all that it does."""


class Edge(Protocol):
    """Keeps requests away. Every change is observed first, safe to repeat, and done only when each data plane and a real request confirm it."""

    def view(self) -> EdgeView:
        """Return what the edge does now. Raises: EdgeUnavailable."""

    def limit(self, limit: RateLimit | None) -> EdgeView:
        """Each client's address may make so many requests; with None, as many as it likes. Raises: EdgeRejected (as it was before), EdgeUnavailable."""

    def describe_limit(self, limit: RateLimit | None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def deny(self, networks: tuple[Network, ...]) -> EdgeView:
        """Requests from these networks, and from no other, are answered with 403; see `require_others` before.

        Raises: OwnNetwork (nothing was changed), EdgeRejected (as it was before), EdgeUnavailable.
        """

    def describe_deny(self, networks: tuple[Network, ...]) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""

    def require_others(self, networks: tuple[Network, ...]) -> None:
        """Return where none of these is ours. Raises: OwnNetwork."""


class EdgeUnavailable(Unavailable):
    """The edge does not answer."""


class EdgeRejected(Problem):
    """The edge refused the change, or it did not do what it should: everything is as it was before."""


class OwnNetwork(Refused):
    """The list would keep out what must come through: our own networks, or far too many."""


class BadLimit(BadInput):
    """It is no limit that a data plane could count by."""


def refuse_ours(networks: tuple[Network, ...], own: tuple[Network, ...]) -> None:
    """Return where none of the networks is, holds or is in one of our own, and none is a part of the world. Raises: OwnNetwork."""
    for network in networks:
        if (ours := next((each for each in own if each.version == network.version and each.overlaps(network)), None)) is not None:
            where = "is in" if network.prefixlen >= ours.prefixlen else "would keep out"
            raise OwnNetwork(
                what=f"{network} {where} {ours}, which is ours",
                remedy="name the attacker's addresses alone; [edge] own in environment.toml says which are ours",
            )
        if network.prefixlen < WIDEST[network.version]:
            raise OwnNetwork(what=f"{network} is a part of the world", remedy=f"name networks of /{WIDEST[network.version]} or longer")


def collapsed(networks: Iterable[Network]) -> tuple[Network, ...]:
    """Return them without repetitions and neighbours, IPv4 before IPv6."""
    known = tuple(networks)
    return (
        *collapse_addresses(sorted(each for each in known if isinstance(each, IPv4Network))),
        *collapse_addresses(sorted(each for each in known if isinstance(each, IPv6Network))),
    )
