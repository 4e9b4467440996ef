"""The one place that reads the wall clock, always in UTC; and deadlines and stopwatches, which no change of it moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Return `moment` as programs read it: `2026-02-09T14:30:00.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment in this process's own time: a wall clock that is set, or that jumps, brings it neither nearer nor further."""

    _at: float

    @classmethod
    def after(cls, duration: timedelta) -> Deadline:
        """Return the moment that lies `duration` ahead."""
        return cls(monotonic() + duration.total_seconds())

    @property
    def left(self) -> timedelta:
        """How long it still is until then; negative afterwards."""
        return timedelta(seconds=self._at - monotonic())

    @property
    def passed(self) -> bool:
        """True from that moment on."""
        return self.left <= timedelta(0)


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """How long something has lasted, in this process's own time."""

    _from: float

    @classmethod
    def started(cls, *, already: timedelta = timedelta(0)) -> Stopwatch:
        """Return one that shows `already`, and goes on from there."""
        return cls(monotonic() - already.total_seconds())

    @property
    def shows(self) -> timedelta:
        """The time that has passed."""
        return timedelta(seconds=monotonic() - self._from)
