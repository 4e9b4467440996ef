"""What a deployment shows for itself: from its plan, its journal, and two readings of the data plane's counters. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.model import DeployPlan, Phase, Receipt, ServedBy, Started, Strategy, Switched, Verified, Watched
from unioneyes.ports.checklist import GateState
from unioneyes.ports.database import Backup, MigrationsApplied
from unioneyes.ports.runs import RolledBack
from unioneyes.ports.traffic import Colour, ColourCounters, Counters
from unioneyes.runbook.codec import decode
from unioneyes.runbook.views import EntryKind, JournalEntry

T = TypeVar("T")


def began(story: Sequence[JournalEntry], run_id: str) -> Started | None:
    """Return the state of the data plane when the deployment began; None when it did not come that far."""
    return _returned(story, run_id, "check_world", Started)


def receipt(
    plan: DeployPlan, story: Sequence[JournalEntry], run_id: str, *, started: Started, counters: Counters | None, ends_as: RunStatus, outcome: str
) -> Receipt:
    """Return the receipt. `counters` is the data plane's last reading; without one, what it served is not known and not claimed."""
    served = _served_by(plan, started.counters, counters) if counters else ()
    switched = _returned(story, run_id, "roll_replicas" if plan.strategy is Strategy.ROLLING else "shift_traffic", Switched)
    watches = _all_returned(story, run_id, "watch_release", Watched)
    backup = _returned(story, run_id, "back_up_database", Backup)
    return Receipt(
        version=plan.version,
        previous=plan.previous,
        colour=plan.colour,
        ends_as=ends_as,
        outcome=outcome,
        requests=sum(one.answers for one in served) if counters else None,
        lost=lost(served) if counters else None,
        slowest_ms=slowest_ms(started.counters, counters) if counters else None,
        served_by=served,
        switch_took=switched.took if switched else None,
        watched=watches[-1] if watches else None,
        canary=watches[:-1],
        verified=_returned(story, run_id, "verify_deployment", Verified),
        rolled_back=_returned(story, run_id, "rollback.rolling" if plan.strategy is Strategy.ROLLING else "rollback.traffic", RolledBack),
        backup=backup.name if backup else None,
        migrations=_applied(story, run_id),
        waived=tuple(f"{gate.name}: {gate.detail}" for gate in plan.gates if gate.state is GateState.WAIVED),
        phases=tuple(
            Phase(step=entry.step, took=timedelta(seconds=float(str(entry.data.get("took_s", 0)))))
            for entry in story
            if entry.kind is EntryKind.STEP_DONE and entry.step and entry.run_id == run_id
        ),
    )


def _applied(story: Sequence[JournalEntry], run_id: str) -> tuple[str, ...]:
    """Return the migrations that the deployment applied and did not take back."""
    applied = _returned(story, run_id, "apply_migrations", MigrationsApplied)
    taken_back = any(entry.kind is EntryKind.UNDO_DONE and entry.step == "apply_migrations" and entry.run_id == run_id for entry in story)
    return applied.tags if applied and not taken_back else ()


def _returned(story: Sequence[JournalEntry], run_id: str, step: str, kind: type[T]) -> T | None:
    """Return what the run's `step` came to, the last time that it was done; None when it was not."""
    results = _all_returned(story, run_id, step, kind)
    return results[-1] if results else None


def _all_returned(story: Sequence[JournalEntry], run_id: str, step: str, kind: type[T]) -> tuple[T, ...]:
    """Return what the run's `step` came to, each time that it was done."""
    results = (entry.data.get("result") for entry in story if entry.kind is EntryKind.STEP_DONE and entry.step == step and entry.run_id == run_id)
    return tuple(decode(result, kind) for result in results)


def _served_by(plan: DeployPlan, before: Counters, after: Counters) -> tuple[ServedBy, ...]:
    """Return the same of a plan. Of a colour on which both versions stood, the data plane can't say which of them answered."""
    if plan.strategy is not Strategy.ROLLING:
        return served_by(before, after, new=plan.colour, version=plan.version, previous=plan.previous)
    return (_served(before.of(plan.colour), after.of(plan.colour), f"{plan.previous} and {plan.version}", plan.colour),)


def served_by(before: Counters, after: Counters, *, new: Colour, version: str, previous: str | None) -> tuple[ServedBy, ...]:
    """Return how many answers each version gave between the readings; a data plane that was restarted between them counts from zero."""
    versions = [(previous, new.other), (version, new)]
    return tuple(_served(before.of(colour), after.of(colour), name, colour) for name, colour in versions if name is not None)


def _served(before: ColourCounters, after: ColourCounters, version: str, colour: Colour) -> ServedBy:
    restarted = after.answers < before.answers
    return ServedBy(
        version=version,
        colour=colour,
        answers=after.answers - (0 if restarted else before.answers),
        errors=after.answers_5xx - (0 if restarted else before.answers_5xx),
    )


def lost(served: tuple[ServedBy, ...]) -> int:
    """Return how many members were answered with a 5xx. Maintenance is answered before any colour, so it is not in the counters."""
    return sum(one.errors for one in served)


def slowest_ms(before: Counters, after: Counters) -> float | None:
    """Return the upper bound of the bucket in which the slowest answer between the readings lies; None without answers."""
    bounds = [bound for colour in Colour if (bound := _slowest(before.of(colour), after.of(colour))) is not None]
    return max(bounds, default=None)


def _slowest(before: ColourCounters, after: ColourCounters) -> float | None:
    earlier = dict(before.latency) if after.timed >= before.timed else {}
    timed = after.timed - (before.timed if earlier else 0)
    if timed <= 0:
        return None
    return next((bound for bound, count in after.latency if count - earlier.get(bound, 0) >= timed), after.latency[-1][0] if after.latency else None)
