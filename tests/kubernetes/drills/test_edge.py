"""Under attack on a real cluster: `ue edge` limits each client's address and keeps one out, as a pod with an address of its own sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter

from tests.contract.processes.conftest import eventually
from tests.drills.main_job.main_job import MainJob
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.cluster.parts import gateway
from tests.kubernetes.drills.conftest import STARTED_WITHIN
from tests.kubernetes.pods import serve
from tests.stack import DRILL_SETTINGS, empty_stack
from unioneyes.environments import CLUSTER_TEST
from unioneyes.environments.local.rehearsal_cluster import namespace_of
from unioneyes.kernel.problems import ExitCode
from unioneyes.ports.edge import EdgeView

pytestmark = pytest.mark.timeout(600)
LIMIT = 300
"""Requests a minute: more than the environment's own make, and few for an attacker."""
_VIEW = TypeAdapter(EdgeView)
_OWNED = "gateway.envoyproxy.io/owning-gateway-name=unioneyes-web,gateway.envoyproxy.io/owning-gateway-namespace="
_ATTACK = """
import collections, http.client, json, sys
address, times = sys.argv[1], int(sys.argv[2])
answers = collections.Counter()
connection = http.client.HTTPConnection(address, timeout=10)
for _ in range(times):
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    answers[answer.status] += 1
print(json.dumps(answers))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacked:
    """An environment on a cluster, and a pod that attacks its service."""

    job: MainJob
    lent: Lent
    namespace: str

    @property
    def attacker(self) -> str:
        """The pod's address."""
        return self._kubectl("get", "pods", "--selector=app=attacker", "--output=jsonpath={.items[0].status.podIP}")

    @property
    def proxies(self) -> int:
        """How many there are: each counts for itself."""
        listed = self.lent.kubectl("get", "pods", "--namespace", gateway.NAMESPACE, f"--selector={_OWNED}{self.namespace}", "--output=name")
        return len(listed.split())

    def attack(self, times: int) -> Counter[str]:
        """Return the statuses that the pod is answered with."""
        wanted = ("get", "service", "--namespace", gateway.NAMESPACE, f"--selector={_OWNED}{self.namespace}")
        address = self.lent.kubectl(*wanted, "--output=jsonpath={.items[0].spec.clusterIP}")
        said = self._kubectl("exec", "deployment/attacker", "--", "python3", "-c", _ATTACK, address, str(times))
        return Counter(TypeAdapter(dict[str, int]).validate_json(said))

    def changed(self, *words: str) -> EdgeView:
        """`ue edge` does it; return how the edge stands then."""
        done = self.job.stack.ue("edge", *words, "--reason", "a drill", "-o", "json")
        assert done.code == ExitCode.DONE, done.err
        seen = self.job.stack.ue("edge", "status", "-o", "json")
        assert seen.code == ExitCode.DONE, seen.err
        return _VIEW.validate_json(seen.out)

    def _kubectl(self, *words: str) -> str:
        return self.lent.kubectl("--namespace", self.lent.namespace, *words)


@pytest.fixture(scope="module")
def attacked(lent: Lent) -> Iterator[Attacked]:
    """A service that members could reach, on a cluster whose pods are none of ours."""
    assert lent.own, "these drills start databases that pods reach: make test-kubernetes without KUBECONFIG"
    serve(lent, "attacker")
    with empty_stack(settings=f"{DRILL_SETTINGS}\n[edge]\nown = []\n", env=CLUSTER_TEST) as stack:
        namespace = namespace_of(stack.home)
        try:
            started = stack.start(within=STARTED_WITHIN.total_seconds())
            assert started.code == 0, started.err
            job = MainJob(stack=stack)
            job.deployed("1.0.0", "--migrate", "--bake", "1s")
            yield Attacked(job=job, lent=lent, namespace=namespace)
        finally:
            lent.kubectl("delete", "namespace", namespace, "--ignore-not-found", within=180)


def test_what_a_person_would_type_is_printed_and_nothing_is_changed(attacked: Attacked) -> None:
    limit = attacked.job.stack.ue("edge", "limit", "strict", "--dry-run")
    assert limit.code == ExitCode.DONE, limit.err
    assert f"kubectl -n {attacked.namespace} patch backendtrafficpolicy rate-limit-strict --type=merge" in limit.out
    deny = attacked.job.stack.ue("edge", "deny", "198.51.100.7", "--dry-run")
    assert f"kubectl -n {attacked.namespace} patch securitypolicy deny-list --type=merge" in deny.out
    assert "198.51.100.7/32" in deny.out
    seen = _VIEW.validate_json(attacked.job.stack.ue("edge", "status", "-o", "json").out)
    assert (seen.limit, seen.denied, seen.in_force) == (None, (), True)


def test_an_attacker_is_limited_then_kept_out_and_both_are_taken_back(attacked: Attacked) -> None:
    attacker, times = attacked.attacker, 2 * LIMIT * attacked.proxies
    assert attacked.attack(5) == {"200": 5}
    assert str(attacked.changed("limit", f"{LIMIT}/minute").limit) == f"{LIMIT} requests a minute"
    assert attacked.attack(times)["429"] > 0
    assert [str(each) for each in attacked.changed("deny", attacker).denied] == [f"{attacker}/32"]
    assert attacked.attack(5) == {"403": 5}
    assert attacked.changed("limit", "none").limit is None
    assert attacked.changed("allow", attacker).denied == ()
    eventually(lambda: attacked.attack(5) == {"200": 5})
