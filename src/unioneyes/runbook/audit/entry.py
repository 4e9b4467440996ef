"""An entry of the audit log, and the one text that is kept, sealed and verified of it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue, TypeAdapter

from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.codec import redacted_fields

FORM = 1
"""Of an entry's text: raised when a field changes its meaning. Old entries keep theirs for good."""
SHARED = "shared"
"""In an entry's data, and true: it was done by the environment's own token, which takes any name, so the actor is who somebody said they were."""
CHAT = "chat"
"""In an entry's data: the chat's account that the actor spoke from, such as `slack/T0123/U0456`."""
ENGINE = "engine"
"""The actor of what the program does by itself."""


class Action(StrEnum):
    """What was done."""

    RUN_REQUESTED = "run-requested"
    """A run was asked for and planned; it holds its service, or waits for those who must say yes first."""
    RUN_BEGUN = "run-begun"
    """A worker began to carry it out."""
    RUN_TAKEN_OVER = "run-taken-over"
    """Another worker carries it on."""
    RUN_CANCELLED = "run-cancelled"
    """A person told it to stop."""
    RUN_DECIDED = "run-decided"
    """A person chose how it goes on."""
    RUN_SUPERSEDED = "run-superseded"
    """Another run took its service over."""
    RUN_ENDED = "run-ended"
    RUN_FORGOTTEN = "run-forgotten"
    """Its journal and its plan were deleted, because it ended long ago; its audit entries stay."""

    APPROVAL_GRANTED = "approval-granted"
    """Somebody said yes to a run's plan."""
    APPROVAL_REFUSED = "approval-refused"
    APPROVAL_OVERRIDDEN = "approval-overridden"
    """Somebody said that the run can't wait for those who should be asked."""

    TOKEN_CREATED = "token-created"  # noqa: S105 - a word, no token
    """Somebody may come in."""
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 - the same
    SIGNED_IN = "signed-in"
    """Somebody came into the console; a session began."""
    SIGNED_OUT = "signed-out"
    """Their session has ended: by their own wish, or by an administrator's."""
    SIGN_IN_REFUSED = "sign-in-refused"
    """Somebody did not come in."""
    ACCOUNT_LINKED = "account-linked"
    """What is said from an account of a chat counts as somebody's from now on."""
    ACCOUNT_UNLINKED = "account-unlinked"
    SMOKE_TESTED = "smoke-tested"
    """A person had the service's end-to-end flows run, which write there as a member would."""
    SHELL_OPENED = "shell-opened"
    """A person was told the way into a pod; what they did there, the pod's own world knows."""
    QUERY_ANALYZED = "query-analyzed"
    """A person had a statement carried out that only reads, to see its plan; it was rolled back."""
    DATABASE_ENTERED = "database-entered"
    """A person opened a session on the operated database; what they typed is kept nowhere."""
    DATABASE_LEFT = "database-left"
    LINE_STOPPED = "line-stopped"
    """No run but a rollback changes the service any more."""
    LINE_LIFTED = "line-lifted"
    BREAK_GLASS = "break-glass"
    """A person acted without the control plane, while its database was away."""


class Origin(StrEnum):
    """Where an entry was first written."""

    CONTROL_PLANE = "control-plane"
    """In the transaction that did what it records."""
    LOCAL_JOURNAL = "local-journal"
    """On a machine that could not reach the control plane, and imported later: sealed then, done when `at` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what, when, why, and with which approval."""

    at: datetime
    actor: str
    """Who did it: a person's name, a worker's, or `engine`."""
    action: str
    """One of `Action`; where it was read, maybe one that a later release knows."""
    run: str | None = None
    """The run that it was done to."""
    reason: str | None = None
    """Why, in the actor's own words."""
    approval: str | None = None
    """The approval that allowed it; None where none was asked for."""
    origin: str = Origin.CONTROL_PLANE
    data: dict[str, JsonValue] = field(default_factory=dict)
    """What else is to be known of it: the plan's hash, the decision, how it ended."""


_ADAPTER: TypeAdapter[AuditEntry] = TypeAdapter(AuditEntry)


def entry_text(entry: AuditEntry, redact: Redactor) -> str:
    """Return the entry as it is kept for good: JSON in one line, its keys sorted, without secrets. Its UTF-8 bytes are the leaf of the tree."""
    document: dict[str, JsonValue] = {
        "v": FORM,
        "at": rfc3339(entry.at),
        "actor": entry.actor,
        "action": str(entry.action),
        "run": entry.run,
        "reason": entry.reason,
        "approval": entry.approval,
        "origin": str(entry.origin),
        "data": entry.data,
    }
    return json.dumps(redacted_fields(document, redact), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def read_entry(text: str) -> AuditEntry:
    """Return the entry that `text` is, as far as this release knows it. Raises: pydantic.ValidationError; only its hash says whether it was changed."""
    return _ADAPTER.validate_json(text)
