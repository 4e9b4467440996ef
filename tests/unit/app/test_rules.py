"""Which colour is meant, and how many pods it gets."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.operations.app.model import ScaleRequest
from unioneyes.operations.app.rules import MOST_PODS, NoNumber, NothingServes, chosen_colour, spoken, wanted_size
from unioneyes.ports.pods import Autoscaler, Bounds, NoSuchAutoscaler, Size
from unioneyes.ports.replicas import Replica
from unioneyes.ports.traffic import Colour, Weights

BLUE, GREEN = Colour.BLUE, Colour.GREEN


def replica(colour: Colour, version: str) -> Replica:
    return Replica(name=f"{colour}-1", colour=colour, version=version, alive=True, ready=True, restarts=0, since=datetime(2026, 2, 9, tzinfo=UTC), served=True)


def bounds() -> st.SearchStrategy[Bounds]:
    return st.tuples(st.integers(1, 50), st.integers(0, 50)).map(lambda drawn: Bounds(least=drawn[0], most=drawn[0] + drawn[1]))


def test_the_colour_that_serves_is_meant_unless_another_one_is_named() -> None:
    replicas = (replica(BLUE, "1.0.0"), replica(GREEN, "1.1.0"))
    assert chosen_colour(Weights.all_to(GREEN), replicas, None) == (GREEN, "1.1.0")
    assert chosen_colour(Weights.all_to(GREEN), replicas, BLUE) == (BLUE, "1.0.0")


@pytest.mark.parametrize(("weights", "asked", "says"), [(Weights(), None, "nothing is deployed"), (Weights.all_to(BLUE), GREEN, "nothing runs on green")])
def test_where_nothing_runs_there_is_nothing_to_restart(weights: Weights, asked: Colour | None, says: str) -> None:
    with pytest.raises(NothingServes, match=says):
        chosen_colour(weights, (replica(BLUE, "1.0.0"),), asked)


@pytest.mark.parametrize("count", [0, -1, MOST_PODS + 1])
def test_no_pod_at_all_is_not_what_anybody_wants_nor_more_than_there_are(count: int) -> None:
    with pytest.raises(NoNumber, match=f"{count} pods"):
        wanted_size(Size(count=2, autoscaler=None), ScaleRequest(count=count))


@pytest.mark.parametrize("request_", [ScaleRequest(), ScaleRequest(count=3, auto=True)])
def test_it_takes_a_number_or_the_autoscaler_and_not_both(request_: ScaleRequest) -> None:
    with pytest.raises(NoNumber, match="a number of pods, or --auto"):
        wanted_size(Size(count=2, autoscaler=None), request_)


def test_without_an_autoscaler_there_is_none_to_give_back_to() -> None:
    assert wanted_size(Size(count=2, autoscaler=None), ScaleRequest(count=5)) == Size(count=5, autoscaler=None)
    with pytest.raises(NoSuchAutoscaler):
        wanted_size(Size(count=2, autoscaler=None), ScaleRequest(auto=True))


@given(own=bounds(), counts=st.lists(st.integers(1, 100), min_size=1, max_size=4))
def test_an_autoscaler_is_held_at_the_number_and_gets_its_own_bounds_back_however_often_it_was_held(own: Bounds, counts: list[int]) -> None:
    size = Size(count=own.least, autoscaler=Autoscaler(name="web", bounds=own, own=None))
    for count in counts:
        size = wanted_size(size, ScaleRequest(count=count))
        assert size.count == count
        assert size.autoscaler == Autoscaler(name="web", bounds=Bounds(least=count, most=count), own=own)
    back = wanted_size(size, ScaleRequest(auto=True))
    assert back.autoscaler == Autoscaler(name="web", bounds=own, own=None)
    assert own.least <= back.count <= own.most
    assert wanted_size(back, ScaleRequest(auto=True)) == back


def test_a_size_is_said_as_people_say_it() -> None:
    own = Bounds(least=2, most=10)
    assert spoken(Size(count=1, autoscaler=None)) == "1 pod"
    assert spoken(Size(count=4, autoscaler=Autoscaler(name="web", bounds=own, own=None))) == "4 pods, autoscaler web chooses 2 to 10"
    held = Autoscaler(name="web", bounds=Bounds(least=4, most=4), own=own)
    assert spoken(Size(count=4, autoscaler=held)) == "4 pods, autoscaler web is held (its own: 2 to 10)"
