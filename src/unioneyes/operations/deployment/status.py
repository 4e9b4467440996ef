"""What is shown of deployments: the same values for the API, the command line and the console."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from unioneyes.kernel.problems import ProblemDocument
from unioneyes.kernel.status import Look, RunStatus, Tone
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.views import LockView


class PhaseState(StrEnum):
    """Where one step of a deployment is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNDONE = "undone"
    NOT_TAKEN = "not-taken"
    """The run ended without needing it."""

    @property
    def look(self) -> Look:
        """Icon, word and tone."""
        return _PHASE_LOOKS[self]


_PHASE_LOOKS = {
    PhaseState.WAITING: Look("○", "waiting", Tone.QUIET),
    PhaseState.RUNNING: Look("▶", "running", Tone.BUSY),
    PhaseState.DONE: Look("✔", "done", Tone.GOOD),
    PhaseState.FAILED: Look("✘", "failed", Tone.BAD),
    PhaseState.SKIPPED: Look("⤼", "skipped", Tone.WARN),
    PhaseState.UNDONE: Look("↩", "undone", Tone.WARN),
    PhaseState.NOT_TAKEN: Look("·", "not taken", Tone.QUIET),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseView:
    """One step of a deployment."""

    step: str
    does: str
    """What is true afterwards."""
    state: PhaseState
    took: timedelta | None
    message: str
    """Its last line of progress, or what went wrong; empty when it said nothing."""


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
