"""Where each planned step of a run is, from its journal. Pure: the command line, the console and the API show the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from pydantic import JsonValue

from unioneyes.kernel.status import Look, Tone
from unioneyes.runbook.plan import PlannedStep
from unioneyes.runbook.views import EntryKind, JournalEntry


class PhaseState(StrEnum):
    """Where one step of a run is."""

    WAITING = "waiting"
    RUNNING = "running"
    HELD = "held"
    """It waits for a person's word."""
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNDONE = "undone"
    NOT_TAKEN = "not-taken"
    """The run ended without needing it."""

    @property
    def look(self) -> Look:
        """Icon, word and tone."""
        return _LOOKS[self]


_LOOKS = {
    PhaseState.WAITING: Look("○", "waiting", Tone.QUIET),
    PhaseState.RUNNING: Look("▶", "running", Tone.BUSY),
    PhaseState.HELD: Look("◇", "held", Tone.WARN),
    PhaseState.DONE: Look("✔", "done", Tone.GOOD),
    PhaseState.FAILED: Look("✘", "failed", Tone.BAD),
    PhaseState.SKIPPED: Look("⤼", "skipped", Tone.WARN),
    PhaseState.UNDONE: Look("↩", "undone", Tone.WARN),
    PhaseState.NOT_TAKEN: Look("·", "not taken", Tone.QUIET),
}

_STATES = {
    EntryKind.STEP_STARTED: PhaseState.RUNNING,
    EntryKind.STEP_PROGRESS: PhaseState.RUNNING,
    EntryKind.STEP_RETRIED: PhaseState.RUNNING,
    EntryKind.HELD: PhaseState.HELD,
    EntryKind.STEP_DONE: PhaseState.DONE,
    EntryKind.STEP_FAILED: PhaseState.FAILED,
    EntryKind.STEP_SKIPPED: PhaseState.SKIPPED,
    EntryKind.UNDO_STARTED: PhaseState.RUNNING,
    EntryKind.UNDO_DONE: PhaseState.UNDONE,
    EntryKind.UNDO_FAILED: PhaseState.FAILED,
    EntryKind.UNDO_SKIPPED: PhaseState.SKIPPED,
}
"""What the last of a step's journal lines says about it."""

_UNDONE = {EntryKind.UNDO_STARTED, EntryKind.UNDO_DONE, EntryKind.UNDO_FAILED, EntryKind.UNDO_SKIPPED}
_UNDO_OVER = {EntryKind.UNDO_DONE, EntryKind.UNDO_SKIPPED}

_SPOKEN = {
    EntryKind.STEP_PROGRESS,
    EntryKind.HELD,
    EntryKind.STEP_FAILED,
    EntryKind.STEP_RETRIED,
    EntryKind.STEP_SKIPPED,
    EntryKind.UNDO_FAILED,
    EntryKind.UNDO_SKIPPED,
}
"""Lines that say more than that the step began or ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseView:
    """One planned step."""

    step: str
    does: str
    """What is true afterwards."""
    when: str
    """The condition, where a verdict decides."""
    state: PhaseState
    took: timedelta | None
    message: str
    """Its last line of progress, or what went wrong; empty when it said nothing."""
    detail: str = ""
    """What sets it apart where the plan names the step more than once."""

    @property
    def name(self) -> str:
        """The step as people tell it from the others: `shift_traffic 10 %`."""
        return f"{self.step} {self.detail}".rstrip()


def phases(steps: Sequence[PlannedStep], run_id: str, journal: Sequence[JournalEntry], *, ended: bool) -> tuple[PhaseView, ...]:
    """Return where each of `steps` is. A step that another runbook carries out is named like that runbook (`rollback.traffic`).

    A step that the plan names more than once is taken in the plan's order; whatever is taken beyond that is told with the last.
    """
    children = [entry for entry in journal if entry.run_id != run_id]
    named = Counter(step.step for step in steps)
    own = {name: takings([entry for entry in journal if entry.run_id == run_id and entry.step == name], planned) for name, planned in named.items()}
    return tuple(_phase(step, own[step.step].pop(0), children if "." in step.step else (), ended=ended) for step in steps)


def takings(entries: Sequence[JournalEntry], planned: int) -> list[list[JournalEntry]]:
    """Return the lines of one step, by the `planned` times that it is taken; a taking that was not begun has none. Taken back, the last one comes first."""
    found: list[list[JournalEntry]] = [[] for _ in range(planned)]
    at, over = 0, False
    for entry in entries:
        if entry.kind not in _STATES:
            continue
        begins, taken_back = entry.kind is EntryKind.STEP_STARTED, entry.kind in _UNDONE
        if begins and over:
            at, over = min(at + 1, planned - 1), False
        elif entry.kind is EntryKind.UNDO_STARTED and over and found[at] and found[at][-1].kind in _UNDO_OVER:
            at = max(at - 1, 0)
        found[at].append(entry)
        over = over or taken_back or entry.kind is EntryKind.STEP_DONE
    return found


def _phase(step: PlannedStep, own: Sequence[JournalEntry], children: Sequence[JournalEntry], *, ended: bool) -> PhaseView:
    if not own:
        return _view(step, PhaseState.NOT_TAKEN if ended else PhaseState.WAITING, None, "")
    state = _last_state(own, ended=ended)
    spoken = [entry.message for entry in own if entry.kind in _SPOKEN]
    if state is PhaseState.RUNNING:
        spoken += [f"{entry.step}: {entry.message}" if entry.step else entry.message for entry in children[-1:]]
    took = [duration for entry in own if (duration := seconds(entry.data.get("took_s"))) is not None]
    return _view(step, state, took[-1] if took else None, spoken[-1] if spoken else "")


def _last_state(entries: Sequence[JournalEntry], *, ended: bool) -> PhaseState:
    state = _STATES[entries[-1].kind]
    if state is PhaseState.RUNNING and any(entry.kind is EntryKind.HELD for entry in entries):
        state = PhaseState.HELD  # it looks on while it waits, and goes on waiting with the next worker
    cut = state in {PhaseState.RUNNING, PhaseState.HELD} and ended  # nothing was written of its end
    return PhaseState.FAILED if cut else state


def _view(step: PlannedStep, state: PhaseState, took: timedelta | None, message: str) -> PhaseView:
    return PhaseView(step=step.step, detail=step.detail, does=step.does, when=step.when, state=state, took=took, message=message)


def seconds(value: JsonValue) -> timedelta | None:
    """Return the duration that a journal's figure in seconds means; None when it is no number."""
    return timedelta(seconds=value) if isinstance(value, int | float) else None
