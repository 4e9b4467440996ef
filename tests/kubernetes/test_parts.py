"""What a cluster has beside its core does what it says."""

from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from tests.kubernetes.cluster.layout import CONTROL_NODE
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.cluster.parts import gateway
from tests.kubernetes.pods import ask, curl, pods_of, serve
from tests.stack import eventually
from unioneyes.kernel.problems import Problem

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


def test_a_network_policy_keeps_others_out_and_lets_them_in_again(lent: Lent) -> None:
    serve(lent, "guarded")
    serve(lent, "visitor")
    url = f"http://{lent.kubectl('get', 'service', 'guarded', '--namespace', lent.namespace, '--output=jsonpath={.spec.clusterIP}')}/"
    allowed = pods_of(lent, "guarded")
    assert ask(lent, "visitor", url) <= allowed

    lent.kubectl.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "quarantine", "namespace": lent.namespace},
            "spec": {"podSelector": {"matchLabels": {"app": "guarded"}}, "policyTypes": ["Ingress"]},
        }
    )
    assert eventually(lambda: ask(lent, "visitor", url) <= {"URLError", "TimeoutError"}, within=60)

    lent.kubectl("delete", "networkpolicy", "quarantine", "--namespace", lent.namespace)
    assert eventually(lambda: ask(lent, "visitor", url) <= allowed, within=60)


def test_the_metrics_api_knows_what_a_pod_uses(lent: Lent) -> None:
    serve(lent, "measured")

    def measured() -> bool:
        try:
            listed = json.loads(lent.kubectl("get", "--raw", f"/apis/metrics.k8s.io/v1beta1/namespaces/{lent.namespace}/pods"))
        except Problem:
            return False
        return any(pod["metadata"]["name"] in pods_of(lent, "measured") and pod["containers"][0]["usage"]["memory"] != "0" for pod in listed["items"])

    assert eventually(measured, within=90)


def test_a_gateway_sends_requests_where_its_route_says(lent: Lent) -> None:
    assert lent.own
    for colour in ("blue", "green"):
        serve(lent, colour)
    of: JsonValue = {"name": "edge", "namespace": lent.namespace}
    listener: JsonValue = {"name": "http", "protocol": "HTTP", "port": 80}
    lent.kubectl.apply(
        {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": of, "spec": {"gatewayClassName": gateway.CLASS, "listeners": [listener]}}
    )
    owned = f"--selector=gateway.envoyproxy.io/owning-gateway-name=edge,gateway.envoyproxy.io/owning-gateway-namespace={lent.namespace}"
    wanted = ("get", "service", "--namespace", gateway.NAMESPACE, owned, "--output=jsonpath={.items[*].spec.ports[0].nodePort}")
    assert eventually(lambda: lent.kubectl(*wanted) != "", within=60)
    url = f"http://{lent.own.addresses.node(CONTROL_NODE)}:{lent.kubectl(*wanted)}/"

    for blue, green in ((1, 0), (0, 1)):
        backends: JsonValue = [{"name": "blue", "port": 80, "weight": blue}, {"name": "green", "port": 80, "weight": green}]
        route: JsonValue = {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": backends}]}
        lent.kubectl.apply({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": of, "spec": route})
        reached = pods_of(lent, "blue" if blue else "green")
        assert eventually(lambda reached=reached: curl(url) in reached, within=90)  # type: ignore[misc]  # mypy infers no lambda's default
