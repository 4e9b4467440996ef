"""What must be known of the world before a release goes out: the source's version, staging, waivers, and whose yes is needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from unioneyes.kernel.access import Role
from unioneyes.kernel.calendar import Window


class GateState(StrEnum):
    """What a gate says."""

    PASSED = "passed"
    FAILED = "failed"
    UNAVAILABLE = "unavailable"
    """It can't be evaluated; that is not a pass."""
    WAIVED = "waived"
    """It did not pass, and the policy waives it by name."""
    AWAITED = "awaited"
    """People are asked once the run is requested, and it begins when they said yes."""
    NOT_APPLICABLE = "not-applicable"

    @property
    def blocks(self) -> bool:
        """True when nothing may go out while the gate says this."""
        return self in {GateState.FAILED, GateState.UNAVAILABLE}


RELEASE_CONTRACT = "release-contract"
CURRENT_VERSION = "current-version"
STAGING_HEALTH = "staging-health"
CHANGE_FREEZE = "change-freeze"
TITLES = {
    RELEASE_CONTRACT: "Release Contract CI passing",
    CURRENT_VERSION: "Verify current version",
    STAGING_HEALTH: "Verify staging deployment",
    CHANGE_FREEZE: "No change freeze",
}
"""What the gates are called that the environment answers. Source: Pre-Deployment Checklist, "Required Approvals" and "Environment Verification"."""
COMPUTED = frozenset({"migration-reviewed", "rollback-plan", *TITLES})
"""Gates that a machine answers: no person's word opens one."""


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
    read: tuple[str, str] | None = None
    """The file that says so, as people call it, and its SHA-256: an approval signs it. None where no file was read, or none counts."""


class Override(StrEnum):
    """Who can say that a run can't wait for an approval."""

    TWO_PEOPLE = "two-people"
    NEVER = "never"
    """Nobody: the yes itself is needed, whatever burns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """Whose yes a run needs before it begins. Never the requester's own."""

    gate: str
    """`security-sign-off`."""
    title: str
    """As the document words it."""
    roles: tuple[Role, ...]
    """Whoever has one of them may answer."""
    needed: int
    """How many of them must say yes."""
    lasts: timedelta
    """How long a yes counts, and how long one is waited for."""
    begins_within: timedelta
    """How long after the last yes the run may still begin."""
    escalates_after: timedelta | None
    """Unanswered for so long, it is asked again, louder; None: never."""
    only_with: str | None = None
    """A field of the plan without which nobody is asked: `migrations`."""
    override: Override = Override.TWO_PEOPLE


class Checklist(Protocol):
    """Facts that the environment alone knows."""

    def release_contract(self) -> Gate:
        """Continuous integration's report on the very commit that goes out; unavailable without one, or where the work tree is no longer that commit."""

    def current_version(self) -> Gate:
        """`git describe --tags` where there is git; not applicable where there is none; failed when the work tree is dirty."""

    def staging_health(self) -> Gate:
        """Staging's `/api/health`; unavailable where the environment names no staging, or staging gives no report."""

    def change_freeze(self) -> Gate:
        """Whether the calendar lets anything be deployed now."""

    def freezes(self) -> tuple[Window, ...]:
        """Return the calendar's rules as they are now. Raises: a Problem where it can't be read."""

    def approvals(self, runbook: str) -> tuple[ApprovalRule, ...]:
        """Return whose yes a run of `runbook` needs here, as the policy says now, without what it waives. Raises: a Problem where it can't be read."""

    def waived(self, gate: str) -> str | None:
        """Return the policy's reason for waiving `gate`; None when it is not waived."""
