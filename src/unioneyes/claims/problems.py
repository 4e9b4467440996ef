"""What can be wrong with a request to the claims service, or with a replica's start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from unioneyes.claims.model import ClaimStatus
from unioneyes.kernel.problems import BadInput, NotAuthorised, NotFound, Problem, ProblemDocument, Refused, Unavailable


class BadSettings(BadInput):
    """A replica's settings make no sense."""


class FaultNotAllowed(Refused):
    """A release that is faulty on purpose runs in the local environment only."""


class BadRequest(BadInput):
    """The request's path, query or body is not what the API takes."""


class NoSuchPage(NotFound):
    """The API has no such address, or not for this method."""


@dataclass(kw_only=True, eq=False)
class TokenRefused(NotAuthorised):
    """The bearer token proves nothing."""

    reason: str
    """One word for metrics and the login record: `missing`, `expired`, `signature`, ..."""


class KeysUnavailable(Unavailable):
    """The issuer's signing keys can't be had, so no token can be verified."""


class NotAMember(NotAuthorised):
    """The person has not signed in to this organization yet."""

    http_status: ClassVar[int] = 403


class RoleTooLow(NotAuthorised):
    """The person's role does not allow this."""

    http_status: ClassVar[int] = 403


class NoSuchClaim(NotFound):
    """The organization has no such claim; another organization's claim looks the same."""


class NoSuchMember(NotFound):
    """The organization has no such member."""


class TransitionDocument(ProblemDocument):
    """A refused transition, with what would be allowed."""

    allowed: list[str]


@dataclass(kw_only=True, eq=False)
class TransitionRefused(Refused):
    """The claim can't go there from where it is."""

    allowed: tuple[ClaimStatus, ...]

    def document(self) -> TransitionDocument:
        """Return the problem with the allowed states."""
        return TransitionDocument(**Problem.document(self), allowed=[status.value for status in self.allowed])


class KeyReused(Refused):
    """The Idempotency-Key was used for a different request."""

    http_status: ClassVar[int] = 422


class StorageUnavailable(Unavailable):
    """The database does not answer, or took too long."""


class Unexpected(Problem):
    """The service failed in a way that nobody foresaw."""
