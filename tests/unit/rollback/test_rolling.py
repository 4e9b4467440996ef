"""Where a roll goes back to: to what stood before it, whenever somebody turns it round."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from unioneyes.operations.rollback.rules import ON_ITS_WAY, Back, NoWay, back_from_roll, way_back
from unioneyes.ports.replicas import Replica, Revision, Rolling
from unioneyes.ports.traffic import Colour, Weights

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
OLDER, OLD, NEW = "0.9.0", "1.0.0", "1.1.0"
FORWARDS = Rolling(colour=Colour.BLUE, version=NEW, before=OLD, back=False)


def served(*versions: str, bad: str | None = None) -> tuple[Revision, ...]:
    """Return revisions, newest first."""
    return tuple(
        Revision(number=number, version=version, replicas=2, configuration={"OF": version}, since=AT, until=None, bad=version == bad)
        for number, version in zip(range(len(versions), 0, -1), versions, strict=True)
    )


def back(revisions: tuple[Revision, ...], rolling: Rolling | None, serving: str, *, to: int | None = None, began: bool | None = None) -> Back:
    found = back_from_roll(revisions, rolling, serving, to=to, began=began)
    assert isinstance(found, Back), found
    return found


@pytest.mark.parametrize("began", [None, True, False])
@pytest.mark.parametrize("serving", [OLD, NEW])
def test_a_roll_under_way_goes_back_to_what_stood_before_it_whoever_is_seen_serving(serving: str, *, began: bool | None) -> None:
    found = back(served(OLD, OLDER), FORWARDS, serving, began=began)
    assert (found.version, found.configuration, found.away_from) == (OLD, {"OF": OLD}, NEW)


def test_a_deployment_that_gave_all_members_to_its_version_goes_back_to_what_served_before_it() -> None:
    found = back(served(NEW, OLD, OLDER), None, NEW, began=True)
    assert (found.version, found.away_from, found.bad_since) == (OLD, NEW, AT)


def test_a_deployment_that_had_replaced_nothing_leaves_what_serves_where_it_is() -> None:
    found = back(served(OLD, OLDER), None, OLD, began=False)
    assert (found.version, found.away_from, found.bad_since) == (OLD, ON_ITS_WAY, None)


def test_a_deployment_that_was_being_taken_back_already_stays_on_the_old_version() -> None:
    assert back(served(OLD, NEW, OLD, bad=NEW), None, OLD, began=True).version == OLD


def test_where_nothing_is_under_way_it_goes_to_the_last_good_one_before() -> None:
    assert back(served(NEW, OLD, OLDER), None, NEW).version == OLD
    assert back(served(NEW, OLD, OLDER, bad=OLD), None, NEW).version == OLDER


def test_a_way_back_that_was_left_in_its_middle_is_gone_on_with() -> None:
    """The bad version is the newest that served all members."""
    halfway = Rolling(colour=Colour.BLUE, version=OLD, before=NEW, back=True)
    found = back(served(NEW, OLD), halfway, NEW)
    assert (found.version, found.away_from) == (OLD, NEW)


def test_a_revision_that_is_named_is_the_one() -> None:
    assert back(served(NEW, OLD, OLDER), None, NEW, to=1).version == OLDER
    unknown = back_from_roll(served(NEW, OLD), None, NEW, to=7, began=None)
    assert isinstance(unknown, NoWay)
    assert "one of: 2, 1" in unknown.remedy


def test_without_anything_before_there_is_no_way() -> None:
    assert isinstance(back_from_roll((), None, NEW, to=None, began=None), NoWay)
    assert isinstance(back_from_roll(served(NEW), None, NEW, to=None, began=None), NoWay)
    assert isinstance(back_from_roll(served(NEW), None, NEW, to=None, began=True), NoWay)


def test_traffic_has_no_way_back_while_both_stand_on_one_colour_and_says_which_there_is() -> None:
    mixed = tuple(
        Replica(name=f"blue-{number}", colour=Colour.BLUE, version=version, alive=True, ready=True, restarts=0, since=AT, served=version == OLD)
        for number, version in enumerate((OLD, NEW), 1)
    )
    found = way_back(Weights.all_to(Colour.BLUE), mixed)
    assert isinstance(found, NoWay)
    assert "1.0.0 and 1.1.0" in found.why
    assert "ue rollback rolling" in found.remedy
