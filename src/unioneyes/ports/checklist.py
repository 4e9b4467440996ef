"""What must be known of the world before a release goes out: the source's version, staging, waivers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from unioneyes.kernel.calendar import Window


class GateState(StrEnum):
    """What a gate says."""

    PASSED = "passed"
    FAILED = "failed"
    UNAVAILABLE = "unavailable"
    """It can't be evaluated; that is not a pass."""
    WAIVED = "waived"
    """It did not pass, and the policy waives it by name."""
    NOT_APPLICABLE = "not-applicable"

    @property
    def blocks(self) -> bool:
        """True when nothing may go out while the gate says this."""
        return self in {GateState.FAILED, GateState.UNAVAILABLE}


CURRENT_VERSION = "current-version"
STAGING_HEALTH = "staging-health"
CHANGE_FREEZE = "change-freeze"
TITLES = {CURRENT_VERSION: "Verify current version", STAGING_HEALTH: "Verify staging deployment", CHANGE_FREEZE: "No change freeze"}
"""What the gates are called that the environment answers. Source: Pre-Deployment Checklist, "Environment Verification"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One line of the pre-deployment checklist, answered."""

    name: str
    """`release-contract`, `security-sign-off`, ... as the policy's waivers name it."""
    title: str
    """As the document words it."""
    state: GateState
    detail: str
    """Why it says so, for a person."""
    remedy: str = ""


class Checklist(Protocol):
    """Facts that the environment alone knows."""

    def current_version(self) -> Gate:
        """`git describe --tags` where there is git; not applicable where there is none; failed when the work tree is dirty."""

    def staging_health(self) -> Gate:
        """Staging's `/api/health`; unavailable where the environment names no staging, or staging gives no report."""

    def change_freeze(self) -> Gate:
        """Whether the calendar lets anything be deployed now."""

    def freezes(self) -> tuple[Window, ...]:
        """Return the calendar's rules as they are now. Raises: a Problem where it can't be read."""

    def waived(self, gate: str) -> str | None:
        """Return the policy's reason for waiving `gate`; None when it is not waived."""
