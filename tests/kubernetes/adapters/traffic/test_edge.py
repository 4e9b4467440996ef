"""The edge of a Gateway keeps out what it is told to, says so by real answers, and lets it in again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest

from tests.contract.edge.promises import ATTACKER, FEW, NEVER_OURS, EdgePromises
from tests.contract.fencing.late import late, taken_over
from tests.contract.processes.conftest import eventually
from tests.contract.traffic.promises import BLUE
from tests.contract.traffic.world import Answer, Door
from tests.kubernetes.adapters.traffic.world import GatewayWorld, own_edge
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.pods import serve
from unioneyes.adapters.kubernetes.gateway.edge import GatewayEdge
from unioneyes.adapters.kubernetes.gateway.filed import FiledObject
from unioneyes.ports.edge import STRICT, EdgeRejected, Network

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedGateway:
    """A Gateway whose service is answered by blue, and a pod that asks it from an address that is not ours."""

    world: GatewayWorld
    guard: GatewayEdge

    @property
    def members(self) -> Door:
        """Where requests come in."""
        return self.world.members

    @property
    def gates(self) -> int:
        """How many proxies there are: each counts for itself."""
        return len(self.world.proxies())

    @property
    def ours(self) -> Network:
        """Whence our own requests come."""
        return ip_network(ip_address(self.get().saw["x-real-ip"]))

    @property
    def visitor(self) -> Network:
        """The pod's address."""
        return ip_network(self.world.kubectl("get", "pods", "--selector=app=visitor", "--output=jsonpath={.items[0].status.podIP}"))

    def get(self) -> Answer:
        """Ask once, from our own address."""
        return self.world.get()

    def visit(self, *, times: int = 1) -> Counter[str]:
        """Return the statuses that the pod is answered with."""
        script = f"""
import urllib.error, urllib.request
for _ in range({times}):
    try:
        print(urllib.request.urlopen("http://{self.world.inside}/", timeout=5).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""
        return Counter(self.world.kubectl("exec", "deployment/visitor", "--", "python3", "-c", script).split())

    def type(self, command: str) -> None:
        """A person types the command."""
        self.world.type(command)


@pytest.fixture(scope="module")
def visitor(lent: Lent) -> Lent:
    """A pod from which the service is asked."""
    serve(lent, "visitor")
    return lent


@pytest.fixture
def guarded(edge: GatewayWorld, visitor: Lent) -> Iterator[GuardedGateway]:
    """An edge that keeps nobody out."""
    assert visitor.namespace == edge.lent.namespace
    edge.traffic.shift(BLUE)
    guard = GatewayEdge(
        cluster=edge.traffic.cluster,
        proxies_cluster=edge.traffic.proxies_cluster,
        members_url=f"http://{edge.members.host}:{edge.members.port}/",
        own=NEVER_OURS,
    )
    yield GuardedGateway(world=edge, guard=guard)
    guard.deny(())
    guard.limit(None)


class TestGatewayEdge(EdgePromises):
    """The promises of the port, kept by Envoy Gateway."""


def test_what_can_not_be_seen_by_a_real_request_is_put_back(edge: GatewayWorld, guarded: GuardedGateway) -> None:
    blind = GatewayEdge(cluster=edge.traffic.cluster, proxies_cluster=edge.traffic.proxies_cluster, members_url="http://127.0.0.1:9/")
    with pytest.raises(EdgeRejected, match="gives no answer"):
        blind.limit(STRICT)
    assert guarded.guard.view().limit is None


def test_the_manifest_of_the_document_does_the_same(edge: GatewayWorld, guarded: GuardedGateway) -> None:
    edge.file_limit()
    eventually(lambda: guarded.guard.view().in_force)
    assert guarded.guard.view().limit == STRICT
    assert guarded.guard.limit(None).limit is None
    assert guarded.guard.view().in_force


def test_whoever_comes_late_is_refused_by_the_policies(edge: GatewayWorld, guarded: GuardedGateway) -> None:
    guard = guarded.guard
    for before in (FiledObject.read.__code__, FiledObject._put.__code__):
        for call in (lambda its: its.limit(STRICT), lambda its: its.deny((ATTACKER,))):
            with late(lambda call=call: own_edge(edge, call), before=before) as stopped:  # type: ignore[misc]  # mypy infers no lambda's default
                with taken_over():
                    guard.limit(FEW)
                    guard.limit(None)
                    guard.deny(())
                assert stopped.wake() == "fenced-off"
    assert (guard.view().limit, guard.view().denied) == (None, ())


def test_manifests_that_are_applied_again_let_nobody_in(edge: GatewayWorld, guarded: GuardedGateway) -> None:
    guard = guarded.guard
    guard.deny((ATTACKER,))
    guard.limit(FEW)
    edge.apply_again()
    assert (edge.traffic.view().weights, guard.view().limit, guard.view().denied) == (BLUE, FEW, (ATTACKER,))
    assert guard.view().in_force
