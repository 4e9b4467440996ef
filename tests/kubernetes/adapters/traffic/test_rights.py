"""The rights that are told are enough for traffic and for its edge, and none of them is for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml

from tests.contract.traffic.promises import BLUE, GREEN
from tests.kubernetes.adapters.traffic.world import GatewayWorld
from tests.kubernetes.cluster.parts import gateway
from unioneyes.adapters.kubernetes.access import find_access
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import MissingRight
from unioneyes.adapters.kubernetes.gateway.edge import GatewayEdge
from unioneyes.adapters.kubernetes.gateway.traffic import GatewayTraffic
from unioneyes.adapters.kubernetes.rights import GATEWAY_EDGE, GATEWAY_TRAFFIC, PROXIES, Right, missing, role
from unioneyes.ports.edge import STRICT
from unioneyes.ports.traffic import Colour

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]

WHO = "traffic-only"


@pytest.fixture
def limited(edge: GatewayWorld, tmp_path: Path) -> Iterator[GatewayTraffic]:
    """Traffic as somebody has it who may do nothing yet."""
    edge.traffic.shift(BLUE)
    edge.kubectl("create", "serviceaccount", WHO)
    kubeconfig = yaml.safe_load(edge.lent.kubectl.kubeconfig.read_text())
    kubeconfig["users"][0]["user"] = {"token": edge.kubectl("create", "token", WHO).strip()}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(kubeconfig))
    access = partial(find_access, {}, kubeconfig=file)
    cluster, of_proxies = Cluster(access, namespace=edge.lent.namespace), Cluster(access, namespace=gateway.NAMESPACE)
    yield GatewayTraffic(cluster=cluster, proxies_cluster=of_proxies)
    cluster.close()
    of_proxies.close()
    edge.lent.kubectl("delete", "role,rolebinding", edge.lent.namespace, "--namespace", gateway.NAMESPACE, "--ignore-not-found")


def grant(edge: GatewayWorld, rights: tuple[Right, ...], namespace: str) -> None:
    """An administrator applies what was told, under a name of the test's own."""
    told = role(rights, namespace=namespace, who=f"system:serviceaccount:{edge.lent.namespace}:{WHO}").replace("unioneyes-more", edge.lent.namespace)
    edge.lent.kubectl("apply", "--server-side", "--filename=-", fed=told)


def test_what_is_told_is_enough(edge: GatewayWorld, limited: GatewayTraffic) -> None:
    guard = GatewayEdge(cluster=limited.cluster, proxies_cluster=limited.proxies_cluster, members_url=f"http://{edge.members.host}:{edge.members.port}/")
    for question in (limited.view, limited.counters, lambda: limited.shift(GREEN), guard.view):
        with pytest.raises(MissingRight, match=WHO):
            question()
    here = (*GATEWAY_TRAFFIC, *GATEWAY_EDGE)
    assert (missing(limited.cluster, here), missing(limited.proxies_cluster, PROXIES)) == (here, PROXIES)
    grant(edge, here, edge.lent.namespace)
    grant(edge, PROXIES, gateway.NAMESPACE)
    assert (missing(limited.cluster, here), missing(limited.proxies_cluster, PROXIES)) == ((), ())
    assert limited.shift(GREEN).revision == limited.view().revision
    limited.enter_maintenance(retry_after=timedelta(minutes=1))
    limited.leave_maintenance()
    limited.rehearse_shift()
    assert limited.drained(Colour.BLUE, within=timedelta(seconds=20)).left == 0
    assert guard.limit(STRICT).in_force
    assert guard.limit(None).in_force
    assert guard.deny((ip_network("192.0.2.0/24"),)).in_force
    assert guard.deny(()).in_force
