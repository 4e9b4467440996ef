"""A cluster of two nodes: pods reach each other across them, and the death of one is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.cluster.running import running
from tests.kubernetes.machine import footprint, run
from tests.kubernetes.pods import ask, curl, pods_of, serve
from tests.stack import eventually
from unioneyes.kernel.problems import Problem

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]
NAME = "twonodes"


@pytest.fixture(scope="module")
def two() -> Iterator[Lent]:
    assert run(NAME, "down").returncode == 0
    before = footprint(NAME)
    started = run(NAME, "up", "--nodes", "2", "--core", "--with", "kwok")
    assert started.returncode == 0, started.stderr
    cluster = running(NAME)
    assert cluster
    yield Lent(kubectl=cluster.kubectl, namespace="default", own=cluster)
    assert run(NAME, "down").returncode == 0
    assert footprint(NAME) == before


def test_pods_and_services_are_reached_across_nodes(two: Lent) -> None:
    assert two.own
    for node in two.own.nodes:
        serve(two, f"on-{node}", node=node)
    for here, there in (("node1", "node2"), ("node2", "node1")):
        _is_reached(two, there=there, here=here)


def _is_reached(two: Lent, *, there: str, here: str) -> None:
    """A pod on one node and the machine itself reach the service of the other, as soon as the node's proxy knows it."""
    assert two.own
    pods = pods_of(two, f"on-{there}")
    reached = partial(ask, two, f"on-{here}", f"http://{_of_service(two, f'on-{there}', '{.spec.clusterIP}')}/")
    assert eventually(lambda: reached() == pods)
    assert reached(times=20) == pods
    url = f"http://{two.own.addresses.node(here)}:{_of_service(two, f'on-{there}', '{.spec.ports[0].nodePort}')}/"
    assert eventually(lambda: curl(url) in pods)


def test_nodes_that_only_say_so_are_ready_and_run_pods(two: Lent) -> None:
    two.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "fake", "annotations": {"kwok.x-k8s.io/node": "fake"}},
            "spec": {"taints": [{"key": "fake", "effect": "NoSchedule"}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "fake", "namespace": "default"},
            "spec": {"nodeName": "fake", "containers": [{"name": "fake", "image": "fake"}]},
        },
    )
    two.kubectl("wait", "--for=condition=Ready", "node/fake", "pod/fake", "--timeout=60s", within=70)


def test_a_program_that_dies_is_started_again(two: Lent) -> None:
    assert two.own
    node = two.own.node("node1")
    before = node.programs()["kube-apiserver"]
    node.tell("kube-apiserver", "KILL")
    assert eventually(lambda: node.programs()["kube-apiserver"][1] == before[1] + 1 and _answers(two), within=60)
    assert "ended 1 times" in run(NAME, "status").stdout


def test_an_api_server_that_hangs_answers_nobody_until_it_goes_on(two: Lent) -> None:
    assert two.own
    node = two.own.node("node1")
    node.tell("kube-apiserver", "STOP")
    assert not _answers(two)
    node.tell("kube-apiserver", "CONT")
    assert eventually(lambda: _answers(two), within=60)


def test_an_api_server_that_is_held_is_away_until_it_is_released(two: Lent) -> None:
    assert two.own
    node = two.own.node("node1")
    node.hold("kube-apiserver")
    assert eventually(lambda: "kube-apiserver" not in node.programs())
    assert not _answers(two)
    node.release("kube-apiserver")
    assert eventually(lambda: _answers(two), within=60)


def test_a_dead_node_is_noticed(two: Lent) -> None:
    assert two.own
    two.own.node("node2").end()
    assert eventually(lambda: two.kubectl("get", "node", "node2", "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}") == "Unknown", within=60)
    assert "node2 is down" in run(NAME, "status").stdout


def _answers(lent: Lent) -> bool:
    try:
        return lent.kubectl("get", "--raw", "/readyz", "--request-timeout=2s") == "ok"
    except Problem:
        return False


def _of_service(lent: Lent, name: str, field: str) -> str:
    return lent.kubectl("get", "service", name, "--namespace", lent.namespace, f"--output=jsonpath={field}")
