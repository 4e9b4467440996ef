"""What restarting and scaling ask for, plan, and come to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.ports.pods import Size
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRequest:
    """Start each pod of the service anew (`app.restart`)."""

    reason: str | None = None
    """Why, for the journal and the audit log."""
    colour: Colour | None = None
    """The colour whose pods are restarted; the one that serves when not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPlan(Plan):
    """Everything that a restart will do."""

    colour: Colour
    version: str
    size: Size
    """How many pods the colour should have: as many as before, whatever happens."""
    within: timedelta
    """How long each pod may take until it is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """No pod of the colour is older than the order."""

    colour: Colour
    version: str
    pods: tuple[str, ...]
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleRequest:
    """Run more or fewer pods of what serves (`app.scale`)."""

    count: int | None = None
    """How many pods, at least 1."""
    auto: bool = False
    """Let the autoscaler decide again, with its own bounds."""
    reason: str | None = None
    """Why, for the journal and the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalePlan(Plan):
    """Everything that scaling will do."""

    colour: Colour
    version: str
    before: Size
    """What it is made again where it fails."""
    wanted: Size
    within: timedelta
    """How long the new pods may take until they are ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledTo:
    """The colour has so many pods, each ready."""

    colour: Colour
    version: str
    before: Size
    now: Size
    took: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartOrdered:
    """The moment that no pod is older than when a restart is done."""

    at: datetime
