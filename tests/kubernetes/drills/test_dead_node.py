"""A node dies under a deployment: its kubelet, its containers and its network are gone at once, and no release is blamed for it.

A cluster of two nodes of its own. The edge's proxy stands on the node that lives, as proxies that are worth their name stand on several.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.kubernetes.cluster.running import Cluster, running
from tests.kubernetes.drills.waived import WAIVED
from tests.kubernetes.machine import ROOT, run
from tests.stack import empty_stack
from unioneyes.environments.local.members import run_members

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]
NAME, NAMESPACE = "deadnode", "unioneyes-dead-node"
DIES = "node2"
RATE = 20.0
STARTED_WITHIN = 300
IN_FLIGHT = 2
"""Requests that a container may be answering when it dies: twenty a second, of some ten milliseconds each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """An environment whose pods are spread over two nodes."""

    job: MainJob
    cluster: Cluster

    def type(self, *words: str) -> str:
        """A person types a kubectl command in the namespace."""
        return self.cluster.kubectl("--namespace", NAMESPACE, *words, within=120)

    def pods(self) -> dict[str, str]:
        """Return each pod's node by its name."""
        found = json.loads(self.type("get", "pods", "--output=json"))["items"]
        return {pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in found}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """1.1.0 serves, from both nodes."""
    assert run(NAME, "down").returncode == 0
    started = run(NAME, "up", "--nodes", "2")
    assert started.returncode == 0, started.stderr
    try:
        cluster = running(NAME)
        assert cluster
        cluster.kubectl("drain", DIES, "--ignore-daemonsets", "--delete-emptydir-data", "--force", within=120)  # what is there already is no part of this
        command = [sys.executable, "-m", "tests.kubernetes.cluster", "--name", NAME, "serve", "--namespace", NAMESPACE]
        done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STARTED_WITHIN, check=False)
        assert done.returncode == 0, done.stderr
        cluster.kubectl("uncordon", DIES)
        lines = "\n".join(["[cluster]", "plain_registry = true", *(f"{name} = {json.dumps(value)}" for name, value in json.loads(done.stdout).items()), ""])
        with empty_stack(settings=f"{WAIVED}{lines}", env=NAME) as stack:
            started_stack = stack.start(within=STARTED_WITHIN)
            assert started_stack.code == 0, started_stack.err
            job = MainJob(stack=stack)
            job.deployed("1.0.0", "--migrate", "--bake", "1s")
            job.deployed("1.1.0", "--migrate", "--bake", "1s")
            yield Nodes(job=job, cluster=cluster)
    finally:
        assert run(NAME, "down").returncode == 0


def test_a_node_that_dies_in_the_watch_takes_no_release_with_it_and_its_pods_are_named(nodes: Nodes) -> None:
    job = nodes.job
    assert set(nodes.pods().values()) == set(nodes.cluster.nodes)
    with run_members(job.stack.home, rate=RATE) as members:
        members.await_signed_in()
        deployment = job.started("1.0.0", "--bake", "40s")
        job.wait_for_step(deployment, "watch_release")
        nodes.cluster.node(DIES).end()
        ended = job.ended(deployment, within=400)
        seen = members.finish()

    assert ended.code == 0, ended.err
    assert job.serving().version == "1.0.0"
    assert seen.lost <= IN_FLIGHT, seen
    (gone,) = (pod for pod, node in nodes.pods().items() if node == DIES and f"-{job.serving().colour}-" in pod)
    assert re.search(rf"{gone} +1.0.0 +✘ +NodeLost +0 .* {DIES} ", job.stack.ue("app", "pods").out)
    status = job.stack.ue("app", "status")
    assert status.code == 1
    assert f"{gone}: NodeLost, not ready" in status.out
    assert f"{gone} WARNING what it logs can't be read" in job.stack.ue("app", "logs").out


def test_on_the_node_that_is_left_the_next_release_goes_out_and_members_notice_nothing(nodes: Nodes) -> None:
    with run_members(nodes.job.stack.home, rate=RATE) as members:
        members.await_signed_in()
        said = nodes.job.deploy("1.1.0", "--bake", "5s", within=300)
        seen = members.finish()

    assert said.code == 0, said.err
    assert (seen.lost, nodes.job.serving().version) == (0, "1.1.0"), seen
