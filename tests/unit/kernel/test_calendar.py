"""When changes are frozen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.calendar import Window, ahead, current

clock = datetime.fromisoformat
"""What a clock shows, wherever it hangs."""
TORONTO = ZoneInfo("America/Toronto")
WEEKEND = Window(
    name="weekend", reason="nobody is there", time_zone="America/Toronto", starts=clock("2026-01-02T17:00"), lasts=timedelta(hours=63), repeats="FREQ=WEEKLY"
)
ONCE = Window(name="year-end", reason="the books are closed", time_zone="UTC", starts=clock("2026-12-18T17:00"), lasts=timedelta(days=14))


def there(*clock: int) -> datetime:
    """Return the moment at which Toronto's clock shows that."""
    year, month, day, hour, minute = clock
    return datetime(year, month, day, hour, minute, tzinfo=TORONTO)


@pytest.mark.parametrize(
    ("moment", "frozen"),
    [
        (there(2026, 2, 6, 16, 59), False),  # a Friday
        (there(2026, 2, 6, 17, 0), True),
        (there(2026, 2, 8, 12, 0), True),
        (there(2026, 2, 9, 7, 59), True),
        (there(2026, 2, 9, 8, 0), False),
    ],
)
def test_a_freeze_holds_from_its_first_moment_to_before_its_last(moment: datetime, *, frozen: bool) -> None:
    assert (WEEKEND.around(moment) is not None) is frozen


def test_summer_time_moves_neither_beginning_nor_end_on_the_clock_there() -> None:
    freeze = WEEKEND.around(there(2026, 3, 8, 12, 0))  # the night before, an hour was missing
    assert freeze is not None
    assert (freeze.begins.astimezone(TORONTO).hour, freeze.ends.astimezone(TORONTO).hour) == (17, 8)
    assert freeze.ends - freeze.begins == timedelta(hours=62)


def test_a_freeze_that_ends_in_the_hour_that_autumn_shows_twice_ends_once() -> None:
    night = Window(name="night", reason="closing", time_zone="America/Toronto", starts=clock("2026-10-31T22:00"), lasts=timedelta(hours=3, minutes=30))
    before = night.around(there(2026, 11, 1, 1, 15))
    assert before is not None
    assert before.ends == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert night.around(datetime(2026, 11, 1, 6, 15, tzinfo=UTC)) is None, "the clock there shows 01:15 again"


@given(st.datetimes(clock("2026-01-03"), clock("2030-01-01"), timezones=st.just(UTC)))
def test_every_moment_is_in_a_freeze_or_before_the_next_one(moment: datetime) -> None:
    now, coming = WEEKEND.around(moment), WEEKEND.after(moment)
    assert coming is not None
    assert moment < coming.begins <= moment + timedelta(days=7, hours=1)
    if now is not None:
        assert now.begins <= moment < now.ends <= coming.begins


def test_a_single_time_comes_once() -> None:
    assert ONCE.around(datetime(2026, 12, 25, tzinfo=UTC)) is not None
    assert ONCE.after(datetime(2026, 12, 1, tzinfo=UTC)) is not None
    assert ONCE.after(datetime(2026, 12, 25, tzinfo=UTC)) is None
    assert ONCE.around(datetime(2027, 12, 25, tzinfo=UTC)) is None


def test_of_several_the_one_that_ends_last_is_told_and_the_soonest_is_ahead_first() -> None:
    friday = datetime(2026, 12, 19, 0, 0, tzinfo=UTC)
    freeze = current((WEEKEND, ONCE), friday)
    assert freeze is not None
    assert freeze.name == "year-end"
    assert [each.name for each in ahead((ONCE, WEEKEND), datetime(2026, 12, 1, tzinfo=UTC))] == ["weekend", "year-end"]
