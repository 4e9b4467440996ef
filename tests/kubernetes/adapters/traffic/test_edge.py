"""The edge of a Gateway keeps out what it is told to, says so by real answers, and lets it in again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest

from tests.contract.fencing.late import late, taken_over
from tests.contract.processes.conftest import eventually
from tests.contract.traffic.load import load
from tests.contract.traffic.promises import BLUE
from tests.kubernetes.adapters.traffic.world import GatewayWorld, own_edge
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.pods import serve
from unioneyes.adapters.kubernetes.gateway.edge import GatewayEdge
from unioneyes.adapters.kubernetes.gateway.filed import FiledObject
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.edge import STRICT, EdgeRejected, Network, OwnNetwork, RateLimit

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400), pytest.mark.allow_hosts(["127.0.0.1", "localhost", "::1", "10.94.0.0/16"])]

FEW = RateLimit(requests=3, per=timedelta(minutes=1))
NEVER_OURS = (ip_network("10.96.0.0/16"),)


@pytest.fixture
def guarded(edge: GatewayWorld) -> Iterator[GatewayEdge]:
    """An edge that keeps nobody out, of a service that is answered by blue."""
    edge.traffic.shift(BLUE)
    guard = GatewayEdge(
        cluster=edge.traffic.cluster,
        proxies_cluster=edge.traffic.proxies_cluster,
        members_url=f"http://{edge.members.host}:{edge.members.port}/",
        own=NEVER_OURS,
    )
    yield guard
    guard.deny(())
    guard.limit(None)


@pytest.fixture(scope="module")
def visitor(lent: Lent) -> Lent:
    """A pod from which the service is asked: with an address that is not ours."""
    serve(lent, "visitor")
    return lent


def visit(edge: GatewayWorld, *, times: int = 1) -> Counter[str]:
    """Return what a visitor is answered."""
    script = f"""
import urllib.error, urllib.request
for _ in range({times}):
    try:
        print(urllib.request.urlopen("http://{edge.inside}/", timeout=5).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""
    return Counter(edge.kubectl("exec", "deployment/visitor", "--", "python3", "-c", script).split())


def address(edge: GatewayWorld) -> Network:
    """Return the visitor's address."""
    return ip_network(edge.kubectl("get", "pods", "--selector=app=visitor", "--output=jsonpath={.items[0].status.podIP}"))


def test_a_limit_is_for_each_address_and_is_taken_back(edge: GatewayWorld, guarded: GatewayEdge, visitor: Lent) -> None:
    assert guarded.limit(FEW).limit == FEW
    assert (guarded.view().limit, guarded.view().in_force) == (FEW, True)
    answers = Counter(edge.get().status for _ in range(30))
    assert answers[429] >= 30 - FEW.requests * len(edge.proxies())
    assert visit(edge)["200"] == 1, "somebody else asks from another address"
    assert visitor.namespace == edge.lent.namespace
    assert guarded.limit(None).limit is None
    assert {edge.get().status for _ in range(30)} == {200}


def test_a_limit_costs_nobody_a_connection(edge: GatewayWorld, guarded: GatewayEdge) -> None:
    many = RateLimit(requests=1_000_000, per=timedelta(seconds=1))
    with load(edge.members) as asked:
        for limit in (many, None, many, None):
            guarded.limit(limit)
            asked.wait_for(200)
    assert set(asked.outcomes) == {"blue"}


def test_a_network_is_kept_out_and_let_in_again(edge: GatewayWorld, guarded: GatewayEdge, visitor: Lent) -> None:
    attacker = address(edge)
    assert visit(edge) == {"200": 1}
    with load(edge.members) as asked:
        assert guarded.deny((attacker,)).denied == (attacker,)
        assert visit(edge, times=10) == {"403": 10}
        asked.wait_for(100)
        assert guarded.deny(()).denied == ()
        assert visit(edge, times=10) == {"200": 10}
    assert set(asked.outcomes) == {"blue"}
    assert visitor.namespace == edge.lent.namespace


def test_many_networks_are_kept_out_at_once(guarded: GatewayEdge) -> None:
    many = tuple(ip_network(f"198.51.{number}.0/25") for number in range(200))
    assert guarded.deny(many).denied == many
    assert guarded.view().in_force
    guarded.deny(())


def test_we_are_never_kept_out_ourselves(edge: GatewayWorld, guarded: GatewayEdge) -> None:
    ours = ip_network(ip_address(edge.get().saw["x-real-ip"]))
    with pytest.raises(EdgeRejected, match="we are kept out ourselves"):
        guarded.deny((ours,))
    assert guarded.view().denied == ()
    eventually(lambda: edge.get().status == 200 and guarded.view().in_force)
    for network in ("10.96.4.0/24", "0.0.0.0/0", "12.0.0.0/7", "::/0"):
        with pytest.raises(OwnNetwork):
            guarded.deny((ip_network(network),))


def test_what_can_not_be_seen_by_a_real_request_is_put_back(edge: GatewayWorld, guarded: GatewayEdge) -> None:
    blind = GatewayEdge(cluster=edge.traffic.cluster, proxies_cluster=edge.traffic.proxies_cluster, members_url="http://127.0.0.1:9/")
    with pytest.raises(EdgeRejected, match="gives no answer"):
        blind.limit(STRICT)
    assert guarded.view().limit is None
    with pytest.raises(BadInput):
        guarded.limit(RateLimit(requests=0, per=timedelta(seconds=1)))


def test_the_commands_that_a_person_would_type_do_the_same(edge: GatewayWorld, guarded: GatewayEdge) -> None:
    attacker = ip_network("192.0.2.0/24")
    for commands in (guarded.describe_limit(FEW), guarded.describe_deny((attacker,))):
        for command in commands:
            edge.type(command)
    eventually(lambda: guarded.view().in_force)
    assert (guarded.view().limit, guarded.view().denied) == (FEW, (attacker,))
    for commands in (guarded.describe_limit(None), guarded.describe_deny(())):
        for command in commands:
            edge.type(command)
    eventually(lambda: guarded.view().in_force)
    assert (guarded.view().limit, guarded.view().denied) == (None, ())


def test_the_manifest_of_the_document_does_the_same(edge: GatewayWorld, guarded: GatewayEdge) -> None:
    edge.file_limit()
    eventually(lambda: guarded.view().in_force)
    assert guarded.view().limit == STRICT
    assert guarded.limit(None).limit is None
    assert guarded.view().in_force


def test_whoever_comes_late_is_refused_by_the_policies(edge: GatewayWorld, guarded: GatewayEdge) -> None:
    attacker = (ip_network("192.0.2.0/24"),)
    for before in (FiledObject.read.__code__, FiledObject._put.__code__):
        for call in (lambda its: its.limit(STRICT), lambda its: its.deny(attacker)):
            with late(lambda call=call: own_edge(edge, call), before=before) as stopped:  # type: ignore[misc]  # mypy infers no lambda's default
                with taken_over():
                    guarded.limit(FEW)
                    guarded.limit(None)
                    guarded.deny(())
                assert stopped.wake() == "fenced-off"
    assert (guarded.view().limit, guarded.view().denied) == (None, ())


def test_manifests_that_are_applied_again_let_nobody_in(edge: GatewayWorld, guarded: GatewayEdge) -> None:
    attacker = ip_network("192.0.2.0/24")
    guarded.deny((attacker,))
    guarded.limit(FEW)
    edge.apply_again()
    assert (edge.traffic.view().weights, guarded.view().limit, guarded.view().denied) == (BLUE, FEW, (attacker,))
    assert guarded.view().in_force
