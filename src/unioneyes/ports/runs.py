"""Requests and results of runbooks that one chapter starts in another by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.ports.traffic import Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackTrafficRequest:
    """Send the members back to the colour that served before (`rollback.traffic`)."""

    reason: str
    """Why, for the incident report and the announcement: data-corruption, vulnerability, feature-broken, data-integrity, or your own words."""
    deployment: str | None = None
    """Run of the deployment that is rolled back; found by itself when not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackRollingRequest:
    """Put replicas of the version that served before back, one after the other (`rollback.rolling`)."""

    reason: str
    """Why, for the incident report and the announcement: data-corruption, vulnerability, feature-broken, data-integrity, or your own words."""
    to: int | None = None
    """Number of the revision to go back to; what served before the roll, or the one before that was not bad, when not given."""
    deployment: str | None = None
    """Run of the deployment that is rolled back; found by itself when not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """The members are served by the previous release again."""

    colour: Colour
    version: str
    reason: str
    deployment: str | None
    shifted_in: timedelta
    """From the order to the data plane's confirmation; rolling: until the last replica stood."""
    healthy_in: timedelta
    """From the order to a healthy answer of the previous release, as members reach it."""
    incident: str
    """Where the incident report stands."""
    post_mortem_due: datetime
    announced: str | None
    """The vendor's identifier of the announcement; None when it could not be sent."""
    not_announced: str | None
    """Why it could not be sent."""
    bad_since: datetime | None = None
    """When members first reached what they left; None when unknown."""
