"""Who may do what: roles as people hold them, the rights that each brings, and the person who asks. Pure; whatever is not granted here is denied."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from unioneyes.kernel.problems import BadInput, NotAuthorised


class Right(StrEnum):
    """What somebody may do."""

    READ = "read"
    """See runs, plans, releases, traffic and settings, as far as no secret is in them; the audit log takes a right of its own."""
    RESPOND = "respond"
    """Bring the members back to what was good, and ask the service how it is."""
    OPERATE = "operate"
    """Start, decide and stop every runbook that the program or its owner wrote."""
    EXECUTE = "execute"
    """Run code that the request brings along: the blocks of documents. They run as the server's user, so this right contains every other one."""
    AUDIT = "audit"
    """Read who did what, and take the proof along."""
    OVERSEE = "oversee"
    """See who may come in, as what, and who is in."""
    ADMINISTER = "administer"
    """Say who else may do what."""


class Role(StrEnum):
    """What somebody is to the platform. Source: the document's approvals and contacts."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    OPERATOR = "operator"
    HOST_OPERATOR = "host-operator"
    """Whom the server's own machine would be entrusted to."""
    RELEASE_APPROVER = "release-approver"
    SECURITY_APPROVER = "security-approver"
    PRODUCT_APPROVER = "product-approver"
    DATABASE_APPROVER = "database-approver"
    PRIVACY_OFFICER = "privacy-officer"
    AUDITOR = "auditor"
    ADMIN = "admin"


RIGHTS: dict[Role, frozenset[Right]] = {
    **dict.fromkeys(Role, frozenset({Right.READ})),
    Role.RESPONDER: frozenset({Right.READ, Right.RESPOND}),
    Role.OPERATOR: frozenset({Right.READ, Right.RESPOND, Right.OPERATE}),
    Role.HOST_OPERATOR: frozenset({Right.READ, Right.RESPOND, Right.OPERATE, Right.EXECUTE}),
    Role.AUDITOR: frozenset({Right.READ, Right.AUDIT, Right.OVERSEE}),
    Role.ADMIN: frozenset({Right.READ, Right.OVERSEE, Right.ADMINISTER, Right.EXECUTE}),
}
"""Giving rights and running blocks lead to each other: who makes tokens can make one that runs blocks, and a block reads the token that makes tokens. Neither
brings the right to operate by itself: who must do both holds both roles, and the list of tokens shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who asks: a person, or a program that somebody gave a token."""

    name: str
    roles: frozenset[Role]
    shared: bool = False
    """Came in by the environment's own token, which takes any name: it may act, and can't be told from another one who holds it."""

    def may(self, right: Right) -> bool:
        """Return whether one of the roles brings the right."""
        return any(right in RIGHTS[role] for role in self.roles)

    def require(self, right: Right) -> None:
        """Return when the person may. Raises: NotAllowed."""
        if not self.may(right):
            raise NotAllowed(
                what=f"{self.name} may not do this: it takes the right to {right}, and {listed(self.roles) or 'no role at all'} does not bring it",
                remedy=f"ask somebody who is {' or '.join(role for role in Role if right in RIGHTS[role])}, or an admin for the role",
            )


@dataclass(slots=True)
class Way:
    """How whoever asks came in: known while their request is answered."""

    shared: bool = False
    """As a person's."""
    chat: str | None = None
    """The chat's account that somebody spoke from; None: they did not come by a chat."""


way_in: ContextVar[Way | None] = ContextVar("way_in", default=None)
"""Of the request that is being answered; None outside of one. The audit log tells by it whose name was only said, or who spoke from a chat."""


PROGRAM_NAMES = frozenset({"engine", "api", "console"})
"""Under which the program itself stands in journals and in the audit log, beside its workers, whose names begin with `worker-`."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")


def require_name(name: str) -> str:
    """Return the name of somebody whom journals and the audit log can tell apart, from the program too. Raises: UnusableName."""
    if not _NAME.fullmatch(name):
        raise UnusableName(what=f"{name[:80]!r} is no name for who asks", remedy="lower-case letters, digits and . _ @ - only, such as jane.doe")
    if name in PROGRAM_NAMES or name.startswith("worker-"):
        raise UnusableName(what=f"{name} is how the program itself is called in the audit log", remedy="take the name of the person or of the other program")
    return name


EVERYTHING = frozenset({Role.OPERATOR, Role.AUDITOR, Role.ADMIN})
"""The roles of the environment's own token, which stands in a file that only its owner can read."""


def listed(roles: Iterable[Role]) -> str:
    """Return roles as people read them, in the order of their definition."""
    held = set(roles)
    return ", ".join(role for role in Role if role in held)


class NotAllowed(NotAuthorised):
    """Who asks is known, and may not do this."""

    http_status: ClassVar[int] = 403


class UnusableName(BadInput):
    """Somebody is called what journals can't tell apart."""
