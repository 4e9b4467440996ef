"""Pods run on the cluster as on any other: seen, asked, entered, reached."""

from __future__ import annotations

import pytest

from tests.kubernetes.cluster.layout import CONTROL_NODE
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.pods import ask, curl, pods_of, serve
from tests.stack import eventually

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def served(lent: Lent) -> Lent:
    serve(lent, "hello", replicas=2)
    return lent


def test_logs_and_exec_reach_a_pod(served: Lent) -> None:
    said = served.kubectl("logs", "--namespace", served.namespace, "deployment/hello")
    assert said.startswith("serving\n")
    within = served.kubectl("exec", "--namespace", served.namespace, "deployment/hello", "--", "python3", "-c", "import os; print(os.getuid())")
    assert within == "65534\n"


def test_a_service_reaches_every_pod_of_it(served: Lent) -> None:
    pods = pods_of(served, "hello")
    assert len(pods) == 2
    assert ask(served, "hello", f"http://{_cluster_ip(served)}/", times=60) == pods


def test_a_service_is_reached_by_its_name(served: Lent) -> None:
    assert ask(served, "hello", f"http://hello.{served.namespace}.svc.cluster.local/") <= pods_of(served, "hello")
    assert ask(served, "hello", "http://hello/") <= pods_of(served, "hello")


def test_the_machine_reaches_a_node_port(served: Lent) -> None:
    assert served.own
    port = served.kubectl("get", "service", "hello", "--namespace", served.namespace, "--output=jsonpath={.spec.ports[0].nodePort}")
    url = f"http://{served.own.addresses.node(CONTROL_NODE)}:{port}/"
    pods = pods_of(served, "hello")
    assert eventually(lambda: curl(url) in pods)


def test_nothing_outside_the_cluster_is_reached_from_a_pod(served: Lent) -> None:
    assert ask(served, "hello", "http://192.0.2.1/") == {"URLError"}


def _cluster_ip(lent: Lent) -> str:
    return lent.kubectl("get", "service", "hello", "--namespace", lent.namespace, "--output=jsonpath={.spec.clusterIP}")
