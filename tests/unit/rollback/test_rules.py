"""Which way back is open: a warm release that has served members, and no other."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.rollback.rules import NoWay, WayBack, way_back
from unioneyes.ports.replicas import Replica, incumbent
from unioneyes.ports.traffic import Colour, Weights

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)


def replica(colour: Colour, *, ready: bool = True, served: bool = True) -> Replica:
    return Replica(name=f"{colour}-1", colour=colour, version="1.0.0", alive=True, ready=ready, restarts=0, since=AT, served=served)


def test_a_warm_colour_that_has_served_is_the_way_back() -> None:
    found = way_back(Weights.all_to(Colour.GREEN), (replica(Colour.BLUE), replica(Colour.GREEN)))
    assert isinstance(found, WayBack)
    assert (found.colour, found.version) == (Colour.BLUE, "1.0.0")


def test_a_release_that_was_only_tried_is_no_way_back() -> None:
    found = way_back(Weights.all_to(Colour.BLUE), (replica(Colour.BLUE), replica(Colour.GREEN, served=False)))
    assert isinstance(found, NoWay)
    assert "never served" in found.why
    assert "ue run cancel" in found.remedy


def test_a_colour_without_a_ready_replica_is_no_way_back() -> None:
    assert isinstance(way_back(Weights.all_to(Colour.GREEN), (replica(Colour.BLUE, ready=False), replica(Colour.GREEN))), NoWay)
    assert isinstance(way_back(Weights.all_to(Colour.GREEN), (replica(Colour.GREEN),)), NoWay)


def test_where_nothing_serves_there_is_nothing_to_go_back_from() -> None:
    assert isinstance(way_back(Weights(), ()), NoWay)


@pytest.mark.parametrize("share", [1, 10, 50, 90, 99])
def test_while_requests_are_split_the_way_back_leads_to_whoever_served_all_of_them_before(share: int) -> None:
    found = way_back(Weights.part_to(Colour.GREEN, share), (replica(Colour.BLUE), replica(Colour.GREEN, served=False)))
    assert isinstance(found, WayBack)
    assert found.colour is Colour.BLUE


@pytest.mark.parametrize("share", [1, 50, 99])
def test_where_both_have_served_the_way_back_leads_to_whoever_was_there_first(share: int) -> None:
    blue, green = replace(replica(Colour.BLUE), placed=AT + timedelta(hours=1)), replace(replica(Colour.GREEN), placed=AT)
    found = way_back(Weights.part_to(Colour.GREEN, share), (blue, green))
    assert isinstance(found, WayBack)
    assert found.colour is Colour.GREEN


def test_while_requests_are_split_a_colour_without_a_ready_replica_is_no_way_back_either() -> None:
    assert isinstance(way_back(Weights.part_to(Colour.GREEN, 10), (replica(Colour.BLUE, ready=False), replica(Colour.GREEN, served=False))), NoWay)


@given(st.integers(1, 99), st.booleans(), st.booleans())
def test_the_way_back_never_depends_on_who_has_most_of_the_requests(share: int, blue_served: bool, green_served: bool) -> None:  # noqa: FBT001 - Hypothesis gives them
    replicas = (replace(replica(Colour.BLUE, served=blue_served), placed=AT), replace(replica(Colour.GREEN, served=green_served), placed=AT + timedelta(1)))
    expected = Colour.GREEN if green_served and not blue_served else Colour.BLUE
    assert incumbent(Weights.part_to(Colour.GREEN, share), replicas) is expected
