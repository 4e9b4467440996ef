"""The scorecard, from measured values alone."""

from __future__ import annotations

from datetime import datetime, timedelta

from unioneyes.kernel.units import format_duration
from unioneyes.operations.rehearsal.model import ClientSeen, FaultSeen, Score, Scorecard, ScoreLine

DETECTED_WITHIN = timedelta(minutes=2)
"""Source: Incident Response Workflow, 1, "Detection (0-2 minutes)"."""

ROLLED_BACK_WITHIN = timedelta(minutes=5)
"""Source: "Rollback Steps (< 5 minutes)"."""

LAST_OLD_ANSWER_WITHIN = timedelta(milliseconds=300)
"""Figure to reach of the design: last answer of the old version after the switch, kept-alive connections included."""


def within(what: str, measured: timedelta | None, limit: timedelta, promise: str) -> ScoreLine:
    """Return the line for a duration that has a limit; nothing measured is a broken promise, never a kept one."""
    if measured is None:
        return ScoreLine(what=what, measured="not measured", promise=promise, score=Score.BROKEN)
    return ScoreLine(what=what, measured=format_duration(measured), promise=promise, score=Score.KEPT if measured <= limit else Score.BROKEN)


def none_lost(what: str, lost: int, sent: int) -> ScoreLine:
    """Return the line for requests of which none may be lost; of no requests nothing can be said."""
    kept = lost == 0 and sent > 0
    return ScoreLine(what=what, measured=f"{lost} of {sent:,}", promise="0", score=Score.KEPT if kept else Score.BROKEN)


def told(what: str, measured: str) -> ScoreLine:
    """Return a line that nobody promised anything about."""
    return ScoreLine(what=what, measured=measured, promise="", score=Score.NO_PROMISE)


def release_lines(seen: ClientSeen, *, old: str, switch_took: timedelta | None, switched_at: datetime | None) -> tuple[ScoreLine, ...]:
    """Return what a good release shows: nothing lost, a quick switch, no late answer of the old version."""
    before = seen.of(old)
    late = max(before.last_at - switched_at, timedelta(0)) if before and switched_at else None
    return (
        within("routes confirmed by the data plane", switch_took, LAST_OLD_ANSWER_WITHIN, "300 ms"),
        within(f"last answer of {old} after the switch", late, LAST_OLD_ANSWER_WITHIN, "300 ms"),
    )


def fault_lines(seen: ClientSeen, *, faulty: str, detected_at: datetime | None, healthy_in: timedelta | None) -> tuple[ScoreLine, ...]:
    """Return what a faulty release shows: seen soon, gone soon, and nobody harmed but those whom it answered itself."""
    answered = seen.of(faulty)
    first, last = seen.first_bad_at, seen.last_bad_at
    return (
        told(f"requests that {faulty} answered badly", f"{answered.bad} of {answered.answers}" if answered else "none"),
        within("first bad answer -> detected", detected_at - first if detected_at and first else None, DETECTED_WITHIN, "2 min"),
        within("detected -> previous release healthy again", healthy_in, ROLLED_BACK_WITHIN, "5 min"),
        within("first bad answer -> last bad answer", last - first if first and last else None, ROLLED_BACK_WITHIN, "5 min"),
    )


_CAUGHT_BY = {
    "check_gates": "the checklist",
    "back_up_database": "the backup",
    "verify_backup": "the backup's proof",
    "rehearse_migrations": "the rehearsal on the restored copy",
    "apply_migrations": "the migration's transaction",
    "verify_previous_release": "the previous release's smoke tests",
    "start_replicas": "readiness",
    "smoke_test": "the smoke tests",
    "watch_release": "the watch",
    "verify_deployment": "the verification",
}


def caught_by(step: str | None) -> str:
    """Return what stopped a release, as people say it; `step` is the one that failed or decided, None when the run was refused before any."""
    return "the checklist" if step is None else _CAUGHT_BY.get(step, step)


def fault_seen(version: str, seen: ClientSeen, *, step: str | None, ends_as: str, harmless: bool = False) -> FaultSeen:
    """Return what a faulty release did. Kept: it was refused or undone, members were back within the promise, and nobody else's request was lost.

    A `harmless` one must stay, and answer every member well.
    """
    answered = seen.of(version)
    bad = answered.bad if answered else 0
    lasted = seen.last_bad_at - seen.first_bad_at if seen.first_bad_at and seen.last_bad_at else None
    elsewhere = seen.lost_outside(version)
    right = ends_as == "done" and bad == 0 if harmless else ends_as in {"refused", "undone"}
    kept = right and elsewhere == 0 and seen.sent > 0 and (lasted is None or lasted <= ROLLED_BACK_WITHIN)
    return FaultSeen(
        version=version,
        caught_by="nothing: it harms nobody" if ends_as == "done" and harmless else caught_by(step),
        answers=answered.answers if answered else 0,
        bad=bad,
        exposed=answered.last_at - answered.first_at if answered else None,
        fault_to_good=lasted,
        ends_as=ends_as,
        lost_elsewhere=elsewhere,
        score=Score.KEPT if kept else Score.BROKEN,
    )


def scorecard(*parts: tuple[ScoreLine, ...]) -> Scorecard:
    """Return the card of all parts."""
    return Scorecard(lines=tuple(line for part in parts for line in part))
