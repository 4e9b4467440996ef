"""When a daily backup is due, and what is owed after an outage."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.status import RunStatus
from unioneyes.operations.database.backups.schedule import DAY, LOOKS_BACK, DayState, day_of, last_due, look_back, run_of
from unioneyes.runbook.views import RunView

DAILY = time(2, 0)
NOON = datetime(2026, 2, 9, 12, 0, tzinfo=UTC)
DUE = datetime(2026, 2, 9, 2, 0, tzinfo=UTC)
MOMENTS = st.datetimes(min_value=datetime(2025, 1, 1), max_value=datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given its zone beside it
TIMES = st.builds(time, st.integers(0, 23), st.integers(0, 59))


def run(due: datetime, status: RunStatus = RunStatus.DONE) -> RunView:
    return RunView(
        id=run_of(due),
        runbook="backup.create",
        summary="",
        status=status,
        requested_by="schedule",
        created_at=due,
        started_at=due,
        ended_at=due,
        step=None,
        choices=(),
        worker=None,
        parent=None,
        request={},
        plan_hash="",
        result=None,
        problem=None,
    )


@given(at=MOMENTS, daily=TIMES)
def test_the_last_one_was_due_within_a_day_and_never_ahead(at: datetime, daily: time) -> None:
    due = last_due(at, daily)
    assert timedelta(0) <= at - due < DAY
    assert (due.hour, due.minute) == (daily.hour, daily.minute)
    assert last_due(due, daily) == due


@given(at=MOMENTS, daily=TIMES)
def test_a_day_has_one_run_and_no_two_days_have_the_same(at: datetime, daily: time) -> None:
    due = last_due(at, daily)
    assert run_of(due) != run_of(due + DAY)
    day = day_of(run_of(due))
    assert day is not None
    assert day.date() == due.date()


@given(at=MOMENTS, daily=TIMES, done=st.sets(st.integers(0, 20)), began=st.integers(0, 20))
def test_each_day_since_somebody_looked_is_accounted_for_and_only_the_last_one_is_begun(at: datetime, daily: time, done: set[int], began: int) -> None:
    last = last_due(at, daily)
    view = look_back(at, daily, [run(last - DAY * back) for back in done], since=at - DAY * began)
    assert [day.due for day in view.days] == sorted((day.due for day in view.days), reverse=True)
    assert all(at - day.due <= DAY * LOOKS_BACK for day in view.days)
    assert {day.due for day in view.days if day.state is DayState.DONE} == {last - DAY * back for back in done if back < LOOKS_BACK}
    assert {day.due for day in view.days if day.state is DayState.DUE} <= {last}
    assert view.next == last + DAY
    if not done and at - DAY * began > last:
        assert view.days == (), "nothing is owed before anybody looked"


def test_after_an_outage_the_last_one_is_made_up_for_and_those_between_were_missed() -> None:
    view = look_back(NOON, DAILY, [run(DUE - 3 * DAY)], since=NOON)
    assert [(day.due, day.state) for day in view.days] == [
        (DUE, DayState.DUE),
        (DUE - DAY, DayState.MISSED),
        (DUE - 2 * DAY, DayState.MISSED),
        (DUE - 3 * DAY, DayState.DONE),
    ]
    assert not view.overdue


@pytest.mark.parametrize(
    ("status", "state", "overdue"),
    [
        (RunStatus.DONE, DayState.DONE, False),
        (RunStatus.RUNNING, DayState.UNDER_WAY, False),
        (RunStatus.PARKED, DayState.UNDER_WAY, False),
        (RunStatus.FAILED, DayState.FAILED, True),
        (RunStatus.UNDONE, DayState.FAILED, True),
        (RunStatus.CANCELLED, DayState.FAILED, True),
    ],
)
def test_a_run_says_what_became_of_its_day(status: RunStatus, state: DayState, *, overdue: bool) -> None:
    view = look_back(NOON, DAILY, [run(DUE, status)], since=NOON)
    assert ([day.state for day in view.days], view.overdue) == ([state], overdue)


def test_runs_that_a_person_started_are_no_days() -> None:
    assert day_of("backup-20260209-020007-k7m2q") is None
