"""The promises of a roll, whichever world keeps them: each world's tests inherit these, and give a fixture `world`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.contract.replicas.promises import BLUE, FOR_EVER, GREEN, PATIENCE
from tests.contract.replicas.world import BROKEN, MUTE, World
from unioneyes.ports.replicas import CanNotRoll, NoReadyReplica, Replicas

OLD, NEW = "1.0.0", "1.1.0"


def versions(world: World) -> list[str]:
    """Return the version of each ready replica on blue."""
    return sorted(replica.version for replica in world.replicas.all() if replica.colour is BLUE and replica.ready)


def serving(world: World, replicas: Replicas | None = None, *, count: int = 2) -> None:
    """So many replicas of 1.0.0 serve on blue."""
    by = replicas or world.replicas
    by.start(BLUE, version=OLD, count=count, within=PATIENCE)
    by.mark_served(BLUE)


class RollPromises:
    """What every adapter does that can roll."""

    def test_replicas_are_replaced_and_as_many_as_before_stand(self, world: World) -> None:
        serving(world)
        before = world.running(BLUE)
        rolled = world.replicas.roll(BLUE, version=NEW, within=PATIENCE)
        assert (rolled.colour, rolled.version, rolled.new, rolled.count) == (BLUE, NEW, 2, 2)
        assert versions(world) == [NEW, NEW]
        assert not before & world.running(BLUE)
        rolling = world.replicas.rolling(BLUE)
        assert rolling is not None
        assert (rolling.version, rolling.before, rolling.back) == (NEW, OLD, False)
        world.replicas.mark_served(BLUE)
        assert world.replicas.rolling(BLUE) is None
        assert [revision.version for revision in world.replicas.revisions()] == [NEW, OLD]

    def test_a_part_of_them_stands_beside_all_the_others_until_it_goes_on(self, world: World) -> None:
        serving(world)
        before = world.running(BLUE)
        for _ in range(2):
            first = world.replicas.roll(BLUE, version=NEW, new=1, within=PATIENCE)
            assert (first.new, first.count) == (1, 2)
            assert versions(world) == [OLD, OLD, NEW]
            assert before < world.running(BLUE), "no old one went before the first new one was looked at"
        second = world.replicas.roll(BLUE, version=NEW, new=2, within=PATIENCE)
        assert (second.new, versions(world).count(NEW)) == (2, 2)
        assert OLD in versions(world)
        assert {replica.version for replica in world.replicas.all() if replica.served} == {OLD}
        world.replicas.roll(BLUE, version=NEW, within=PATIENCE)
        assert versions(world) == [NEW, NEW]

    @pytest.mark.parametrize("new", [1, 2, None])
    def test_wherever_it_is_it_goes_back_to_what_served(self, world: World, new: int | None) -> None:
        serving(world)
        for _ in range(2):
            world.replicas.roll(BLUE, version=NEW, new=new, within=PATIENCE)
            world.replicas.roll(BLUE, version=OLD, within=PATIENCE, back=True)
            assert versions(world) == [OLD, OLD]
            assert all(replica.served for replica in world.replicas.all())
            assert world.replicas.rolling(BLUE) is None
            assert [revision.version for revision in world.replicas.revisions()] == [OLD]

    def test_from_a_version_that_served_it_goes_back_to_the_one_before_with_its_own_settings(self, world: World) -> None:
        serving(world, world.configured({"POOL": "3"}), count=1)
        now = world.configured({"POOL": "5"})
        now.roll(BLUE, version=NEW, within=PATIENCE)
        now.mark_served(BLUE)
        assert world.settings_of(BLUE) == [{"POOL": "5"}]
        newest, oldest = now.revisions()
        assert (newest.version, newest.configuration, oldest.configuration) == (NEW, {"POOL": "5"}, {"POOL": "3"})
        now.roll(BLUE, version=OLD, configuration=oldest.configuration, within=PATIENCE, back=True)
        assert world.settings_of(BLUE) == [{"POOL": "3"}]
        rolling = now.rolling(BLUE)
        assert rolling is not None
        assert (rolling.version, rolling.back) == (OLD, True)
        now.mark_served(BLUE, after_rollback=True)
        assert [(each.version, each.configuration, each.bad) for each in now.revisions()] == [
            (OLD, {"POOL": "3"}, False),
            (NEW, {"POOL": "5"}, True),
            (OLD, {"POOL": "3"}, False),
        ]

    def test_other_settings_of_the_same_version_are_rolled_too_and_what_stands_already_is_left_alone(self, world: World) -> None:
        serving(world)
        before = world.running(BLUE)
        world.replicas.roll(BLUE, version=OLD, configuration={"POOL": "5"}, within=PATIENCE)
        after = world.running(BLUE)
        assert not before & after
        assert world.settings_of(BLUE) == [{"POOL": "5"}] * 2
        world.replicas.roll(BLUE, version=OLD, configuration={"POOL": "5"}, within=PATIENCE)
        assert world.running(BLUE) == after

    @pytest.mark.parametrize(("bad", "within", "why"), [(BROKEN, FOR_EVER, "no such table"), (MUTE, timedelta(seconds=3), " after ")])
    def test_a_version_that_does_not_get_ready_takes_nobody_s_place(self, world: World, bad: str, within: timedelta, why: str) -> None:
        serving(world)
        before = world.running(BLUE)
        with pytest.raises(NoReadyReplica, match=why):
            world.replicas.roll(BLUE, version=bad, within=within)
        assert versions(world) == [OLD, OLD]
        world.replicas.roll(BLUE, version=OLD, within=PATIENCE, back=True)
        assert world.running(BLUE) == before
        assert world.replicas.rolling(BLUE) is None

    def test_a_colour_that_runs_nothing_can_not_be_rolled(self, world: World) -> None:
        with pytest.raises(CanNotRoll):
            world.replicas.roll(GREEN, version=NEW, within=PATIENCE)
        with pytest.raises(CanNotRoll):
            world.replicas.describe_roll(GREEN, version=NEW)
        assert world.replicas.rolling(GREEN) is None
