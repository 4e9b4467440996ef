"""What limiting and keeping out ask for, plan, and come to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from unioneyes.ports.edge import EdgeView, Network, RateLimit
from unioneyes.runbook.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRequest:
    """Let each client's address make so many requests (`edge.limit`)."""

    limit: str
    """`strict`, `none`, or a number by the second, the minute or the hour: 50/second."""
    reason: str | None = None
    """Why, for the journal and the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyRequest:
    """Keep addresses out, or let them in again (`edge.deny`)."""

    deny: tuple[str, ...] = ()
    """Addresses and networks that come on the list: 198.51.100.7, 2001:db8::/48."""
    allow: tuple[str, ...] = ()
    """Those that come off it."""
    reason: str | None = None
    """Why, for the journal and the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPlan(Plan):
    """Everything that a limit will do."""

    before: RateLimit | None
    """What it is made again where a step fails."""
    wanted: RateLimit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyPlan(Plan):
    """Everything that a change of the list will do."""

    before: tuple[Network, ...]
    """What it is made again where a step fails."""
    wanted: tuple[Network, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeChanged:
    """The data plane does what was asked for, and a real request showed it."""

    now: EdgeView
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """Each client's address may make so many requests."""

    before: RateLimit | None
    now: RateLimit | None
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOut:
    """Who is kept out."""

    before: tuple[Network, ...]
    now: tuple[Network, ...]
    took: timedelta
