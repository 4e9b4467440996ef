"""When the runbook document is to be reviewed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.upkeep import Frequency, Upkeep


def upkeep(next_review: date) -> Upkeep:
    day = date(2026, 2, 9)
    return Upkeep(
        version="1.0.0",
        status="RC-1 Ready",
        updated=day,
        commit="bcf0aee8",
        owner="Platform Engineering Team",
        frequency=Frequency.MONTHLY,
        last_review=day,
        next_review=next_review,
    )


@pytest.mark.parametrize(
    ("moment", "left", "missed"),
    [
        (datetime(2026, 3, 8, 23, 59, tzinfo=UTC), 1, None),
        (datetime(2026, 3, 9, 23, 59, tzinfo=UTC), 0, None),
        (datetime(2026, 3, 10, 0, 0, tzinfo=UTC), -1, "was due on 2026-03-09, 1 day ago: it waits for Platform Engineering Team"),
        (datetime(2026, 3, 11, 0, 0, tzinfo=UTC), -2, "2 days ago"),
    ],
)
def test_a_review_is_missed_from_the_day_after_it_on(moment: datetime, left: int, missed: str | None) -> None:
    kept = upkeep(date(2026, 3, 9))
    assert kept.days_left(moment) == left
    assert kept.missed(moment) is None if missed is None else missed in (kept.missed(moment) or "")


@pytest.mark.parametrize(
    ("frequency", "day", "then"),
    [
        (Frequency.MONTHLY, date(2026, 2, 9), date(2026, 3, 9)),
        (Frequency.MONTHLY, date(2026, 1, 31), date(2026, 2, 28)),
        (Frequency.QUARTERLY, date(2026, 11, 30), date(2027, 2, 28)),
        (Frequency.YEARLY, date(2028, 2, 29), date(2029, 2, 28)),
    ],
)
def test_a_review_follows_on_the_same_day_or_the_month_s_last_one(frequency: Frequency, day: date, then: date) -> None:
    assert frequency.after(day) == then


@given(day=st.dates(min_value=date(1990, 1, 1), max_value=date(2090, 1, 1)), frequency=st.sampled_from(Frequency))
def test_a_review_always_follows_later(day: date, frequency: Frequency) -> None:
    assert frequency.after(day) > day
