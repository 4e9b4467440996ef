"""What is shown of deployments: the same values for the API, the command line and the console."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.kernel.problems import ProblemDocument
from unioneyes.kernel.status import Look, RunStatus
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.phases import PhaseView
from unioneyes.runbook.views import Decision, LockView


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentView:
    """One deployment."""

    run_id: str
    version: str
    previous: str | None
    colour: Colour | None
    """Where the new version stands, or will; None when that isn't known."""
    status: RunStatus
    words: str
    """The document's status words: `DEPLOYED`, `FAILED - ROLLED BACK`, ..."""
    outcome: str
    """One line more: what it came to, or why it failed; empty while it runs."""
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    phases: tuple[PhaseView, ...]
    rollback_takes: timedelta | None
    """How long going back would take, as probed during the watch; None when it isn't known or can't be done."""
    watch_left: timedelta | None
    """How long the watch still goes on; None outside it."""
    problem: ProblemDocument | None
    rollback_not_ready_since: datetime | None = None
    """Since when nobody could go back; None while the way back is open, or when that isn't known."""
    question: str | None = None
    """What the deployment waits for while it is held: a person's answer, or a line that is open again; None while it goes on."""
    choices: tuple[Decision, ...] = ()
    """What a person may decide now."""

    @property
    def look(self) -> Look:
        """Icon, the status words, and tone."""
        return Look(self.status.look.icon, self.words, self.status.look.tone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourStatus:
    """One colour, and what members saw of it in the last seconds. None: no data, which is not zero."""

    colour: Colour
    version: str | None
    replicas: int | None
    ready: int | None
    weight: int | None
    """Share of new requests, in percent."""
    requests_per_s: float | None
    error_rate: float | None
    """Share of answers with 5xx, 0-1; None also when there were no answers."""
    p99_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStatus:
    """What is deployed, and what is being deployed."""

    environment: str
    service: str
    at: datetime
    serving: str | None
    """The version that members reach."""
    maintenance: bool | None
    colours: tuple[ColourStatus, ...]
    current: DeploymentView | None
    """The deployment under way, else the last one; None when there never was one."""
    lock: LockView | None
    unavailable: tuple[str, ...]
    """What could not be read just now."""
