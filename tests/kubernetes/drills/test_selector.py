"""Releases go out and back on a cluster without a Gateway: the Service's selector leads the members. In this order: each begins where the one before ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from pydantic import JsonValue, TypeAdapter

from tests.drills.main_job.main_job import MainJob
from tests.kubernetes.cluster.layout import CONTROL_NODE
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.cluster.network import lead_to_pods
from tests.kubernetes.drills.waived import WAIVED
from tests.kubernetes.overlays import in_namespace
from tests.kubernetes.releases import push_releases
from tests.stack import empty_stack, eventually
from unioneyes.adapters.kubernetes.selector import SelectorTraffic
from unioneyes.environments.local.members import run_members
from unioneyes.kernel.clock import now
from unioneyes.kernel.ids import new_id
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.traffic import Colour, Counters

pytestmark = pytest.mark.timeout(600)
NAME = "selected"
RATE = 20.0
STARTED_WITHIN = 300
SERVICES = ("unioneyes-web", "unioneyes-web-blue", "unioneyes-web-green")
_OBJECTS: TypeAdapter[list[dict[str, JsonValue]]] = TypeAdapter(list[dict[str, JsonValue]])
VERSIONS = ("1.0.0", "1.1.0", "1.2.0-errors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """An environment whose traffic is led by a selector."""

    job: MainJob
    lent: Lent
    namespace: str

    def selector(self) -> str:
        """Return the colour to which the Service leads, as the API server says."""
        return self.lent.kubectl("get", "service", "unioneyes-web", f"--namespace={self.namespace}", "--output=jsonpath={.spec.selector.version}")

    def counters(self) -> Counters:
        """Return what the replicas counted, read anew."""
        traffic = self.job.stack.environment.traffic
        assert isinstance(traffic, SelectorTraffic)
        with closing(traffic.cluster):
            return traffic.counters()

    def examined(self) -> dict[str, dict[str, str]]:
        """Return what the doctor finds, by what was checked."""
        return {each["check"]: each for each in json.loads(self.job.stack.ue("env", "doctor", "-o", "json").out)["findings"]}


@pytest.fixture(scope="module")
def selected(lent: Lent) -> Iterator[Selected]:
    """The overlay for a cluster without the Gateway API, with small replicas; each Service is reached at a port of a node."""
    assert lent.own, "these drills start databases that pods reach: make test-kubernetes without KUBECONFIG"
    namespace = new_id("unioneyes-selected").lower()
    repository = f"{namespace}/service"
    push_releases(lent.own, repository, *VERSIONS)
    try:
        with in_namespace(namespace, "production-selector", "rehearsing", patches=on_this_machine()) as overlay:
            lent.kubectl("apply", "--server-side", f"--kustomize={overlay}", within=120)
        lead_to_pods(lent.own.layout, lent.own.addresses, lent.own.nodes)
        node = lent.own.addresses.node(CONTROL_NODE)
        ports = {name: lent.kubectl("get", "service", name, f"--namespace={namespace}", "--output=jsonpath={.spec.ports[0].nodePort}") for name in SERVICES}
        url, blue, green = (f"http://{node}:{ports[name]}" for name in SERVICES)
        said: dict[str, JsonValue] = {
            "kubeconfig": str(lent.own.layout.kubeconfig),
            "server": lent.own.addresses.api,
            "namespace": namespace,
            "images": f"{lent.own.addresses.registry}/{repository}",
            "plain_registry": True,
            "machine": lent.own.addresses.machine,
            "traffic": "selector",
            "url": url,
        }
        lines = ["[cluster]", *(f"{key} = {json.dumps(value)}" for key, value in said.items()), f'preview_url = {{ blue = "{blue}", green = "{green}" }}', ""]
        with empty_stack(settings="\n".join([WAIVED, *lines]), env=NAME) as stack:
            started = stack.start(within=STARTED_WITHIN)
            assert started.code == 0, started.err
            yield Selected(job=MainJob(stack=stack), lent=lent, namespace=namespace)
    finally:
        lent.kubectl("delete", "namespace", namespace, "--ignore-not-found", within=180)


def on_this_machine() -> list[JsonValue]:
    """Return what makes the overlay one for a cluster on one machine, whose database and issuer the machine has, at ports that were free."""
    out: JsonValue = {"op": "add", "path": "/spec/egress/-", "value": {"to": [{"ipBlock": {"cidr": "10.94.0.0/16"}}]}}
    changes: tuple[tuple[JsonValue, JsonValue], ...] = (
        ({"kind": "ConfigMap", "name": "unioneyes-web"}, [{"op": "remove", "path": "/data/CLAIMS_AUDIENCE"}]),
        ({"kind": "ConfigMap", "name": "unioneyes-web"}, [{"op": "remove", "path": "/data/CLAIMS_JWKS_URL"}, {"op": "remove", "path": "/data/CLAIMS_ISSUER"}]),
        ({"kind": "NetworkPolicy", "name": "unioneyes-web-out"}, [out]),
        ({"kind": "Service"}, [{"op": "add", "path": "/spec/type", "value": "NodePort"}]),
        ({"kind": "HorizontalPodAutoscaler"}, [{"op": "replace", "path": "/spec/minReplicas", "value": 2}]),
    )
    return [{"target": target, "patch": json.dumps(patch)} for target, patch in changes]


def test_the_environment_is_up_and_the_doctor_asks_for_no_gateway(selected: Selected) -> None:
    found = selected.examined()

    assert "gateway" not in found
    assert [found[check]["health"] for check in ("cluster", "rights", "manifests", "service")] == ["good"] * 4, found
    assert "leads members to nobody" in found["service"]["detail"]
    assert "envoy-gateway-system" not in found["rights"]["detail"]


def test_a_plan_shows_the_patch_of_the_selector(selected: Selected) -> None:
    said = selected.job.stack.ue("deploy", "start", "1.0.0", "--migrate", "--dry-run")

    assert said.code == 0, said.err
    assert f"kubectl -n {selected.namespace} patch service unioneyes-web" in said.out
    assert "drain/connections" in said.out
    assert "httproute" not in said.out


def test_the_first_release_goes_out(selected: Selected) -> None:
    selected.job.deployed("1.0.0", "--migrate", "--bake", "1s")

    assert selected.job.serving().version == "1.0.0"
    assert selected.selector() == "blue"


@pytest.mark.parametrize(("flag", "remedy"), [("--maintenance", "without maintenance"), ("--canary=10,50", "leave out --canary")])
def test_what_a_selector_can_not_do_is_refused_before_anything_changes(selected: Selected, flag: str, remedy: str) -> None:
    said = selected.job.deploy("1.1.0", "--migrate", flag, "--bake", "1s")

    assert said.code == 3, said.err
    assert "a Service's selector leads to one colour" in said.err
    assert remedy in said.err
    assert selected.counters().green.replicas == 0
    assert "0002" not in "".join(migration.tag for migration in selected.job.stack.environment.migrations.applied())


@pytest.mark.parametrize("words", [("status",), ("limit", "strict"), ("deny", "198.51.100.7")])
def test_nothing_before_the_pods_keeps_anybody_away_and_that_is_said(selected: Selected, words: tuple[str, ...]) -> None:
    said = selected.job.stack.ue("edge", *words)

    assert said.code == 3, said.err
    assert "reach the pods by the Service alone" in said.err


def test_the_next_one_replaces_it_under_load_and_nobody_is_left_on_the_old_one(selected: Selected) -> None:
    with run_members(selected.job.stack.home, rate=RATE) as members:
        run = selected.job.started("1.1.0", "--migrate", "--bake", "5s")
        selected.job.wait_for_step(run, "watch_release")
        watched = now()
        ended = selected.job.ended(run, within=300)
        seen = members.finish()

    assert ended.code == 0, ended.err
    assert (seen.lost, seen.sent > 100) == (0, True), seen
    old = seen.of("1.0.0")
    assert old is not None
    assert old.last_at <= watched, "a member was answered by the old colour when the switch had been said to be done"
    receipt = selected.job.result(ended)
    served = {one["version"]: (one["answers"], one["errors"]) for one in _OBJECTS.validate_python(receipt["served_by"])}
    assert all(int(str(answers)) > 50 and not errors for answers, errors in served.values()), served
    assert (sorted(map(str, served)), receipt["lost"]) == (["1.0.0", "1.1.0"], 0)
    assert selected.selector() == "green"
    assert (selected.counters().blue.replicas, selected.counters().green.healthy) == (0, 2)


def test_members_go_back_in_the_middle_of_a_watch_by_one_command(selected: Selected) -> None:
    with run_members(selected.job.stack.home, rate=RATE) as members:
        run = selected.job.started("1.0.0", "--bake", "10m")
        selected.job.wait_for_step(run, "watch_release")
        back = selected.job.stack.ue("rollback", "traffic", "--reason", "drill", within=200)
        seen = members.finish()

    assert back.code == 0, back.err
    assert selected.job.shown(run)["status"] == RunStatus.SUPERSEDED
    assert (seen.lost, seen.sent > 100) == (0, True), seen
    assert selected.job.serving().version == "1.1.0"
    assert selected.selector() == "green"


def test_a_release_that_fails_its_members_is_taken_back_by_itself(selected: Selected) -> None:
    with run_members(selected.job.stack.home, rate=RATE) as members:
        said = selected.job.deploy("1.2.0-errors", "--bake", "120s", within=400)
        seen = members.finish()

    assert said.code == 5, said.err
    assert selected.job.result(said)["rolled_back"]
    assert seen.lost_outside("1.2.0-errors") == 0, seen
    assert selected.selector() == "green"
    assert eventually(lambda: selected.counters().of(Colour.BLUE).replicas == 0, within=60)


def test_the_status_says_where_each_colour_is_tried(selected: Selected) -> None:
    status = selected.job.status()

    assert str(status["preview_url"]).endswith("(green)")
    assert selected.job.stack.ue("deploy", "status").code == 0
