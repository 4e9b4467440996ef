"""What the engine shows of runs: the same values for the API, the CLI and the console."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import JsonValue

from unioneyes.kernel.access import Right, Role
from unioneyes.kernel.calendar import Freeze
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.problems import ProblemDocument
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.checklist import ApprovalRule, Override
from unioneyes.runbook.plan import PlannedStep, Reading

API_VERSION = "v1"
"""Said in each object of the API, and of the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan, as a dry run prints it."""

    runbook: str
    summary: str
    hash: str
    steps: tuple[PlannedStep, ...]
    readings: tuple[Reading, ...]
    confirm: str | None = None
    """What a person must type before the run starts; None where nothing irreversible is done."""
    approvals: tuple[ApprovalRule, ...] = ()
    """Whose yes it needs before it begins."""
    content: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of what is carried out and the steps only name, by what people call it."""
    details: JsonValue = None
    """What the runbook's own plan adds, by name: gates, migrations, the colour, ..."""
    took: Mapping[str, timedelta] = field(default_factory=dict)
    """How long each step took in the runbook's last runs, by its name: the median. Steps that none of them took are left out."""
    refused: ProblemDocument | None = None
    """Why its start would be refused here and now, whatever the plan says: as not drilled. None where it would not, and for a plan that is kept."""

    def expected(self, step: PlannedStep) -> timedelta | None:
        """Return how long `step` will take, as far as the plan or past runs can tell."""
        return step.lasts if step.lasts is not None else self.took.get(step.step)


class Decision(StrEnum):
    """What a person chooses for a run that waits for one: parked because a step failed, or held because its plan says so."""

    GO = "go"
    """Held: the next step is taken."""
    RETRY = "retry"
    """Parked: the failed step is taken again, or the undo that failed. Held: so is what led to the hold."""
    SKIP = "skip"
    """Parked: without the failed step, or without the undo that failed. Held: without the holds that would follow."""
    UNDO = "undo"
    """What the run did is taken back."""
    LEAVE = "leave"
    """Parked because an undo failed: the run ends, and what is not taken back yet stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run."""

    id: str
    runbook: str
    summary: str
    status: RunStatus
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    step: str | None
    """The step that is under way, or that failed."""
    choices: tuple[Decision, ...]
    """What a person may decide now; empty while the run waits for nobody."""
    worker: str | None
    """The worker that carries it out, or did."""
    parent: str | None
    """The run that started it as a part of itself."""
    request: JsonValue
    plan_hash: str
    result: JsonValue
    problem: ProblemDocument | None


class EntryKind(StrEnum):
    """What a line of the journal tells."""

    AWAITED = "awaited"
    """Others must say yes before the run begins."""
    ANSWERED = "answered"
    """Somebody said yes or no to a run that needs it, or that it can't wait."""
    RUN_STARTED = "run-started"
    TAKEN_OVER = "taken-over"
    STEP_STARTED = "step-started"
    STEP_PROGRESS = "step-progress"
    STEP_RETRIED = "step-retried"
    STEP_DONE = "step-done"
    STEP_FAILED = "step-failed"
    STEP_SKIPPED = "step-skipped"
    PARKED = "parked"
    HELD = "held"
    DECIDED = "decided"
    LINE_HELD = "line-held"
    """Somebody stopped the line: the step is not begun before it is open again."""
    LINE_OPEN = "line-open"
    UNDO_STARTED = "undo-started"
    UNDO_DONE = "undo-done"
    UNDO_FAILED = "undo-failed"
    UNDO_SKIPPED = "undo-skipped"
    """A person said that what the undo would take back needs no taking back, or did it by hand."""
    RUN_ENDED = "run-ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line of the journal. Redacted before it is written."""

    seq: int
    """Ascending over all runs; gaps are possible."""
    run_id: str
    at: datetime
    kind: EntryKind
    step: str | None
    message: str
    data: dict[str, JsonValue]
    """Figures of a progress line; a step's result under `result`; a problem under `problem`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockView:
    """Who holds the service."""

    service: str
    run_id: str
    reason: str
    since: datetime
    token: int
    """Fencing token: rises each time the lock changes hands."""


class Verdict(StrEnum):
    """What somebody answered who was asked for an approval."""

    GRANTED = "granted"
    REFUSED = "refused"
    OVERRIDDEN = "overridden"
    """It can't wait for those who should be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one person said."""

    gate: str
    """Empty for an override, which opens all of them but those that nobody may override."""
    verdict: Verdict
    by: str
    note: str
    at: datetime

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"{self.gate or 'all gates'} {self.verdict} by {self.by}: {self.note}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAsked:
    """One approval that a run waits for."""

    gate: str
    title: str
    roles: tuple[Role, ...]
    needed: int
    granted: int
    """Of those, so far."""
    override: Override = Override.TWO_PEOPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalView:
    """A run that waits, or waited, for others to say yes."""

    run: RunView
    gates: tuple[GateAsked, ...]
    answers: tuple[Answer, ...]
    until: datetime
    """When nobody is waited for any more."""
    approved: bool
    """True once everybody who is needed said yes, or two people that it can't wait: it begins by itself, when its service is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """A token, without what would let anybody in."""

    name: str
    """Who holds it: the name that stands in journals."""
    roles: tuple[Role, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    """To the minute; None when it was never used."""
    revoked_at: datetime | None
    revoked_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMade:
    """A token that was just made."""

    token: TokenView
    secret: str
    """What lets its holder in. It is told here, and never again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """Somebody who is in, by the console or from a chat, without what would let anybody in."""

    name: str
    roles: tuple[Role, ...]
    by: str
    """How they came in: the identity provider's address, `token`, or `environment`."""
    account: str | None
    """The chat's account that stands for them; None where it is a browser of theirs."""
    begun_at: datetime
    expires_at: datetime
    last_used_at: datetime
    """To the minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsEnded:
    """Somebody's sessions that let nobody in any more."""

    name: str
    ended: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Myself:
    """Who asks."""

    name: str
    roles: tuple[Role, ...]
    rights: tuple[Right, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineStop:
    """Somebody stopped the line: no run but a rollback changes the service."""

    reason: str
    by: str
    since: datetime
    lifted_at: datetime | None
    """None while it holds."""
    lifted_by: str | None

    def __str__(self) -> str:
        """Return it as people read it."""
        return f"by {self.by} since {rfc3339(self.since)}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Freezes:
    """What holds changes now, and what will."""

    line: LineStop | None
    """What somebody stopped; None while everything may go on."""
    current: Freeze | None
    """What the calendar holds now."""
    ahead: tuple[Freeze, ...]
    """The next of each rule, soonest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSession:
    """A person's session on the operated database, which stands in the audit log."""

    session: str
    """Its id, by which its two entries belong together."""
