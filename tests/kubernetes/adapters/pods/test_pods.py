"""Pods on a real Kubernetes: the promises of every world's, and what only a cluster can do wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.pods.promises import BLUE, VERSION, WITHIN, PodsPromises, lives, names, sized
from tests.contract.traffic.load import Load, load
from tests.contract.traffic.world import Door
from tests.kubernetes.adapters.colours import APP
from tests.kubernetes.adapters.pods.stand_in import PORT, autoscaler, deployment, secret, service
from tests.kubernetes.cluster.binaries import program
from tests.kubernetes.cluster.layout import CONTROL_NODE
from tests.kubernetes.cluster.lent import Lent
from tests.stack import eventually
from unioneyes.adapters.kubernetes.access import find_access
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.pods import OWN_BOUNDS, KubernetesPods
from unioneyes.adapters.kubernetes.replicas import KubernetesReplicas
from unioneyes.kernel.fencing import FencedOff, fencing_token
from unioneyes.kernel.ids import new_id
from unioneyes.kernel.problems import Problem
from unioneyes.operations.app.model import ScaleRequest
from unioneyes.operations.app.rules import wanted_size
from unioneyes.ports.pods import PodNotRunning
from unioneyes.ports.replicas import NoReadyReplica
from unioneyes.ports.traffic import Colour

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]
MISSING = "9.9.9-missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesWorld:
    """Stand-ins in a namespace of their own, behind a Service."""

    lent: Lent
    pods: KubernetesPods
    port: int

    @property
    def namespace(self) -> str:
        return self.pods.replicas.cluster.namespace

    def type(self, *words: str) -> str:
        return self.lent.kubectl("--namespace", self.namespace, *words, within=120)

    def serve(self, count: int) -> None:
        self.type("delete", "hpa", "--all")
        for colour in Colour:
            self.pods.replicas.stop(colour)
        self.pods.replicas.start(BLUE, version=VERSION, count=count, within=WITHIN)
        assert eventually(self._answers, within=30), "a pod is ready before its node sends requests there"

    def _answers(self) -> bool:
        try:
            return all(self._door.get().status == 200 for _ in range(20))
        except OSError:
            return False

    def get(self, pod: str, path: str) -> None:
        with suppress(Problem):
            self.pods.replicas.cluster.ask_pod(pod, PORT, path)

    def members(self) -> AbstractContextManager[Load]:
        return load(self._door)

    def script(self) -> str:
        return "import os\nprint('version', os.environ['STAND_IN_VERSION'])\nraise SystemExit(7)\n"

    @property
    def _door(self) -> Door:
        assert self.lent.own
        return Door(host=self.lent.own.addresses.node(CONTROL_NODE), port=self.port)


@pytest.fixture(scope="module")
def world(lent: Lent) -> Iterator[KubernetesWorld]:
    assert lent.own, "the base image is in our own registry"
    base = f"{lent.own.addresses.registry}/base"
    found = json.loads(lent.kubectl("get", "--raw", "/api/v1/nodes"))["items"][0]["status"]["images"]
    digests = [name for image in found for name in image["names"] if name.startswith(f"{base}@sha256:")]
    namespace = new_id("unioneyes-test").lower()
    lent.kubectl("create", "namespace", namespace)
    cluster = Cluster(lambda: find_access({}, kubeconfig=lent.kubectl.kubeconfig), namespace=namespace)

    def image(version: str) -> str:
        return f"{base}-nobody-pushed@sha256:{'0' * 64}" if version == MISSING else next(iter(digests), base)

    try:
        lent.kubectl.apply(secret(namespace), service(namespace), *(deployment(namespace, colour) for colour in Colour))
        port = int(lent.kubectl("--namespace", namespace, "get", "service", APP, "--output=jsonpath={.spec.ports[0].nodePort}"))
        kubectl = (str(lent.kubectl.other or program("kubectl")), f"--kubeconfig={lent.kubectl.kubeconfig}")
        replicas = KubernetesReplicas(cluster=cluster, image=image, configuration=dict)
        yield KubernetesWorld(lent=lent, pods=KubernetesPods(replicas=replicas, kubectl=kubectl, shell_program=("python3", "-")), port=port)
    finally:
        cluster.close()
        lent.kubectl("delete", "namespace", namespace, "--wait=false")


class TestKubernetesPods(PodsPromises):
    """The promises of every world's pods."""


def test_what_a_pod_takes_is_told_where_the_cluster_measures_it(world: KubernetesWorld) -> None:
    world.serve(1)
    (pod,) = world.pods.all()
    assert pod.memory_limit == 128 << 20
    measures = "metrics.k8s.io" in world.lent.kubectl("api-versions")
    if measures:
        assert eventually(lambda: all(pod.memory and pod.cpu is not None for pod in world.pods.all()), within=90)
    assert measures == (world.pods.all()[0].memory is not None)


def test_an_image_that_nobody_pushed_is_told_as_the_pod_s_state(world: KubernetesWorld) -> None:
    world.serve(1)
    with pytest.raises(NoReadyReplica):
        world.pods.replicas.start(BLUE.other, version=MISSING, count=1, within=WITHIN)
    assert eventually(lambda: any(pod.waits in {"ErrImagePull", "ImagePullBackOff"} for pod in world.pods.all()), within=60)
    (pod,) = (pod for pod in world.pods.all() if pod.colour is BLUE.other)
    assert (pod.ready, pod.last_end) == (False, None)
    assert any(event.warning and "nobody-pushed" in event.message for event in world.pods.details(pod.name).events)
    with pytest.raises(PodNotRunning):
        world.pods.shell(pod.name, terminal=True)


def test_who_holds_too_much_memory_is_told_to_have_been_killed_for_it(world: KubernetesWorld) -> None:
    world.serve(1)
    (name,) = names(world)
    world.get(name, "/eat")
    assert eventually(lambda: any(pod.last_end and pod.ready for pod in world.pods.all()), within=60)
    (pod,) = world.pods.all()
    assert pod.last_end is not None
    assert (pod.last_end.reason, pod.last_end.exit_code) == ("OOMKilled", 137)


def test_secrets_are_named_and_never_told(world: KubernetesWorld) -> None:
    world.serve(1)
    details = world.pods.details(names(world)[0])
    assert set(details.secrets) == {"STAND_IN_SECRET: database-credentials/url", "/etc/unioneyes/database: database-credentials"}
    assert "STAND_IN_SECRET" not in details.settings
    assert details.readiness == "GET /healthz on port http is answered with success"


def test_a_shell_at_a_terminal_asks_for_one(world: KubernetesWorld) -> None:
    world.serve(1)
    (name,) = names(world)
    way = world.pods.shell(name, terminal=True)
    assert "--tty" in way.argv
    assert f"debug {name}" in way.otherwise
    assert (way.node, way.environment) == (None, None)


def test_an_autoscaler_is_held_at_the_number_and_gets_its_own_bounds_back(world: KubernetesWorld) -> None:
    world.serve(2)
    world.lent.kubectl.apply(autoscaler(world.namespace, least=2, most=4))
    before = world.pods.size(BLUE)
    assert (before.count, str(before.autoscaler.bounds if before.autoscaler else "")) == (2, "2 to 4")
    held = wanted_size(before, ScaleRequest(count=1))
    world.pods.resize(BLUE, held, within=WITHIN)
    assert world.pods.size(BLUE) == held
    assert len(names(world)) == 1
    assert OWN_BOUNDS in world.type("get", "hpa", f"{APP}-blue", "--output=yaml")
    time.sleep(20)  # longer than the autoscaler's controller needs to object
    assert world.pods.size(BLUE) == held
    back = wanted_size(world.pods.size(BLUE), ScaleRequest(auto=True))
    world.pods.resize(BLUE, back, within=WITHIN)
    assert world.pods.size(BLUE) == before
    assert OWN_BOUNDS not in world.type("get", "hpa", f"{APP}-blue", "--output=yaml")


def test_a_restart_that_can_not_get_ready_says_why_and_the_pods_before_serve_on(world: KubernetesWorld) -> None:
    world.serve(1)
    before = lives(world)
    world.type("create", "quota", "small", "--hard=pods=1")
    try:
        with world.members() as members:
            members.wait_for(50)
            with pytest.raises(NoReadyReplica, match="0 of 1 pods"):
                world.pods.restart(BLUE, ordered=datetime.now(UTC), within=timedelta(seconds=8), meanwhile=lambda _: None)
            members.wait_for(50)
    finally:
        world.type("delete", "quota", "small")
    assert set(members.outcomes) == {VERSION}
    assert lives(world) == before


def test_what_comes_late_changes_nothing(world: KubernetesWorld) -> None:
    world.serve(1)
    newer = fencing_token.set(2_000)
    try:
        world.pods.resize(BLUE, sized(world, 1), within=WITHIN)
    finally:
        fencing_token.reset(newer)
    before = lives(world)
    late = fencing_token.set(1_000)
    try:
        with pytest.raises(FencedOff):
            world.pods.restart(BLUE, ordered=datetime.now(UTC), within=WITHIN, meanwhile=lambda _: None)
        with pytest.raises(FencedOff):
            world.pods.resize(BLUE, sized(world, 3), within=WITHIN)
    finally:
        fencing_token.reset(late)
    assert lives(world) == before


def test_a_restart_that_another_deployment_of_the_same_follows_is_not_done_twice(world: KubernetesWorld) -> None:
    """What we write next to the Deployment must not take the order's mark away: the pods would be made anew once more."""
    world.serve(1)
    world.pods.restart(BLUE, ordered=datetime.now(UTC), within=WITHIN, meanwhile=lambda _: None)
    before = lives(world)
    world.pods.replicas.mark_served(BLUE)
    world.pods.resize(BLUE, sized(world, 1), within=WITHIN)
    assert lives(world) == before
