"""One version takes the place of another on its colour, replica by replica: nothing is lost, and it may be turned round wherever it is."""

from __future__ import annotations

import pytest

from tests.contract.processes.conftest import PATIENCE
from tests.contract.replicas.conftest import Service
from tests.contract.replicas.rolling import NEW, OLD, RollPromises
from tests.contract.traffic.load import load
from unioneyes.adapters.processes.replicas import LocalReplicas
from unioneyes.kernel.cancelling import look_at_run
from unioneyes.kernel.fencing import FencedOff, fencing_token
from unioneyes.ports.traffic import Colour, Weights

pytestmark = pytest.mark.stack
BLUE = Colour.BLUE


@pytest.fixture
def serving(service: Service) -> Service:
    """Two replicas of 1.0.0 serve all members on blue."""
    service.replicas.start(BLUE, version=OLD, count=2, within=PATIENCE)
    service.edge.traffic.shift(Weights.all_to(BLUE))
    service.replicas.mark_served(BLUE)
    return service


def stands(service: Service) -> dict[str, str]:
    """Return the version of each ready replica."""
    return {replica.name: replica.version for replica in service.replicas.all() if replica.ready}


class TestLocalRolls(RollPromises):
    """The promises of a roll, kept by processes."""


def test_replicas_are_replaced_one_by_one_under_load_and_nothing_is_lost(serving: Service) -> None:
    with load(serving.edge.members) as members:
        members.wait_for(200)
        rolled = serving.replicas.roll(BLUE, version=NEW, within=PATIENCE)
        members.wait_for(200)
        back = serving.replicas.roll(BLUE, version=OLD, within=PATIENCE, back=True)
        members.wait_for(200)
    assert set(members.outcomes) == {OLD, NEW}
    assert (rolled.version, rolled.new, rolled.count, back.new) == (NEW, 2, 2, 2)
    assert stands(serving) == {"blue-1": OLD, "blue-2": OLD}
    assert serving.edge.traffic.counters().blue.replicas == 2


def test_a_roll_that_must_stop_in_its_middle_ends_on_the_old_version_every_time(serving: Service) -> None:
    """A run that was told to stop leaves the roll anywhere; whoever takes over goes back from there."""
    for stops_after in range(8):
        left = stops_after * 4

        def look() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt

        outside = look_at_run.set(look)
        try:
            serving.replicas.roll(BLUE, version=NEW, within=PATIENCE)
        except KeyboardInterrupt:
            pass
        finally:
            look_at_run.reset(outside)
        serving.replicas.roll(BLUE, version=OLD, within=PATIENCE, back=True)
        assert stands(serving) == {"blue-1": OLD, "blue-2": OLD}


def test_who_was_at_it_before_is_late_once_another_rolls_back(serving: Service) -> None:
    """Also where there was nothing to put back: what the late one orders from then on is refused."""
    before = fencing_token.set(1)
    try:
        serving.replicas.roll(BLUE, version=NEW, new=1, within=PATIENCE)
        newer = fencing_token.set(2)
        serving.replicas.roll(BLUE, version=OLD, within=PATIENCE, back=True)
        fencing_token.reset(newer)
        with pytest.raises(FencedOff):
            serving.replicas.roll(BLUE, version=NEW, within=PATIENCE)
        with pytest.raises(FencedOff):
            serving.edge.supervisor.stop("blue-1")
    finally:
        fencing_token.reset(before)
    assert stands(serving) == {"blue-1": OLD, "blue-2": OLD}


def test_after_the_machine_was_down_a_roll_stands_where_it_stood(serving: Service) -> None:
    serving.replicas.roll(BLUE, version=NEW, new=1, within=PATIENCE)
    before = stands(serving)
    serving.edge.supervisor.shutdown(PATIENCE)
    serving.edge.up()
    serving.replicas.restore(within=PATIENCE)
    assert stands(serving) == before
    assert serving.edge.traffic.counters().blue.healthy == 3


def test_what_a_person_would_type_is_told_in_its_order(serving: Service) -> None:
    replicas: LocalReplicas = serving.replicas
    first, *between, last = replicas.describe_roll(BLUE, version=NEW)
    assert "blue-3.sock" in first
    assert '["blue-1"]' in between[0]
    assert "blue-1.sock" in between[1]
    assert '["blue-2"]' in between[2]
    assert '["blue-3"]' in last
