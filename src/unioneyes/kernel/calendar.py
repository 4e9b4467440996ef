"""When changes are frozen: windows on a calendar, on the clock of a place, once or again and again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A rule of the calendar."""

    name: str
    reason: str
    time_zone: str
    """`America/Toronto`: on whose clock it begins and ends, summer time included."""
    starts: datetime
    """The first time, as that clock shows it."""
    lasts: timedelta
    """As that clock shows it: from Friday at five to Monday at eight is 63 h, also when an hour is missing."""
    repeats: str | None = None
    """`FREQ=WEEKLY;BYDAY=FR`; None for a single time. Source: RFC 5545, "Recurrence Rule"."""

    def around(self, moment: datetime) -> Freeze | None:
        """Return the freeze that holds at `moment` by this rule; None when none does."""
        begun = self._begun(self._local(moment))
        if begun is None:
            return None
        freeze = self._freeze(begun)
        return freeze if moment < freeze.ends else None  # not by the clock there, which shows an hour of autumn twice

    def after(self, moment: datetime) -> Freeze | None:
        """Return the next freeze that begins after `moment`; None when there will be none."""
        local = self._local(moment)
        if self.repeats is None:
            return self._freeze(self.starts) if self.starts > local else None
        begins = rrulestr(self.repeats, dtstart=self.starts).after(local)
        return None if begins is None else self._freeze(begins)

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self.time_zone)).replace(tzinfo=None)

    def _begun(self, local: datetime) -> datetime | None:
        if self.repeats is None:
            return self.starts if self.starts <= local else None
        begun: datetime | None = rrulestr(self.repeats, dtstart=self.starts).before(local, inc=True)
        return begun

    def _freeze(self, begins: datetime) -> Freeze:
        zone = ZoneInfo(self.time_zone)
        return Freeze(
            name=self.name,
            reason=self.reason,
            begins=begins.replace(tzinfo=zone).astimezone(UTC),
            ends=(begins + self.lasts).replace(tzinfo=zone).astimezone(UTC),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A time in which nothing is deployed."""

    name: str
    reason: str
    begins: datetime
    ends: datetime


def current(windows: Iterable[Window], moment: datetime) -> Freeze | None:
    """Return the freeze that holds at `moment`; of several, the one that ends last."""
    holding = [freeze for window in windows if (freeze := window.around(moment)) is not None]
    return max(holding, key=lambda freeze: freeze.ends, default=None)


def ahead(windows: Iterable[Window], moment: datetime) -> tuple[Freeze, ...]:
    """Return the next freeze of each rule, soonest first."""
    coming = [freeze for window in windows if (freeze := window.after(moment)) is not None]
    return tuple(sorted(coming, key=lambda freeze: freeze.begins))
