"""Status words: an icon, a word and a colour, the same set in the CLI and in the console; never colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """What a status means to the person who reads it; each medium gives it a colour."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    BUSY = "busy"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Look:
    """How a status is shown."""

    icon: str
    word: str
    tone: Tone


class RunStatus(StrEnum):
    """Where a run is. Terminal: done, failed, refused, undone, undo-failed, cancelled, superseded."""

    AWAITING_APPROVAL = "awaiting-approval"
    """Nothing was begun: others must say yes first."""
    PENDING = "pending"
    RUNNING = "running"
    PARKED = "parked"
    """A step failed and a person must choose: retry, skip or undo."""
    HELD = "held"
    """All is well so far, and a person must say how it goes on."""
    UNDOING = "undoing"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    UNDONE = "undone"
    UNDO_FAILED = "undo-failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    """A rollback took the service over; this run stopped where it was."""

    @property
    def ended(self) -> bool:
        """True when nothing more will happen in the run."""
        return self not in _UNDER_WAY

    @property
    def look(self) -> Look:
        """Icon, word and tone."""
        return _RUN_LOOKS[self]


_UNDER_WAY = {RunStatus.AWAITING_APPROVAL, RunStatus.PENDING, RunStatus.RUNNING, RunStatus.PARKED, RunStatus.HELD, RunStatus.UNDOING}
_RUN_LOOKS = {
    RunStatus.AWAITING_APPROVAL: Look("◇", "awaiting approval", Tone.WARN),
    RunStatus.PENDING: Look("○", "pending", Tone.QUIET),
    RunStatus.RUNNING: Look("▶", "running", Tone.BUSY),
    RunStatus.PARKED: Look("‖", "parked", Tone.WARN),
    RunStatus.HELD: Look("◇", "held", Tone.WARN),
    RunStatus.UNDOING: Look("↶", "undoing", Tone.WARN),
    RunStatus.DONE: Look("✔", "done", Tone.GOOD),
    RunStatus.FAILED: Look("✘", "failed", Tone.BAD),
    RunStatus.REFUSED: Look("⊘", "refused", Tone.WARN),
    RunStatus.UNDONE: Look("↩", "failed, undone", Tone.WARN),
    RunStatus.UNDO_FAILED: Look("‼", "undo failed", Tone.BAD),
    RunStatus.CANCELLED: Look("◼", "cancelled", Tone.QUIET),
    RunStatus.SUPERSEDED: Look("⇥", "superseded", Tone.WARN),
}
