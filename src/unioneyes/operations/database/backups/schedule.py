"""When a daily backup is due, what its run is called, and what is owed. Pure. Source: Backup and Restore, "Backup script runs at 02:00 UTC"."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.views import RunView

DAY = timedelta(days=1)
LOOKS_BACK = 7
"""Days that are looked back on: what was missed before is not told any more."""
LATE = timedelta(hours=1)
"""After which a backup that was not begun counts as missed, although it is begun as soon as somebody can."""
_RUN = "backup-daily-%Y%m%d"
_PRUNE = "backup-prune-%Y%m%d"


class DayState(StrEnum):
    """What became of a day's backup."""

    DONE = "done"
    UNDER_WAY = "under way"
    FAILED = "failed"
    MISSED = "missed"
    DUE = "due"
    """It is to be begun now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day's backup."""

    due: datetime
    run: str
    """The run that makes it: its name follows from the day, so that it is made once, however many servers think of it."""
    state: DayState


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyView:
    """The daily backup."""

    at: time
    """In UTC."""
    next: datetime
    days: tuple[Day, ...]
    """Newest first; the last seven that were due while somebody was there to begin them, or should have been."""

    @property
    def overdue(self) -> bool:
        """True where the last one was missed or failed, and nothing is under way."""
        return bool(self.days) and self.days[0].state in {DayState.FAILED, DayState.MISSED}


def last_due(at: datetime, daily: time) -> datetime:
    """Return the last moment up to `at` when a daily backup was due."""
    today = datetime.combine(at.astimezone(UTC).date(), daily, UTC)
    return today if today <= at else today - DAY


def run_of(due: datetime) -> str:
    """Return what the run of that day's backup is called."""
    return due.strftime(_RUN)


def prune_of(due: datetime) -> str:
    """Return what the run is called that prunes after that day's backup."""
    return due.strftime(_PRUNE)


def day_of(run_id: str) -> datetime | None:
    """Return the day, at midnight, whose backup the run makes; None where it is another run."""
    try:
        return datetime.strptime(run_id, _RUN).replace(tzinfo=UTC)
    except ValueError:
        return None


def look_back(at: datetime, daily: time, runs: Collection[RunView], *, since: datetime) -> DailyView:
    """Return what became of each day's backup, from the first one that was owed: from `since` on, when somebody looked first, or from an earlier run on.

    Only the last day's is begun late: to make an earlier one now would give a second copy of today's data.
    """
    known = {run.id: run for run in runs if day_of(run.id) is not None}
    first = min([since, *(day for run_id in known if (day := day_of(run_id)) is not None)])
    last = last_due(at, daily)
    dues = [last - DAY * back for back in range(LOOKS_BACK)]
    days = tuple(Day(due=due, run=run_of(due), state=_state(known.get(run_of(due)), due, last)) for due in dues if due >= first)
    return DailyView(at=daily, next=last + DAY, days=days)


def _state(run: RunView | None, due: datetime, last: datetime) -> DayState:
    if run is None:
        return DayState.DUE if due == last else DayState.MISSED
    if not run.status.ended:
        return DayState.UNDER_WAY
    return DayState.DONE if run.status is RunStatus.DONE else DayState.FAILED
