"""The upkeep of the runbook document: who owns it, and when it is reviewed. Pure. Source: the document's head and foot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from dateutil.relativedelta import relativedelta


class Frequency(StrEnum):
    """How often the document is reviewed."""

    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"

    def after(self, day: date) -> date:
        """Return the day by which a review follows one of `day`: the same day of the month, or its last one."""
        return day + _STEPS[self]


_STEPS = {
    Frequency.MONTHLY: relativedelta(months=1),
    Frequency.QUARTERLY: relativedelta(months=3),
    Frequency.YEARLY: relativedelta(years=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What `policy/document.yaml` says."""

    version: str
    status: str
    updated: date
    commit: str
    """Of the platform, for which the document was written."""
    owner: str
    """A team or a role."""
    frequency: Frequency
    last_review: date
    next_review: date
    """The last day on which the review is in time."""

    def days_left(self, moment: datetime) -> int:
        """Return how many days there still are until the next review, in UTC: 0 on its day, negative once it was missed."""
        return (self.next_review - moment.date()).days

    def missed(self, moment: datetime) -> str | None:
        """Return that the review was missed, and what to do, in one line; None while it was not."""
        days = -self.days_left(moment)
        if days <= 0:
            return None
        return f"the review of the runbook document was due on {self.next_review}, {days} {'day' if days == 1 else 'days'} ago: it waits for {self.owner}"
