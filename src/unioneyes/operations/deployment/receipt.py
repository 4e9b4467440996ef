"""What a deployment shows for itself: from its plan, its journal, and readings of the data plane's counters. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
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
    switches = _all_returned(story, run_id, "roll_replicas" if plan.strategy is Strategy.ROLLING else "shift_traffic", Switched)
    readings = (started.counters, *(each.before for each in switches), *((counters,) if counters else ()))
    served = _served_by(plan, readings) if counters else ()
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
        slowest_ms=slowest_ms(readings) if counters else None,
        served_by=served,
        switch_took=switches[-1].took if switches else None,
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


def _served_by(plan: DeployPlan, readings: Sequence[Counters]) -> tuple[ServedBy, ...]:
    """Return the same of a plan. Of a colour on which both versions stood, the data plane can't say which of them answered."""
    if plan.strategy is not Strategy.ROLLING:
        return served_by(readings, new=plan.colour, version=plan.version, previous=plan.previous)
    return (_served([each.of(plan.colour) for each in readings], f"{plan.previous} and {plan.version}", plan.colour),)


def served_by(readings: Sequence[Counters], *, new: Colour, version: str, previous: str | None) -> tuple[ServedBy, ...]:
    """Return how many answers each version gave from the first reading to the last; what was restarted between two of them counts from zero.

    Where replicas do the counting, they end with the old version: then the readings before the switches say what it answered.
    """
    versions = [(previous, new.other), (version, new)]
    return tuple(_served([each.of(colour) for each in readings], name, colour) for name, colour in versions if name is not None)


def _served(readings: Sequence[ColourCounters], version: str, colour: Colour) -> ServedBy:
    answers = errors = 0
    for before, after in pairwise(readings):
        restarted = after.answers < before.answers
        answers += after.answers - (0 if restarted else before.answers)
        errors += after.answers_5xx - (0 if restarted else before.answers_5xx)
    return ServedBy(version=version, colour=colour, answers=answers, errors=errors)


def lost(served: tuple[ServedBy, ...]) -> int:
    """Return how many members were answered with a 5xx. Maintenance is answered before any colour, so it is not in the counters."""
    return sum(one.errors for one in served)


def slowest_ms(readings: Sequence[Counters]) -> float | None:
    """Return the upper bound of the bucket in which the slowest answer between the readings lies; None without answers."""
    between = [_slowest(before.of(colour), after.of(colour)) for before, after in pairwise(readings) for colour in Colour]
    return max((bound for bound in between if bound is not None), default=None)


def _slowest(before: ColourCounters, after: ColourCounters) -> float | None:
    earlier = dict(before.latency) if after.timed >= before.timed else {}
    timed = after.timed - (before.timed if earlier else 0)
    if timed <= 0:
        return None
    return next((bound for bound, count in after.latency if count - earlier.get(bound, 0) >= timed), after.latency[-1][0] if after.latency else None)
