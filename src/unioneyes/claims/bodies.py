"""What the API takes and answers, as JSON. A field that a release does not know is left out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from unioneyes.claims.model import ClaimStatus, ClaimType, Member, Priority, Role

_TEXT = r"^[^\x00]*$"
"""Whatever a database can keep."""
Note = Annotated[str, Field(max_length=4000, pattern=_TEXT)]


class _Taken(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class _Answered(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    def json_body(self) -> str:
        """Return the body; what was not set is left out."""
        return self.model_dump_json(exclude_unset=True)


class NewClaim(_Taken):
    """A claim to submit."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"type": "grievance", "priority": "high", "text": "the shift plan was changed"}]})

    type: ClaimType = ClaimType.OTHER
    priority: Priority = Priority.MEDIUM
    text: Annotated[str, Field(min_length=1, max_length=20_000, pattern=_TEXT)]
    """What happened."""


class Transition(_Taken):
    """Where a claim is to go."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "under_review", "note": "both sides were heard"}]})

    to: ClaimStatus
    note: Note = ""


class Assignment(_Taken):
    """Whom a claim is given to."""

    member_id: UUID
    note: Note = ""


class ClaimUpdate(_Answered):
    """One line of a claim's history."""

    member_id: UUID
    """Who did it."""
    from_status: ClaimStatus | None
    to_status: ClaimStatus
    assigned_to: UUID | None
    note: str
    created_at: datetime


class Claim(_Answered):
    """A claim."""

    id: UUID
    claim_number: int
    """Unique in its organization, ascending without gaps."""
    organization_id: str
    member_id: UUID
    """Who submitted it."""
    type: ClaimType
    status: ClaimStatus
    priority: Priority
    text: str
    assigned_to: UUID | None
    deadline: date | None = None
    """By when it must be answered. Since 1.1.0."""
    created_at: datetime
    updated_at: datetime


class ClaimWithHistory(Claim):
    """A claim, and everything that happened to it, oldest first."""

    updates: tuple[ClaimUpdate, ...]


class ClaimPage(_Answered):
    """One page of claims, newest first."""

    claims: tuple[Claim, ...]
    next: int | None
    """The `after` of the next page; null on the last."""


class MemberView(_Answered):
    """A member of the organization."""

    id: UUID
    name: str
    email: str
    role: Role

    @classmethod
    def of(cls, member: Member) -> MemberView:
        """Return what the API shows of `member`."""
        return cls(id=member.id, name=member.name, email=member.email, role=member.role)


class Members(_Answered):
    """The organization's members, by name."""

    members: tuple[MemberView, ...]


class OrganizationView(_Answered):
    """The organization that the session is in."""

    id: str
    slug: str


class SignedIn(_Answered):
    """Who signed in."""

    member: MemberView
    organization: OrganizationView


class Alive(_Answered):
    """That the replica lives."""

    status: Literal["ok", "draining"]
