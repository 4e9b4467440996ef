"""Traffic by a Service's selector: everybody follows, also who keeps a connection; and what a selector can't do is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest

from tests.contract.fencing.late import late, taken_over
from tests.contract.processes.conftest import eventually
from tests.contract.traffic.load import load
from tests.contract.traffic.promises import BLUE, GREEN
from tests.contract.traffic.world import Door
from tests.kubernetes.adapters.traffic.world import REPLICAS, stand_ins
from tests.kubernetes.cluster.binaries import program
from tests.kubernetes.cluster.layout import CONTROL_NODE
from tests.kubernetes.cluster.lent import Lent
from unioneyes.adapters.kubernetes.access import find_access
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.selector import SelectorTraffic
from unioneyes.claims.metrics import read_counters
from unioneyes.kernel.problems import Problem
from unioneyes.ports.traffic import Colour, ForeignRoutes, NoHealthyReplica, NotOffered, RoutesRejected, Weights

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Stand-ins behind one Service."""

    lent: Lent
    traffic: SelectorTraffic
    members: Door

    def kubectl(self, *words: str) -> str:
        return self.lent.kubectl("--namespace", self.lent.namespace, *words)

    def point_by_hand(self, selector: str) -> None:
        self.kubectl("patch", "service", "unioneyes-web", f'--patch={{"spec": {{"selector": {selector}}}}}')


@pytest.fixture(scope="module")
def running(lent: Lent) -> Iterator[Selected]:
    """A Service of stand-ins, reached at a port of a node."""
    assert lent.own
    stand_ins(lent)
    selector = {"app": "unioneyes-web", "version": "blue"}
    lent.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "unioneyes-web", "namespace": lent.namespace},
            "spec": {"type": "NodePort", "selector": dict(selector), "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
        }
    )
    port = lent.kubectl("get", "service", "unioneyes-web", "--namespace", lent.namespace, "--output=jsonpath={.spec.ports[0].nodePort}")
    with_own = own_traffic(lent)
    yield Selected(lent=lent, traffic=with_own, members=Door(lent.own.addresses.node(CONTROL_NODE), int(port)))
    with_own.cluster.close()


def own_traffic(lent: Lent) -> SelectorTraffic:
    access = partial(find_access, kubeconfig=lent.kubectl.kubeconfig)
    return SelectorTraffic(cluster=Cluster(access, namespace=lent.namespace), read_counters=read_counters)


@pytest.fixture
def selected(running: Selected) -> Selected:
    """All members are on blue."""
    running.point_by_hand('{"app": "unioneyes-web", "version": "blue"}')
    running.traffic.shift(BLUE)
    eventually(lambda: reached(running.members))  # the node's proxy knows the Service a moment after the API server does
    return running


def reached(door: Door) -> bool:
    """Return whether blue answers there."""
    with suppress(OSError):
        return door.get().version == "blue"
    return False


@pytest.mark.parametrize("kept_alive", [True, False], ids=["kept-alive connections", "new connections"])
def test_everybody_follows_and_nothing_is_lost(selected: Selected, *, kept_alive: bool) -> None:
    with load(selected.members, kept_alive=kept_alive) as asked:
        for weights, old in ((GREEN, "blue"), (BLUE, "green")) * 2:
            asked.wait_for(100)
            shifted = selected.traffic.shift(weights)
            begun = asked.begun
            asked.wait_for(200)
            assert asked.latest[old] <= begun, "a request that began after the switch was answered by the old colour"
            assert shifted.revision == selected.traffic.view().revision
    assert set(asked.outcomes) == {"blue", "green"}
    assert selected.traffic.drained(Colour.GREEN, within=timedelta(seconds=20)).left == 0


def test_what_a_selector_can_not_do_is_refused(selected: Selected) -> None:
    before = selected.traffic.view()
    selected.traffic.require_means()
    with pytest.raises(NotOffered, match="no share of the members"):
        selected.traffic.require_means(shares=True)
    with pytest.raises(NotOffered, match="maintenance"):
        selected.traffic.require_means(maintenance=True)
    with pytest.raises(RoutesRejected, match="leads to one colour"):
        selected.traffic.shift(Weights(blue=90, green=10))
    with pytest.raises(RoutesRejected, match="no maintenance"):
        selected.traffic.enter_maintenance(retry_after=timedelta(minutes=1))
    assert selected.traffic.leave_maintenance() == before


def test_the_cluster_says_of_which_group_it_knows_kinds(selected: Selected) -> None:
    assert selected.traffic.cluster.knows("discovery.k8s.io")
    assert not selected.traffic.cluster.knows("nobody.example.org")


def test_a_colour_without_a_replica_gets_nothing(selected: Selected) -> None:
    before = selected.traffic.view()
    selected.kubectl("scale", "deployment/unioneyes-web-green", "--replicas=0")
    try:
        eventually(lambda: selected.traffic.counters().green.replicas == 0, within=60)
        with pytest.raises(NoHealthyReplica, match="green has no healthy replica"):
            selected.traffic.shift(GREEN)
        assert selected.traffic.view() == before
        assert selected.members.get().version == "blue"
    finally:
        selected.kubectl("scale", "deployment/unioneyes-web-green", f"--replicas={REPLICAS[Colour.GREEN]}")
        eventually(lambda: selected.traffic.counters().green.healthy == REPLICAS[Colour.GREEN], within=60)


def test_the_counters_are_what_the_clients_counted(selected: Selected) -> None:
    before = selected.traffic.counters().blue
    for status in (200, 404, 404, 500):
        selected.members.get(f"/status/{status}")
    after = selected.traffic.counters().blue
    assert (after.answers_2xx - before.answers_2xx, after.answers_4xx - before.answers_4xx, after.answers_5xx - before.answers_5xx) == (1, 2, 1)
    assert (after.healthy, after.replicas) == (2, 2)


def test_the_commands_that_a_person_would_type_do_the_same(selected: Selected) -> None:
    before = selected.traffic.view()
    kubectl = f'kubectl() {{ {program("kubectl")} --kubeconfig={selected.lent.kubectl.kubeconfig} "$@"; }}'
    for command in selected.traffic.describe_shift(GREEN):
        subprocess.run(["bash", "-euc", f"{kubectl}\n{command}"], check=True, timeout=60, stdout=subprocess.DEVNULL)
    eventually(lambda: selected.traffic.view().weights == GREEN and selected.traffic.view().in_force)
    assert selected.traffic.view().revision != before.revision
    eventually(lambda: selected.members.get().version == "green")


def test_a_selector_that_somebody_made_is_named_and_not_written_over(selected: Selected) -> None:
    selected.point_by_hand('{"app": "unioneyes-web", "version": "azure"}')
    for question in (selected.traffic.view, lambda: selected.traffic.shift(GREEN)):
        with pytest.raises(ForeignRoutes, match="azure"):
            question()
    assert json.loads(selected.kubectl("get", "service", "unioneyes-web", "--output=jsonpath={.spec.selector}"))["version"] == "azure"


def test_whoever_comes_late_is_refused_by_the_service(selected: Selected) -> None:
    for before in (Cluster.get.__code__, Cluster.apply.__code__):
        with late(lambda: _shift_anew(selected), before=before) as stopped:
            with taken_over():
                selected.traffic.shift(BLUE)
            assert stopped.wake() == "fenced-off"
    assert selected.traffic.view().weights == BLUE


def _shift_anew(selected: Selected) -> None:
    traffic = own_traffic(selected.lent)
    try:
        traffic.shift(GREEN)
    except Problem:
        traffic.cluster.close()
        raise
