"""What a cluster has beside its core does what it says."""

from __future__ import annotations

import json

import pytest

from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.pods import ask, pods_of, serve
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
