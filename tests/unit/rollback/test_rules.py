"""Which way back is open: a warm release that has served members, and no other."""

from datetime import UTC, datetime

from unioneyes.operations.rollback.rules import NoWay, WayBack, way_back
from unioneyes.ports.replicas import Replica
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
