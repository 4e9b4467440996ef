"""What a deployment looks like, from its run, its plan and its journal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue

from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.status import DeploymentView
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.phases import phases, seconds
from unioneyes.runbook.views import EntryKind, JournalEntry, PlanView, RunView

DEPLOYMENT = "deployment.start"
ROLLBACKS = ("rollback.traffic", "rollback.release", "rollback.rolling")
"""Runbooks that take a deployment back."""
WATCH = "watch_release"
HOLD = "hold"

_WORDS = {
    RunStatus.PENDING: "WAITING",
    RunStatus.RUNNING: "DEPLOYING",
    RunStatus.AWAITING_APPROVAL: "AWAITING APPROVAL",
    RunStatus.PARKED: "WAITING FOR A PERSON",
    RunStatus.HELD: "HELD",
    RunStatus.UNDOING: "FAILED - UNDOING",
    RunStatus.DONE: "DEPLOYED",
    RunStatus.FAILED: "FAILED",
    RunStatus.REFUSED: "REFUSED",
    RunStatus.UNDONE: "FAILED - UNDONE",
    RunStatus.UNDO_FAILED: "FAILED - UNDO FAILED",
    RunStatus.CANCELLED: "CANCELLED",
    RunStatus.SUPERSEDED: "SUPERSEDED",
}
ROLLED_BACK = "FAILED - ROLLED BACK"
"""Source: Post-Rollback Actions, 4."""
ROLLING_BACK = "FAILED - ROLLING BACK"
STILL_SERVING = "FAILED, STILL SERVING"
LEFT_TO_A_PERSON = "FAILED, LEFT TO A PERSON"


def deployment_view(run: RunView, plan: PlanView, journal: Sequence[JournalEntry], rollbacks: Sequence[RunView] = ()) -> DeploymentView:
    """Return the deployment that `run` is. `rollbacks` are later rollback runs, of which one may have ended it."""
    rollback = _rollback_of(run, rollbacks)
    words = status_words(run, rollback)
    outcome = _rolled_back_outcome(run, rollback) or (run.problem["detail"] if run.problem else _text(run.result, "outcome") or "")
    figures = _last_data(journal, EntryKind.STEP_PROGRESS, {WATCH, HOLD})
    asked = [entry for entry in journal if entry.kind in {EntryKind.HELD, EntryKind.LINE_HELD}]
    lost = _text(figures, "rollback_not_ready_since")
    return DeploymentView(
        run_id=run.id,
        version=_text(plan.details, "version") or _text(run.request, "version") or "unknown",
        previous=_text(plan.details, "previous"),
        colour=_colour(_text(plan.details, "colour")),
        status=run.status,
        words=words,
        outcome=outcome.removeprefix(f"{words}: "),
        requested_by=run.requested_by,
        created_at=run.created_at,
        started_at=run.started_at,
        ended_at=run.ended_at,
        phases=phases(plan.steps, run.id, journal, ended=run.status.ended),
        rollback_takes=seconds(figures.get("rollback_takes_s")) if not run.status.ended else None,
        rollback_not_ready_since=datetime.fromisoformat(lost) if lost and not run.status.ended else None,
        question=asked[-1].message if asked and run.status is RunStatus.HELD else None,
        choices=run.choices,
        watch_left=seconds(figures.get("left_s")) if run.step == WATCH and not run.status.ended else None,
        problem=run.problem,
    )


def step_times(journal: Sequence[JournalEntry]) -> dict[str, timedelta]:
    """Return how long each step of a run took that was done."""
    done = ((entry.step, seconds(entry.data.get("took_s"))) for entry in journal if entry.kind is EntryKind.STEP_DONE)
    return {step: took for step, took in done if step is not None and took is not None}


def status_words(run: RunView, rollback: RunView | None) -> str:
    """Return the document's words for how the deployment stands."""
    if rollback is not None and rollback.status is RunStatus.DONE:
        return ROLLED_BACK
    if rollback is not None and not rollback.status.ended:
        return ROLLING_BACK
    if isinstance(run.result, dict):
        if run.result.get("rolled_back"):
            return ROLLED_BACK
        if run.status is RunStatus.FAILED and run.problem is None:
            return LEFT_TO_A_PERSON if (_text(run.result, "outcome") or "").startswith(LEFT_TO_A_PERSON) else STILL_SERVING
    return _WORDS[run.status]


def _rolled_back_outcome(run: RunView, rollback: RunView | None) -> str:
    """Return why and when a person sent the members back, where that ended the deployment; else empty."""
    if rollback is None or rollback.parent == run.id or rollback.status is not RunStatus.DONE:
        return ""
    reason = _text(rollback.request, "reason") or "no reason given"
    return f"{reason} (rolled back by {rollback.requested_by} at {rfc3339(rollback.ended_at or rollback.created_at)}: {rollback.id})"


def _rollback_of(run: RunView, rollbacks: Sequence[RunView]) -> RunView | None:
    """Return the rollback that was about `run`: a part of it, one that names it in its request or result, or one that took back what it had brought."""
    for rollback in rollbacks:
        named = run.id in {rollback.parent, _text(rollback.request, "deployment"), _text(rollback.result, "deployment")}
        took_over = run.status is RunStatus.SUPERSEDED and run.ended_at is not None and run.created_at <= rollback.created_at <= run.ended_at
        bad_since = _text(rollback.result, "bad_since")
        brought = bad_since is not None and _was_under_way(run, datetime.fromisoformat(bad_since))
        if named or took_over or brought:
            return rollback
    return None


def _was_under_way(run: RunView, moment: datetime) -> bool:
    """Return whether the run had begun then, and has ended since: one that waited for approval brought nothing."""
    return run.started_at is not None and run.ended_at is not None and run.started_at <= moment <= run.ended_at


def _last_data(journal: Sequence[JournalEntry], kind: EntryKind, steps: set[str]) -> dict[str, JsonValue]:
    """Return the figures of the last line of this kind; none when there is no such line."""
    return next((entry.data for entry in reversed(journal) if entry.kind is kind and entry.step in steps), {})


def _text(document: JsonValue, name: str) -> str | None:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, str) else None


def _colour(name: str | None) -> Colour | None:
    return Colour(name) if name in set(Colour) else None
