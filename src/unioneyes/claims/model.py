"""Claims, and the people who submit and decide them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class ClaimStatus(StrEnum):
    """Where a claim is. `rules.TRANSITIONS` says what follows what."""

    SUBMITTED = "submitted"
    UNDER_REVIEW = "under_review"
    ASSIGNED = "assigned"
    INVESTIGATION = "investigation"
    PENDING_DOCUMENTATION = "pending_documentation"
    RESOLVED = "resolved"
    REJECTED = "rejected"
    CLOSED = "closed"


class ClaimType(StrEnum):
    """What a claim is about."""

    GRIEVANCE = "grievance"
    WORKPLACE_SAFETY = "workplace_safety"
    DISCRIMINATION = "discrimination"
    HARASSMENT = "harassment"
    WAGE_DISPUTE = "wage_dispute"
    OTHER = "other"


class Priority(StrEnum):
    """How much a claim presses."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Role(StrEnum):
    """What a person is in an organization, lowest first."""

    MEMBER = "member"
    STEWARD = "steward"
    OFFICER = "officer"
    CHIEF_STEWARD = "chief_steward"
    PRESIDENT = "president"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a verified session token speaks for, and in which organization."""

    user_id: str
    organization_id: str
    organization_slug: str
    role: Role
    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person as a member of one organization."""

    id: UUID
    organization_id: str
    name: str
    email: str
    role: Role
