"""One version takes the place of another on its colour, replica by replica: nothing is lost, and it may be turned round wherever it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.contract.processes.conftest import PATIENCE
from tests.contract.replicas.conftest import Service
from tests.contract.replicas.world import BROKEN, MUTE
from tests.contract.traffic.load import load
from unioneyes.adapters.processes.replicas import LocalReplicas
from unioneyes.kernel.cancelling import look_at_run
from unioneyes.kernel.fencing import FencedOff, fencing_token
from unioneyes.ports.replicas import CanNotRoll, NoReadyReplica
from unioneyes.ports.traffic import Colour, Weights

pytestmark = pytest.mark.stack
BLUE, GREEN = Colour.BLUE, Colour.GREEN
OLD, NEW = "1.0.0", "1.1.0"
FOR_EVER = timedelta(hours=1)


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


def versions(service: Service) -> list[str]:
    return sorted(stands(service).values())


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


def test_a_part_of_them_is_replaced_beside_all_the_others_until_it_goes_on(serving: Service) -> None:
    first = serving.replicas.roll(BLUE, version=NEW, new=1, within=PATIENCE)
    assert (first.new, first.count) == (1, 2)
    assert versions(serving) == [OLD, OLD, NEW], "no old one went before the first new one was looked at"
    assert serving.edge.traffic.counters().blue.healthy == 3
    again = serving.replicas.roll(BLUE, version=NEW, new=1, within=PATIENCE)
    assert (again.new, versions(serving)) == (1, [OLD, OLD, NEW])
    serving.replicas.roll(BLUE, version=NEW, new=2, within=PATIENCE)
    assert versions(serving) == [OLD, NEW, NEW]
    serving.replicas.roll(BLUE, version=NEW, within=PATIENCE)
    assert stands(serving) == {"blue-1": NEW, "blue-2": NEW}


@pytest.mark.parametrize("new", [1, 2, None])
def test_wherever_it_is_it_goes_back_to_what_served(serving: Service, new: int | None) -> None:
    for _ in range(2):
        serving.replicas.roll(BLUE, version=NEW, new=new, within=PATIENCE)
        rolling = serving.replicas.rolling(BLUE)
        assert rolling is not None
        assert (rolling.version, rolling.before, rolling.back) == (NEW, OLD, False)
        assert {replica.version for replica in serving.replicas.all() if replica.served} == ({OLD} if new else set())
        serving.replicas.roll(BLUE, version=OLD, within=PATIENCE, back=True)
        assert stands(serving) == {"blue-1": OLD, "blue-2": OLD}
        assert all(replica.served for replica in serving.replicas.all())
        assert serving.replicas.rolling(BLUE) is None
        assert [revision.version for revision in serving.replicas.revisions()] == [OLD]


def test_from_a_version_that_served_it_goes_back_to_the_one_before_with_its_own_settings(service: Service) -> None:
    then = replace(service.replicas, configuration=lambda: {"POOL": "3"})
    then.start(BLUE, version=OLD, count=1, within=PATIENCE)
    then.mark_served(BLUE)
    now = replace(service.replicas, configuration=lambda: {"POOL": "5"})
    now.roll(BLUE, version=NEW, within=PATIENCE)
    now.mark_served(BLUE)
    assert now.rolling(BLUE) is None
    newest, oldest = now.revisions()
    assert (newest.version, newest.configuration, oldest.configuration) == (NEW, {"POOL": "5"}, {"POOL": "3"})
    now.roll(BLUE, version=OLD, configuration=oldest.configuration, within=PATIENCE, back=True)
    rolling = now.rolling(BLUE)
    assert rolling is not None
    assert (rolling.version, rolling.back) == (OLD, True)
    now.mark_served(BLUE, after_rollback=True)
    assert [(each.version, each.configuration, each.bad) for each in now.revisions()] == [
        (OLD, {"POOL": "3"}, False),
        (NEW, {"POOL": "5"}, True),
        (OLD, {"POOL": "3"}, False),
    ]


def test_other_settings_of_the_same_version_are_rolled_too(serving: Service) -> None:
    before = {replica.name: replica.since for replica in serving.replicas.all()}
    serving.replicas.roll(BLUE, version=OLD, configuration={"POOL": "5"}, within=PATIENCE)
    assert all(replica.since > before[replica.name] for replica in serving.replicas.all())
    since = {replica.name: replica.since for replica in serving.replicas.all()}
    serving.replicas.roll(BLUE, version=OLD, configuration={"POOL": "5"}, within=PATIENCE)
    assert {replica.name: replica.since for replica in serving.replicas.all()} == since, "what stands already is left alone"


@pytest.mark.parametrize(("bad", "within", "why"), [(BROKEN, FOR_EVER, "no such table"), (MUTE, timedelta(seconds=1), "is starting after")])
def test_a_version_that_does_not_get_ready_takes_nobody_s_place(serving: Service, bad: str, within: timedelta, why: str) -> None:
    with load(serving.edge.members) as members:
        members.wait_for(100)
        with pytest.raises(NoReadyReplica, match=why):
            serving.replicas.roll(BLUE, version=bad, within=within)
        assert versions(serving) == [OLD, OLD]
        serving.replicas.roll(BLUE, version=OLD, within=PATIENCE, back=True)
        members.wait_for(100)
    assert set(members.outcomes) == {OLD}
    assert stands(serving) == {"blue-1": OLD, "blue-2": OLD}


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


def test_a_colour_that_runs_nothing_can_not_be_rolled(service: Service) -> None:
    with pytest.raises(CanNotRoll):
        service.replicas.roll(GREEN, version=NEW, within=PATIENCE)
    with pytest.raises(CanNotRoll):
        service.replicas.describe_roll(GREEN, version=NEW)
    assert service.replicas.rolling(GREEN) is None


def test_what_a_person_would_type_is_told_in_its_order(serving: Service) -> None:
    replicas: LocalReplicas = serving.replicas
    first, *between, last = replicas.describe_roll(BLUE, version=NEW)
    assert "blue-3.sock" in first
    assert '["blue-1"]' in between[0]
    assert "blue-1.sock" in between[1]
    assert '["blue-2"]' in between[2]
    assert '["blue-3"]' in last
