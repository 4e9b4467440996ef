"""The promises of the port, whichever world keeps them: each world's tests inherit these, and give a fixture `world`."""

from __future__ import annotations

import http.client
import re
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from tests.contract.processes.conftest import eventually
from tests.contract.replicas.world import BROKEN, MUTE, World
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.replicas import NoReadyReplica
from unioneyes.ports.traffic import Colour

BLUE, GREEN = Colour.BLUE, Colour.GREEN
PATIENCE = timedelta(seconds=90)
FOR_EVER = timedelta(hours=1)


def start(world: World, colour: Colour, version: str = "1.0.0", count: int = 2) -> None:
    ready = world.replicas.start(colour, version=version, count=count, within=PATIENCE)
    assert (ready.colour, ready.version, ready.count) == (colour, version, count)


def standing(world: World) -> list[tuple[Colour, str, bool]]:
    return [(replica.colour, replica.version, replica.ready) for replica in world.replicas.all()]


class ReplicasPromises:
    """What every adapter of the port does."""

    def test_a_colour_that_was_started_runs_so_many_replicas_and_answers(self, world: World) -> None:
        start(world, BLUE)
        assert standing(world) == [(BLUE, "1.0.0", True), (BLUE, "1.0.0", True)]
        assert len({replica.name for replica in world.replicas.all()}) == 2
        assert world.ask(BLUE) == "1.0.0"

    def test_starting_what_runs_already_changes_nothing(self, world: World) -> None:
        start(world, BLUE)
        before = world.running(BLUE)
        start(world, BLUE)
        assert world.running(BLUE) == before

    def test_another_version_takes_the_place_of_the_one_before(self, world: World) -> None:
        start(world, BLUE)
        before = world.running(BLUE)
        start(world, BLUE, "1.1.0", count=1)
        assert standing(world) == [(BLUE, "1.1.0", True)]
        assert not before & world.running(BLUE)
        assert world.ask(BLUE) == "1.1.0"

    def test_more_or_fewer_replicas_leave_those_that_stay_alone(self, world: World) -> None:
        start(world, GREEN, count=1)
        first = world.running(GREEN)
        start(world, GREEN, count=3)
        assert first < world.running(GREEN)
        three = world.running(GREEN)
        start(world, GREEN, count=1)
        assert len(world.running(GREEN)) == 1
        assert world.running(GREEN) < three

    def test_a_colour_that_was_stopped_runs_nothing_and_stopping_it_again_is_no_error(self, world: World) -> None:
        start(world, BLUE, count=1)
        for _ in range(2):
            world.replicas.stop(BLUE)
            assert world.replicas.all() == ()
            assert not world.running(BLUE)

    def test_a_release_that_ends_at_once_is_not_waited_for(self, world: World) -> None:
        with pytest.raises(NoReadyReplica, match=r"blue-\S+ ended by itself \d times, last with exit code 1: .*no such table"):
            world.replicas.start(BLUE, version=BROKEN, count=1, within=FOR_EVER)
        world.replicas.stop(BLUE)
        assert world.replicas.all() == ()

    def test_a_release_that_never_says_it_is_well_is_waited_for_as_long_as_asked(self, world: World) -> None:
        with pytest.raises(NoReadyReplica, match=r"blue-\S+ is .*after [45]\.\d s"):
            world.replicas.start(BLUE, version=MUTE, count=1, within=timedelta(seconds=5))
        assert [(replica.alive, replica.ready) for replica in world.replicas.all()] == [(True, False)]

    def test_a_replica_that_ended_by_itself_is_back_and_its_restart_is_counted(self, world: World) -> None:
        start(world, BLUE, count=1)
        world.fail(BLUE)
        eventually(lambda: [(replica.restarts, replica.ready) for replica in world.replicas.all()] == [(1, True)])

    def test_a_rehearsal_answers_at_its_own_address_and_is_no_replica(self, world: World) -> None:
        url = ""
        for version in ("1.0.0", "1.1.0"):
            url = world.replicas.start_rehearsal(version=version, database_url=SecretStr("postgresql://scratch"), within=PATIENCE)
            assert _version_at(url) == version
            assert world.rehearses_on() == "postgresql://scratch"
        assert world.replicas.all() == ()
        world.replicas.stop_rehearsal()
        world.replicas.stop_rehearsal()
        with pytest.raises(OSError, match=r"refused|unreachable|No route|timed out"):
            _version_at(url)

    def test_a_rehearsal_that_does_not_start_says_why(self, world: World) -> None:
        with pytest.raises(NoReadyReplica, match="no such table"):
            world.replicas.start_rehearsal(version=BROKEN, database_url=SecretStr("postgresql://scratch"), within=FOR_EVER)
        world.replicas.stop_rehearsal()

    def test_logs_are_those_of_the_colour_since_then_at_the_level_or_above(self, world: World) -> None:
        start(world, BLUE, count=1)
        (replica,) = world.replicas.all()
        started = datetime.now(UTC)
        for level in ("INFO", "ERROR", "WARNING"):
            world.ask(BLUE, f"/log/{level}")
        eventually(lambda: len(world.replicas.logs(BLUE, since=started, level="WARNING")) == 2)
        assert [(line.replica, line.level, line.message, line.request_id) for line in world.replicas.logs(BLUE, since=started, level="WARNING")] == [
            (replica.name, "ERROR", "ERROR was asked for", "r-1"),
            (replica.name, "WARNING", "WARNING was asked for", "r-1"),
        ]
        assert world.replicas.logs(BLUE, since=datetime.now(UTC)) == ()

    def test_what_replicas_said_before_they_ended_by_themselves_is_told_and_how_they_ended(self, world: World) -> None:
        started = datetime.now(UTC) - timedelta(seconds=1)
        with pytest.raises(NoReadyReplica):
            world.replicas.start(GREEN, version=BROKEN, count=1, within=PATIENCE)
        said = {line.message for line in world.replicas.logs(GREEN, since=started, level="ERROR")}
        assert any(re.match("ended by itself: exit code 1", message) for message in said)
        assert any("no such table" in line.message for line in world.replicas.logs(GREEN, since=started))

    def test_a_level_that_does_not_exist_is_refused(self, world: World) -> None:
        with pytest.raises(BadInput, match="LOUD"):
            world.replicas.logs(BLUE, since=datetime.now(UTC), level="LOUD")

    def test_no_replicas_are_bad_input(self, world: World) -> None:
        with pytest.raises(BadInput, match="0 replicas"):
            world.replicas.start(BLUE, version="1.0.0", count=0, within=PATIENCE)

    def test_what_has_served_is_remembered_until_another_version_takes_its_place(self, world: World) -> None:
        start(world, BLUE)
        assert not any(replica.served for replica in world.replicas.all())
        world.replicas.mark_served(BLUE)
        start(world, BLUE)
        assert all(replica.served for replica in world.replicas.all())
        start(world, BLUE, "1.1.0")
        assert not any(replica.served for replica in world.replicas.all())

    def test_what_the_replicas_counted_is_told_by_replica(self, world: World) -> None:
        start(world, BLUE)
        told = world.replicas.outcomes(BLUE)
        names = [replica.name for replica in world.replicas.all()]
        assert [(each.replica, each.name, each.answers, each.errors) for each in told] == [(name, "1.0.0", 3, 1) for name in names]
        assert world.replicas.outcomes(GREEN) == ()

    def test_when_a_version_was_put_on_its_colour_is_kept_until_another_takes_its_place(self, world: World) -> None:
        start(world, BLUE)
        (first,) = {replica.placed for replica in world.replicas.all()}
        start(world, BLUE, count=1)
        assert {replica.placed for replica in world.replicas.all()} == {first}
        start(world, BLUE, "1.1.0", count=1)
        (later,) = {replica.placed for replica in world.replicas.all()}
        assert first is not None
        assert later is not None
        assert later > first

    def test_each_release_that_served_is_a_revision_with_the_configuration_it_was_started_with(self, world: World) -> None:
        first = world.configured({"POOL": "3"})
        first.start(BLUE, version="1.0.0", count=1, within=PATIENCE)
        assert first.revisions() == (), "nothing has served yet"
        first.mark_served(BLUE)
        first.mark_served(BLUE)
        later = world.configured({"POOL": "5"})
        later.mark_served(BLUE)
        assert [(one.number, one.configuration, one.until) for one in later.revisions()] == [(1, {"POOL": "3"}, None)], (
            "what runs keeps what it was started with"
        )
        later.start(GREEN, version="1.1.0", count=2, within=PATIENCE)
        later.mark_served(GREEN)
        newest, oldest = later.revisions()
        assert (newest.number, newest.version, newest.replicas, newest.configuration, newest.until) == (2, "1.1.0", 2, {"POOL": "5"}, None)
        assert (oldest.number, oldest.until) == (1, newest.since)

    def test_a_revision_comes_back_with_its_own_configuration(self, world: World) -> None:
        replicas = world.configured({"POOL": "5"})
        replicas.start(BLUE, version="1.0.0", count=1, within=PATIENCE, configuration={"POOL": "3"})
        replicas.mark_served(BLUE)
        assert world.settings_of(BLUE) == [{"POOL": "3"}]
        assert replicas.revisions()[0].configuration == {"POOL": "3"}

    def test_what_was_rolled_back_is_kept_as_bad(self, world: World) -> None:
        replicas = world.replicas
        start(world, BLUE)
        replicas.mark_served(BLUE)
        start(world, GREEN, "1.1.0")
        replicas.mark_served(GREEN)
        replicas.mark_served(BLUE, after_rollback=True)
        replicas.mark_served(BLUE, after_rollback=True)
        assert [(one.number, one.version, one.bad) for one in replicas.revisions()] == [(3, "1.0.0", False), (2, "1.1.0", True), (1, "1.0.0", False)]


def _version_at(url: str) -> str:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode().split('"version": "')[1].split('"')[0]
    finally:
        connection.close()
