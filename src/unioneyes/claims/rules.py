"""The rules of claims: pure decisions, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType

from unioneyes.claims.model import ClaimStatus, Priority, Role
from unioneyes.claims.problems import RoleTooLow, TransitionRefused

_S = ClaimStatus

TRANSITIONS: Mapping[ClaimStatus, tuple[ClaimStatus, ...]] = MappingProxyType(
    {
        _S.SUBMITTED: (_S.UNDER_REVIEW, _S.ASSIGNED, _S.REJECTED),
        _S.UNDER_REVIEW: (_S.INVESTIGATION, _S.PENDING_DOCUMENTATION, _S.RESOLVED, _S.REJECTED, _S.ASSIGNED),
        _S.ASSIGNED: (_S.INVESTIGATION, _S.UNDER_REVIEW, _S.PENDING_DOCUMENTATION),
        _S.INVESTIGATION: (_S.PENDING_DOCUMENTATION, _S.UNDER_REVIEW, _S.RESOLVED, _S.REJECTED),
        _S.PENDING_DOCUMENTATION: (_S.UNDER_REVIEW, _S.INVESTIGATION, _S.RESOLVED),
        _S.RESOLVED: (_S.CLOSED,),
        _S.REJECTED: (_S.CLOSED,),
        _S.CLOSED: (),
    }
)
"""What may follow what."""

DAYS_TO_ANSWER: Mapping[Priority, int] = MappingProxyType({Priority.CRITICAL: 2, Priority.HIGH: 7, Priority.MEDIUM: 14, Priority.LOW: 30})
"""Calendar days within which a claim is answered, since 1.1.0."""

SYNTHETIC_PREFIX = "org_synthetic_"
"""Organizations that exist for smoke tests and probes; business metrics tell them apart."""


def check_transition(status: ClaimStatus, to: ClaimStatus) -> None:
    """A claim may go from `status` to `to`. Raises: TransitionRefused, with what would be allowed."""
    allowed = TRANSITIONS[status]
    if to not in allowed:
        ways = ", ".join(allowed) or "nothing: the claim is at its end"
        raise TransitionRefused(what=f"a claim can't go from {status} to {to}", remedy=f"allowed from {status}: {ways}", allowed=allowed)


def status_once_assigned(status: ClaimStatus) -> ClaimStatus:
    """Return where a claim stands after it was given to somebody: work that is under way stays where it is.

    Raises: TransitionRefused when the claim is decided already.
    """
    if status in {_S.ASSIGNED, _S.INVESTIGATION, _S.PENDING_DOCUMENTATION}:
        return status
    check_transition(status, _S.ASSIGNED)
    return _S.ASSIGNED


def check_may_decide(role: Role) -> None:
    """A person in `role` may move and assign claims. Raises: RoleTooLow."""
    if role is Role.MEMBER:
        raise RoleTooLow(what="members submit and read claims; they don't move or assign them", remedy="ask a steward of your organization")


def deadline(priority: Priority, *, submitted: date) -> date:
    """Return by when a claim is answered."""
    return submitted + timedelta(days=DAYS_TO_ANSWER[priority])


def is_synthetic(organization_id: str) -> bool:
    """True for an organization that is no customer."""
    return organization_id.startswith(SYNTHETIC_PREFIX)
