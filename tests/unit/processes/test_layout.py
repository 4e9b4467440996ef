"""Which replica stands where while one version takes the place of another: never fewer places than are wanted, and at most one more."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.processes.layout import ReplicaSlot, Wanted, places, rolled
from unioneyes.adapters.processes.spec import ProcessState, ProcessStatus
from unioneyes.ports.traffic import Colour

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
FOLDER = Path("/run/ue")
COUNTS = st.integers(min_value=1, max_value=9)
OLD = Wanted(version="1.0.0", count=2, served=True, placed=AT, configuration={"POOL": "3"})
NEW = Wanted(version="1.1.0", count=2, configuration={"POOL": "5"})


def standing(wanted: Wanted) -> tuple[ReplicaSlot, ...]:
    return places(Colour.BLUE, wanted, folder=FOLDER, otherwise={})


@given(count=COUNTS, new=COUNTS)
def test_some_new_ones_stand_beside_the_old_ones_and_one_more_than_is_wanted(count: int, new: int) -> None:
    wanted = rolled(OLD.model_copy(update={"count": count}), NEW, new=new, back=False)
    there = Counter(slot.version for slot in standing(wanted))
    assert there == {"1.1.0": min(new, count), "1.0.0": count + 1 - min(new, count)}
    assert len({slot.name for slot in standing(wanted)}) == count + 1


@given(count=COUNTS, new=st.none() | COUNTS)
def test_going_back_from_anywhere_is_what_was_there_before(count: int, new: int | None) -> None:
    before = OLD.model_copy(update={"count": count})
    back = rolled(rolled(before, NEW, new=new, back=False), OLD, new=None, back=True)
    assert back.at_rest == before
    assert standing(back) == standing(before)


def test_each_keeps_its_own_settings() -> None:
    there = {slot.version: slot.configuration for slot in standing(rolled(OLD, NEW, new=1, back=False))}
    assert there == {"1.0.0": {"POOL": "3"}, "1.1.0": {"POOL": "5"}}


def test_further_ones_go_on_where_the_first_ones_were_put() -> None:
    first = rolled(OLD, NEW, new=1, back=False)
    further = rolled(first, NEW, new=2, back=False)
    assert (further.before, further.new) == (OLD, 2)
    whole = rolled(further, NEW, new=None, back=False)
    assert {slot.version for slot in standing(whole)} == {"1.1.0"}
    assert len(standing(whole)) == 2


def test_what_stands_already_is_not_begun_anew() -> None:
    assert rolled(OLD, OLD, new=None, back=True) == OLD


def test_a_place_is_taken_by_its_version_with_its_settings_and_by_no_other() -> None:
    (slot, *_), (other, *_) = standing(OLD), standing(OLD.model_copy(update={"configuration": {"POOL": "5"}}))
    status = ProcessStatus(
        name=slot.name, state=ProcessState.READY, pid=1, restarts=0, since=AT, last_exit=None, log=FOLDER / "log", labels={**slot.labels, "more": "1"}
    )
    assert slot.is_taken_by(status)
    assert not other.is_taken_by(status)
