"""What every world's pods promise: one suite, which each world runs with pods of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from tests.contract.processes.conftest import eventually
from unioneyes.ports.pods import Autoscaler, Bounds, NoSuchAutoscaler, NoSuchPod, Phase, Pods, Size
from unioneyes.ports.replicas import LogLine
from unioneyes.ports.traffic import Colour

BLUE, GREEN = Colour.BLUE, Colour.GREEN
WITHIN = timedelta(seconds=60)
VERSION = "1.0.0"
LAST = 50


class Members(Protocol):
    """Who use the service meanwhile."""

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How many requests came to what: the version that answered, or what was wrong."""

    def wait_for(self, answers: int) -> None:
        """Return when so many more requests were answered."""


class World(Protocol):
    """A service whose `VERSION` serves all members on blue."""

    @property
    def pods(self) -> Pods: ...

    def serve(self, count: int) -> None:
        """So many pods serve, and none of them was ever started again."""

    def get(self, pod: str, path: str) -> None:
        """Ask one pod, whether it answers or not."""

    def members(self) -> AbstractContextManager[Members]: ...

    def script(self) -> str:
        """What is typed into a shell of this world to be told `version` and the version, and to end with 7."""


class PodsPromises:
    """Inherited by each world's tests; the fixture `world` gives the world."""

    def test_every_pod_is_told_with_what_it_runs_and_how_it_is(self, world: World) -> None:
        world.serve(2)
        pods = world.pods.all()
        assert [pod.name for pod in pods] == sorted(pod.name for pod in pods)
        assert [(pod.colour, pod.version, pod.phase, pod.state, pod.ready, pod.restarts, pod.last_end) for pod in pods] == [
            (BLUE, VERSION, Phase.RUNNING, "Running", True, 0, None)
        ] * 2
        assert len({pod.image for pod in pods}) == 1
        assert "@sha256:" in pods[0].image
        assert all(pod.node for pod in pods)
        assert all(timedelta(0) < datetime.now(UTC) - pod.since < timedelta(hours=1) for pod in pods)

    def test_a_pod_that_ended_by_itself_says_how_and_what_it_had_said(self, world: World) -> None:
        world.serve(1)
        (name,) = names(world)
        world.get(name, "/log/WARNING")
        world.get(name, "/exit/3")
        eventually(lambda: [(pod.restarts, pod.ready) for pod in world.pods.all()] == [(1, True)])
        (pod,) = world.pods.all()
        assert pod.last_end is not None
        assert (pod.last_end.reason, pod.last_end.exit_code, pod.last_end.message) == ("Error", 3, "all is lost")
        assert pod.last_end.at is not None
        world.get(name, "/log/ERROR")
        before = said(world.pods.logs(pods=(name,), last=LAST, previous=True))
        assert ("WARNING", "WARNING was asked for") in before
        assert ("CRITICAL", "all is lost") in before
        assert ("ERROR", "ERROR was asked for") not in before
        eventually(lambda: ("ERROR", "ERROR was asked for") in said(world.pods.logs(pods=(name,), last=LAST)))

    def test_of_a_pod_that_was_never_started_again_there_is_no_life_before(self, world: World) -> None:
        world.serve(1)
        assert world.pods.logs(pods=names(world), last=LAST, previous=True) == ()

    def test_logs_are_the_last_lines_of_the_named_pods_in_their_order(self, world: World) -> None:
        world.serve(2)
        first, second = names(world)
        for pod, level in ((first, "INFO"), (second, "ERROR"), (first, "WARNING"), (second, "CRITICAL")):
            world.get(pod, f"/log/{level}")
        wanted = [(first, "INFO"), (second, "ERROR"), (first, "WARNING"), (second, "CRITICAL")]

        def asked(lines: tuple[LogLine, ...]) -> list[tuple[str, str]]:
            return [(line.replica, line.level) for line in lines if line.message.endswith("was asked for")]

        eventually(lambda: asked(world.pods.logs(pods=(first, second), last=LAST)) == wanted)
        assert asked(world.pods.logs(pods=(first, second), last=2)) == wanted[2:]
        assert asked(world.pods.logs(pods=(second,), last=LAST)) == [wanted[1], wanted[3]]
        lines = world.pods.logs(pods=(first, second), last=LAST)
        (line,) = (line for line in lines if line.level == "WARNING")
        assert line.request_id == "r-1"
        assert [each.level for each in world.pods.logs(pods=(first, second), last=LAST, since=line.at) if each.at >= line.at] == ["WARNING", "CRITICAL"]
        assert world.pods.logs(pods=(first, second), last=LAST, since=datetime.now(UTC) + timedelta(minutes=1)) == ()

    def test_what_is_followed_comes_as_it_is_logged_also_after_a_restart_and_nothing_is_said_meanwhile(self, world: World) -> None:
        world.serve(1)
        (name,) = names(world)
        world.get(name, "/log/INFO")
        with closing(world.pods.follow(pods=(name,), last=LAST)) as lines:
            assert until(lines, "INFO was asked for")
            assert any(line is None for line in (next(lines) for _ in range(10))), "whoever follows is told that nothing comes"
            world.get(name, "/log/WARNING")
            assert until(lines, "WARNING was asked for")
            world.get(name, "/exit/3")
            assert until(lines, "all is lost")
            eventually(lambda: [(pod.restarts, pod.ready) for pod in world.pods.all()] == [(1, True)])
            world.get(name, "/log/ERROR")
            assert until(lines, "ERROR was asked for")

    def test_whoever_follows_what_goes_is_told_that_it_went(self, world: World) -> None:
        world.serve(2)
        gone = names(world)[1]
        with closing(world.pods.follow(pods=(gone,), last=1)) as lines:
            world.pods.resize(BLUE, Size(count=1, autoscaler=world.pods.size(BLUE).autoscaler), within=WITHIN)
            if gone in names(world):  # which one went is the world's choice
                return
            give_up = time.monotonic() + WITHIN.total_seconds()
            for _ in lines:
                assert time.monotonic() < give_up, "it is followed for ever"

    def test_what_is_no_pod_is_refused(self, world: World) -> None:
        world.serve(1)
        for ask in (
            lambda: world.pods.details("nobody"),
            lambda: world.pods.logs(pods=("nobody",), last=1),
            lambda: world.pods.follow(pods=("nobody",), last=1),
            lambda: world.pods.shell("nobody", terminal=False),
        ):
            with pytest.raises(NoSuchPod, match="nobody"):
                ask()

    def test_restarted_under_load_each_pod_is_a_new_one_and_nothing_is_lost(self, world: World) -> None:
        world.serve(2)
        before, ordered, told = lives(world), datetime.now(UTC), list[str]()
        with world.members() as members:
            members.wait_for(100)
            restarted = world.pods.restart(BLUE, ordered=ordered, within=WITHIN, meanwhile=told.append)
            members.wait_for(100)
        assert set(members.outcomes) == {VERSION}, members.outcomes
        assert not before & lives(world)
        assert [(pod.version, pod.ready) for pod in world.pods.all()] == [(VERSION, True)] * 2
        assert set(restarted.pods) == set(names(world))
        assert told
        after = lives(world)
        world.pods.restart(BLUE, ordered=ordered, within=WITHIN, meanwhile=told.append)
        assert lives(world) == after, "they are younger than the order: nothing is left to do"

    def test_the_only_pod_is_restarted_under_load_and_nothing_is_lost(self, world: World) -> None:
        world.serve(1)
        before = lives(world)
        with world.members() as members:
            members.wait_for(50)
            world.pods.restart(BLUE, ordered=datetime.now(UTC), within=WITHIN, meanwhile=lambda _: None)
            members.wait_for(50)
        assert set(members.outcomes) == {VERSION}, members.outcomes
        assert len(lives(world)) == 1
        assert not before & lives(world)

    def test_a_restart_that_was_ended_in_its_middle_goes_on_when_it_is_ordered_again(self, world: World) -> None:
        world.serve(2)
        before, ordered = lives(world), datetime.now(UTC)

        def enough(_line: str) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            world.pods.restart(BLUE, ordered=ordered, within=WITHIN, meanwhile=enough)
        world.pods.restart(BLUE, ordered=ordered, within=WITHIN, meanwhile=lambda _: None)
        assert len(lives(world)) == 2
        assert not before & lives(world)

    def test_more_and_fewer_pods_serve_without_a_lost_request_and_those_that_stay_are_left_alone(self, world: World) -> None:
        world.serve(1)
        stays = lives(world)
        with world.members() as members:
            members.wait_for(50)
            for count in (3, 3, 2):
                done = world.pods.resize(BLUE, sized(world, count), within=WITHIN)
                assert done.size.count == count == world.pods.size(BLUE).count
                assert [pod.ready for pod in world.pods.all()] == [True] * count
                assert stays <= lives(world) or count == 2, "which one goes is the world's choice"
                members.wait_for(50)
        assert set(members.outcomes) == {VERSION}, members.outcomes

    def test_a_colour_where_nothing_was_put_should_have_no_pod(self, world: World) -> None:
        world.serve(1)
        assert world.pods.size(GREEN).count == 0
        assert {pod.colour for pod in world.pods.all()} == {BLUE}

    def test_an_autoscaler_that_is_not_there_can_not_be_held(self, world: World) -> None:
        world.serve(1)
        held = Autoscaler(name="nobody", bounds=Bounds(least=1, most=1), own=None)
        with pytest.raises(NoSuchAutoscaler):
            world.pods.resize(BLUE, Size(count=1, autoscaler=held), within=WITHIN)
        assert world.pods.size(BLUE).count == 1

    def test_what_is_told_of_one_pod_is_no_secret_and_says_what_happened_to_it(self, world: World) -> None:
        world.serve(1)
        (name,) = names(world)
        details = world.pods.details(name)
        assert (details.pod.name, details.pod.ready) == (name, True)
        assert details.settings["STAND_IN_VERSION"] == VERSION
        assert "hunter2" not in str(details)
        assert details.address
        assert details.readiness
        assert [event.reason for event in details.events if event.reason == "Started"]

    def test_a_shell_is_one_in_the_pod(self, world: World) -> None:
        world.serve(1)
        (name,) = names(world)
        way = world.pods.shell(name, terminal=False)
        assert way.pod == name
        done = subprocess.run(
            way.argv,
            input=world.script(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=way.folder,
            env=way.environment,
        )
        assert f"version {VERSION}" in done.stdout, done.stderr
        assert done.returncode == 7

    def test_what_a_person_would_type_is_told(self, world: World) -> None:
        world.serve(1)
        one, three = sized(world, 1), sized(world, 3)
        told = [*world.pods.describe_restart(BLUE), *world.pods.describe_resize(BLUE, before=one, size=three)]
        told += world.pods.describe_resize(BLUE, before=three, size=one)
        assert all(told)
        assert len(told) >= 3
        assert "hunter2" not in str(told)


def names(world: World) -> tuple[str, ...]:
    return tuple(pod.name for pod in world.pods.all())


def lives(world: World) -> set[tuple[str, datetime]]:
    """Return by what a pod that was started anew is told from the one before."""
    return {(pod.name, pod.since) for pod in world.pods.all()}


def said(lines: tuple[LogLine, ...]) -> list[tuple[str, str]]:
    return [(line.level, line.message) for line in lines]


def sized(world: World, count: int) -> Size:
    return replace(world.pods.size(BLUE), count=count)


def until(lines: Iterator[LogLine | None], message: str) -> bool:
    """Return whether such a line comes in time."""
    give_up = time.monotonic() + WITHIN.total_seconds()
    for line in lines:
        if line is not None and line.message == message:
            return True
        if time.monotonic() > give_up:
            return False
    return False
