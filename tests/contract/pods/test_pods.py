"""Pods on one machine: each replica's process stands for one."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.contract.pods.promises import BLUE, LAST, VERSION, WITHIN, PodsPromises, lives, names, said, until
from tests.contract.processes.conftest import eventually
from tests.contract.replicas.conftest import Service, service_in
from tests.contract.replicas.world import BROKEN
from tests.contract.traffic.conftest import running_envoy
from tests.contract.traffic.load import Load, load
from unioneyes.adapters.processes.journal import rotate
from unioneyes.adapters.processes.pods import LocalPods
from unioneyes.adapters.processes.spec import ProcessSpec
from unioneyes.ports.pods import PodNotRunning, Size
from unioneyes.ports.replicas import NoReadyReplica
from unioneyes.ports.traffic import Weights

pytestmark = pytest.mark.stack


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalWorld:
    """Stand-ins behind an Envoy."""

    service: Service

    @property
    def pods(self) -> LocalPods:
        inner = self.service.replicas.command
        secret = {"STAND_IN_SECRET": "password=hunter2hunter2", "MARK": "ours", "STAND_IN_KEY_FILE": "/run/key"}
        replicas = replace(self.service.replicas, command=lambda slot: _with(inner(slot), secret))
        return LocalPods(replicas=replicas, image=lambda version: f"stand-in@sha256:{version.encode().hex():0>64}", marks=frozenset({"MARK"}))

    def serve(self, count: int) -> None:
        for colour in (BLUE, BLUE.other):
            self.service.replicas.stop(colour)
        for log in self.service.edge.folder.glob("blue-*.log*"):
            log.unlink()
        self.pods.replicas.start(BLUE, version=VERSION, count=count, within=WITHIN)
        self.service.edge.traffic.shift(Weights.all_to(BLUE))

    def get(self, pod: str, path: str) -> None:
        with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
            connection.settimeout(10)
            connection.connect(str(self.service.edge.folder / f"{pod}.sock"))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n".encode())
            while connection.recv(4096):
                pass

    def members(self) -> AbstractContextManager[Load]:
        return load(self.service.edge.members)

    def script(self) -> str:
        return 'echo "version $STAND_IN_VERSION"; exit 7\n'

    def log(self, pod: str) -> Path:
        return self.service.edge.folder / f"{pod}.log"


def _with(spec: ProcessSpec, settings: dict[str, str]) -> ProcessSpec:
    return replace(spec, env={**spec.env, **settings})


@pytest.fixture(scope="module")
def world() -> Iterator[LocalWorld]:
    with running_envoy() as edge:
        yield LocalWorld(service=service_in(edge))


class TestLocalPods(PodsPromises):
    """The promises of every world's pods."""


def test_what_a_process_takes_of_its_machine_is_told(world: LocalWorld) -> None:
    world.serve(1)
    (pod,) = world.pods.all()
    assert pod.memory is not None
    assert 5 << 20 < pod.memory < 1 << 30
    assert pod.cpu is not None
    assert 0 <= pod.cpu < 4


def test_a_pod_that_was_killed_says_by_which_signal_as_on_a_cluster(world: LocalWorld) -> None:
    world.serve(1)
    os.kill(next(status.pid or 0 for status in world.pods.replicas.present()), signal.SIGKILL)
    eventually(lambda: [(pod.restarts, pod.ready) for pod in world.pods.all()] == [(1, True)])
    (pod,) = world.pods.all()
    assert pod.last_end is not None
    assert (pod.last_end.reason, pod.last_end.exit_code, pod.last_end.message) == ("Error", 137, "")


def test_a_release_that_keeps_ending_says_so_and_nobody_can_go_into_it(world: LocalWorld) -> None:
    world.serve(1)
    with pytest.raises(NoReadyReplica):
        world.pods.replicas.start(BLUE.other, version=BROKEN, count=1, within=WITHIN)
    eventually(lambda: any(pod.waits == "CrashLoopBackOff" for pod in world.pods.all()))
    pod = next(pod for pod in world.pods.all() if pod.colour is BLUE.other)
    assert (pod.ready, str(pod.last_end)) == (False, "Error, exit code 1: no such table")
    eventually(lambda: any(event.count > 1 or event.reason == "Ended" for event in world.pods.details(pod.name).events))

    def refused() -> bool:
        try:
            world.pods.shell(pod.name, terminal=False)
        except PodNotRunning:
            return True
        return False

    eventually(refused)


def test_a_log_that_becomes_its_older_part_is_followed_on(world: LocalWorld) -> None:
    world.serve(1)
    (name,) = names(world)
    lines = world.pods.follow(pods=(name,), last=1)
    for level in ("INFO", "WARNING"):
        world.get(name, f"/log/{level}")
        assert until(lines, f"{level} was asked for")
        assert rotate(world.log(name), at_bytes=1)
    world.get(name, "/log/ERROR")
    assert until(lines, "ERROR was asked for")
    lines.close()


def test_a_restart_also_brings_back_what_was_stopped_behind_our_back(world: LocalWorld) -> None:
    world.serve(2)
    world.pods.replicas.supervisor.stop("blue-2")
    world.pods.restart(BLUE, ordered=datetime.now(UTC), within=WITHIN, meanwhile=lambda _: None)
    assert [(pod.name, pod.ready) for pod in world.pods.all()] == [("blue-1", True), ("blue-2", True)]


def test_settings_that_changed_since_the_start_come_with_a_restart_pod_by_pod(world: LocalWorld) -> None:
    """As a rotated credential does: none is replaced before it is its turn."""
    world.serve(2)
    inner = world.pods.replicas.command
    pods = replace(world.pods, replicas=replace(world.pods.replicas, command=lambda slot: _with(inner(slot), {"STAND_IN_NEW": "1"})))
    with world.members() as members:
        members.wait_for(50)
        pods.restart(BLUE, ordered=datetime.now(UTC), within=WITHIN, meanwhile=lambda _: None)
        members.wait_for(50)
    assert set(members.outcomes) == {VERSION}
    assert all("STAND_IN_NEW" in pods.details(name).settings for name in names(world))


def test_a_new_size_is_kept_across_a_restart_of_the_machine(world: LocalWorld) -> None:
    world.serve(1)
    world.pods.resize(BLUE, Size(count=2, autoscaler=None), within=WITHIN)
    world.service.edge.supervisor.shutdown(WITHIN)
    world.service.edge.up()
    world.pods.replicas.restore(within=WITHIN)
    assert [pod.ready for pod in world.pods.all()] == [True, True]


def test_a_pod_that_can_not_be_restarted_leaves_the_others_serving(world: LocalWorld) -> None:
    world.serve(2)
    before = lives(world)
    folder = world.service.edge.folder
    (folder / "blue-3.sock").mkdir()  # where the one more would listen
    try:
        with world.members() as members:
            members.wait_for(50)
            with pytest.raises(NoReadyReplica, match="blue-3"):
                world.pods.restart(BLUE, ordered=datetime.now(UTC), within=WITHIN, meanwhile=lambda _: None)
            world.pods.resize(BLUE, Size(count=2, autoscaler=None), within=WITHIN)
            members.wait_for(50)
    finally:
        (folder / "blue-3.sock").rmdir()
    assert set(members.outcomes) == {VERSION}
    assert lives(world) == before


def test_a_shell_gets_neither_secrets_nor_the_mark_of_our_own_processes_and_says_what_it_left_out(world: LocalWorld) -> None:
    world.serve(1)
    way = world.pods.shell("blue-1", terminal=True)
    assert way.secrets_left_out == ("STAND_IN_SECRET",)
    assert way.environment is not None
    assert "STAND_IN_SECRET" not in way.environment
    assert "MARK" not in way.environment
    assert way.environment["STAND_IN_VERSION"] == VERSION
    assert world.pods.details("blue-1").secrets == ("STAND_IN_KEY_FILE=/run/key",)


def test_the_last_lines_of_a_long_log_are_found_from_its_end(world: LocalWorld) -> None:
    world.serve(1)
    with world.log("blue-1").open("a") as log:
        log.writelines(f"plain {number}\n" for number in range(60_000))
    assert said(world.pods.logs(pods=("blue-1",), last=2)) == [("INFO", "plain 59998"), ("INFO", "plain 59999")]
    assert len(world.pods.logs(pods=("blue-1",), last=LAST)) == LAST
