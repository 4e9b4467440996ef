"""A cluster of our own comes up whole, and goes without leaving anything, whoever was killed meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.kubernetes.cluster.layout import CONTROL_NODE, Layout
from tests.kubernetes.cluster.running import running
from tests.kubernetes.machine import ROOT, Footprint, command, footprint, run, sharing_namespaces
from tests.stack import eventually

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]
NAME = "drill"
REACHED = {
    "its folder is there": "data",
    "its first process runs": f"{CONTROL_NODE}/init.pid",
    "the control plane starts": f"{CONTROL_NODE}/programs.json",
    "the kubelet starts": f"{CONTROL_NODE}/kubelet.json",
}


@pytest.fixture
def before() -> Iterator[Footprint]:
    """What the machine has before the test; nothing of the cluster is left after it, even where it failed."""
    assert run(NAME, "down").returncode == 0
    yield footprint(NAME)
    run(NAME, "down")


def test_a_cluster_leaves_nothing(before: Footprint) -> None:
    started = run(NAME, "up", "--core")
    assert started.returncode == 0, started.stderr
    cluster = running(NAME)
    assert cluster
    assert started.stdout == f"{cluster.layout.kubeconfig}\n"
    pid = cluster.node(CONTROL_NODE).pid
    assert pid
    processes = sharing_namespaces(pid)
    assert len(processes) > 8
    during = footprint(NAME)
    assert during.links - before.links == {"ue-drill"}
    assert during.mounts == before.mounts, "a node's mounts are seen in it alone"
    assert during.processes
    assert run(NAME, "status").stdout.startswith("drill is up\n")

    assert run(NAME, "down").returncode == 0

    assert footprint(NAME) == before
    assert eventually(lambda: not any(process.exists() for process in processes)), "dead ones wait for the machine's first process to read their ends"
    assert run(NAME, "status").stdout == "drill is down\n"


def test_a_cluster_that_is_up_is_left_as_it_is(before: Footprint) -> None:
    first, pid = run(NAME, "up", "--core"), _first_process()
    second = run(NAME, "up", "--core")
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert "drill is up already" in second.stderr
    assert _first_process() == pid
    other = run(NAME, "up", "--core", "--nodes", "2")
    assert other.returncode == 3
    assert "is up already, with 1 node(s)" in other.stderr
    assert run(NAME, "down").returncode == 0
    assert footprint(NAME) == before


@pytest.mark.parametrize("reached", REACHED)
def test_nothing_is_left_when_the_start_was_killed_in_the_middle(before: Footprint, reached: str) -> None:
    _kill_start_when(Layout.named(NAME).home / REACHED[reached])
    assert footprint(NAME) != before, "it was killed before there was anything to leave"
    assert run(NAME, "status").returncode == 1
    assert run(NAME, "down").returncode == 0
    assert footprint(NAME) == before


def test_nothing_is_left_whenever_the_start_was_killed(before: Footprint) -> None:
    moments = Random(7)
    for _ in range(8):
        with subprocess.Popen(command(NAME, "up", "--core", "--nodes", "2"), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as starting:
            time.sleep(moments.uniform(0.2, 4))
            starting.kill()
        assert run(NAME, "down").returncode == 0
        assert footprint(NAME) == before


def test_of_two_starts_at_once_one_waits_and_finds_it_up(before: Footprint) -> None:
    with subprocess.Popen(command(NAME, "up", "--core"), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as one:
        other = run(NAME, "up", "--core")
        assert one.stderr
        said = one.stderr.read() + other.stderr
    assert (one.returncode, other.returncode) == (0, 0)
    assert said.count("drill is up already") == 1
    assert run(NAME, "down").returncode == 0
    assert footprint(NAME) == before


def test_whoever_stops_the_start_is_told_what_is_left(before: Footprint) -> None:
    with subprocess.Popen(command(NAME, "up", "--core"), cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as starting:
        while not (Layout.named(NAME).home / REACHED["the control plane starts"]).exists():
            time.sleep(0.01)
        starting.send_signal(signal.SIGINT)
        assert starting.stderr
        assert "make kubernetes-down removes what is left" in starting.stderr.read()
    assert starting.returncode == 130
    assert run(NAME, "down").returncode == 0
    assert footprint(NAME) == before


def test_a_start_removes_what_is_left_of_another(before: Footprint) -> None:
    _kill_start_when(Layout.named(NAME).home / REACHED["the control plane starts"])
    started = run(NAME, "up", "--core")
    assert started.returncode == 0, started.stderr
    assert "removed what was left of drill" in started.stderr
    assert run(NAME, "down").returncode == 0
    assert footprint(NAME) == before


def test_nothing_is_left_when_the_first_process_was_killed(before: Footprint) -> None:
    assert run(NAME, "up", "--core").returncode == 0
    os.kill(_first_process(), signal.SIGKILL)
    assert "ended by itself" in run(NAME, "status").stdout
    assert run(NAME, "down").returncode == 0
    assert footprint(NAME) == before


def test_nothing_is_left_when_its_folder_was_deleted(before: Footprint) -> None:
    assert run(NAME, "up", "--core").returncode == 0
    shutil.rmtree(Layout.named(NAME).home, ignore_errors=True)
    assert run(NAME, "down").returncode == 0
    assert footprint(NAME) == before


def test_who_is_not_root_is_told_what_to_do() -> None:
    nobody = ["unshare", "--user", *command(NAME, "up", "--core")]  # nobody's number, in a namespace in which nobody has another
    refused = subprocess.run(nobody, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 3, refused.stderr
    assert "takes root" in refused.stderr
    assert "make test-kubernetes KUBECONFIG=" in refused.stderr


def _first_process() -> int:
    cluster = running(NAME)
    assert cluster
    pid = cluster.node(CONTROL_NODE).pid
    assert pid
    return pid


def _kill_start_when(reached: Path) -> None:
    with subprocess.Popen(command(NAME, "up", "--core"), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as starting:
        while not reached.exists():
            assert starting.poll() is None
            time.sleep(0.005)
        starting.kill()
