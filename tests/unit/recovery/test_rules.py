"""What is meant by a target, and what is refused before anything is looked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.database.recovery.model import PitrRequest
from unioneyes.operations.database.recovery.rules import read_moment, read_target, require_use
from unioneyes.ports.recovery import BadTarget, Target

NOON = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "said", ["2026-02-09 14:30:00 UTC", "2026-02-09T14:30:00Z", "2026-02-09 14:30:00Z", "2026-02-09T15:30:00+01:00", " 2026-02-09 14:30 UTC "]
)
def test_a_moment_is_read_as_people_and_programs_write_it(said: str) -> None:
    assert read_moment(said) == NOON


@given(
    st.datetimes(
        timezones=st.builds(timezone, st.timedeltas(min_value=timedelta(hours=-14), max_value=timedelta(hours=14)).map(lambda d: d - d % timedelta(minutes=1)))
    )
)
def test_a_moment_is_the_same_in_every_zone(moment: datetime) -> None:
    assert read_moment(moment.isoformat()) == moment


@pytest.mark.parametrize(
    ("said", "why"), [("yesterday", "no moment"), ("2026-02-09 14:30:00", "which zone"), ("", "no moment"), ("2026-13-01 00:00 UTC", "no moment")]
)
def test_a_moment_that_nobody_can_know_is_refused(said: str, why: str) -> None:
    with pytest.raises(BadTarget, match=why):
        read_moment(said)


def test_exactly_one_target_is_given() -> None:
    assert read_target(PitrRequest(to="end")) == Target(end=True)
    assert read_target(PitrRequest(to="2026-02-09 14:30:00 UTC")) == Target(time=NOON)
    assert read_target(PitrRequest(before_xid=0)) == Target(before_xid=0)
    assert read_target(PitrRequest(before_drop="claims")) == Target(before_drop="claims")
    with pytest.raises(BadTarget, match="nothing says"):
        read_target(PitrRequest())
    with pytest.raises(BadTarget, match="several things"):
        read_target(PitrRequest(to="end", before_xid=7))
    with pytest.raises(BadTarget, match="no moment"):
        read_target(PitrRequest(to=""))


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (PitrRequest(to="end"), "what becomes of"),
        (PitrRequest(to="end", inspect=True, table="public.claims"), "into a database"),
        (PitrRequest(to="end", into="unioneyes"), "the live database"),
        (PitrRequest(to="end", into="Robert'); DROP"), "no name"),
        (PitrRequest(to="end", into="a" * 51), "no name"),
        (PitrRequest(to="end", into="back", table="claims"), "which schema"),
    ],
)
def test_a_use_that_would_harm_or_come_to_nothing_is_refused(request_: PitrRequest, why: str) -> None:
    with pytest.raises(BadTarget, match=why):
        require_use(request_, live="unioneyes")


def test_what_is_wanted_may_be_brought_over_and_looked_into() -> None:
    require_use(PitrRequest(to="end", into="back", table="public.claims", inspect=True), live="unioneyes")
