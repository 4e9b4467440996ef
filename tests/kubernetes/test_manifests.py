"""A real cluster takes the manifests, and what they promise holds there: restricted pods, denied networks, quarantine, no release taken away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import JsonValue

from tests.kubernetes.cluster.kubectl import KubectlFailed
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.overlays import apply, in_namespace
from tests.kubernetes.pods import ask
from tests.kubernetes.releases import push_releases
from tests.kubernetes.schemas import schemas
from tests.manifests import K8S, OVERLAYS, SCHEMAS, as_text, render
from tests.stack import eventually

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]
NAMES = [overlay.name for overlay in OVERLAYS if overlay.parent == K8S / "overlays"]
WELL = frozenset({'{"status":"ok"}'})
NOT_REACHED = frozenset({"URLError", "TimeoutError"})
LISTENING = "import socket, time; kept = [socket.create_server(('', port)) for port in (5432, 8080)]; time.sleep(3600)"
GUARD = "validatingadmissionpolicy/unioneyes-web-stays-deployed", "validatingadmissionpolicybinding/unioneyes-web-stays-deployed"


@pytest.fixture(scope="module")
def lent(lent: Lent) -> Iterator[Lent]:
    """A namespace for these tests alone: what the manifests forbid in it, other tests do."""
    own = replace(lent, namespace=f"{lent.namespace}-manifests")
    lent.kubectl("create", "namespace", own.namespace)
    try:
        yield own
    finally:
        lent.kubectl("delete", "namespace", own.namespace, within=120)


@pytest.fixture(scope="module")
def images(lent: Lent) -> dict[str, str]:
    assert lent.own, "the service's images are pushed to the registry of a cluster of our own"
    return dict(push_releases(lent.own, "manifests/service", "1.0.0", "1.1.0"))


@pytest.fixture(scope="module")
def service(lent: Lent, images: dict[str, str]) -> Lent:
    """The machine's overlay is in force, and two blue replicas of 1.0.0 run, put there as `ue` would."""
    apply(lent, "machine")
    secret: dict[str, JsonValue] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "database-credentials", "namespace": lent.namespace}}
    lent.kubectl.apply({**secret, "stringData": {"url": "postgresql://claims_app:nobody@192.0.2.1/nowhere"}})
    addresses: JsonValue = {"CLAIMS_JWKS_URL": "http://192.0.2.1/jwks.json", "CLAIMS_ISSUER": "http://192.0.2.1"}
    say(lent, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "unioneyes-web", "namespace": lent.namespace}, "data": addresses})
    deploy(lent, "blue", image=images["1.0.0"])
    return lent


def say(lent: Lent, said: dict[str, JsonValue]) -> None:
    """The object says so, as `ue` would have it."""
    lent.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=unioneyes", "--filename=-", fed=json.dumps(said))


def deploy(lent: Lent, colour: str, *, image: str, replicas: int = 2) -> None:
    """The colour's pods are ready."""
    said: dict[str, JsonValue] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"unioneyes-web-{colour}", "namespace": lent.namespace},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "web", "image": image}]}}},
    }
    say(lent, said)
    lent.kubectl("rollout", "status", f"deployment/unioneyes-web-{colour}", f"--namespace={lent.namespace}", "--timeout=90s", within=100)


@pytest.fixture(scope="module")
def neighbours(lent: Lent) -> Iterator[Lent]:
    """Another namespace of the same cluster, with a pod `operator` that has the control plane's label, and a pod `stranger`."""
    other = replace(lent, namespace=f"{lent.namespace}-near")
    lent.kubectl("create", "namespace", other.namespace)
    try:
        for name, app in (("operator", "unioneyes-control-plane"), ("stranger", "stranger")):
            lent.kubectl.apply(client(other, name, app))
        for name in ("operator", "stranger"):
            lent.kubectl("rollout", "status", f"deployment/{name}", f"--namespace={other.namespace}", "--timeout=90s", within=100)
        yield other
    finally:
        lent.kubectl("delete", "namespace", other.namespace, within=120)


def client(lent: Lent, name: str, app: str) -> dict[str, JsonValue]:
    """Return a Deployment of `base`, which can be asked from, and connected to at two ports."""
    assert lent.own
    image = f"{lent.own.addresses.registry}/base"
    container: JsonValue = {"name": "client", "image": image, "command": ["python3", "-c", LISTENING]}
    chosen: JsonValue = {"client": name}
    spec: JsonValue = {"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False, "containers": [container]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": lent.namespace},
        "spec": {"selector": {"matchLabels": chosen}, "template": {"metadata": {"labels": {"client": name, "app": app}}, "spec": spec}},
    }


def test_the_schemas_that_manifests_are_held_to_offline_are_the_clusters(lent: Lent) -> None:
    types = {manifest.type for overlay in OVERLAYS for manifest in render(overlay)}
    assert as_text(schemas(lent.kubectl, types)) == SCHEMAS.read_text(), "python -m tests.kubernetes.schemas"


@pytest.mark.parametrize("overlay", [name for name in NAMES if name != "cluster" and not name.endswith("-operated")])
def test_the_cluster_would_take_it(lent: Lent, overlay: str) -> None:
    said = apply(lent, overlay, "--server-side", "--dry-run=server", "--warnings-as-errors")
    assert len(said.splitlines()) == len(render(K8S / "overlays" / overlay))


def test_the_cluster_would_take_what_belongs_to_it(lent: Lent) -> None:
    said = lent.kubectl("apply", "--server-side", "--dry-run=server", "--warnings-as-errors", f"--kustomize={K8S / 'overlays/cluster'}")
    assert len(said.splitlines()) == 2


def test_replicas_run_restricted_and_read_only(service: Lent) -> None:
    inside = "import os, pathlib; print(os.getuid(), os.access('/opt', os.W_OK), *sorted(str(p) for p in pathlib.Path('/var/run/secrets').glob('*')))"
    said = service.kubectl("exec", f"--namespace={service.namespace}", "deployment/unioneyes-web-blue", "--", "python3", "-c", inside)
    assert said == "65532 False\n"
    with pytest.raises(KubectlFailed, match="Read-only file system"):
        service.kubectl("exec", f"--namespace={service.namespace}", "deployment/unioneyes-web-blue", "--", "python3", "-c", "open('/opt/x', 'w')")


def test_only_who_is_allowed_reaches_a_replica(service: Lent, neighbours: Lent) -> None:
    healthz = f"http://unioneyes-web-blue.{service.namespace}.svc.cluster.local/healthz"
    metrics = f"http://{json.loads(pods(service))['items'][0]['status']['podIP']}:8001/metrics"
    assert eventually(lambda: ask(neighbours, "operator", healthz) == WELL)
    assert "claims_pool_connections" in ask(neighbours, "operator", metrics)
    assert ask(neighbours, "stranger", healthz) <= NOT_REACHED
    assert ask(neighbours, "stranger", metrics) <= NOT_REACHED


def test_a_replica_reaches_nobody_whom_it_does_not_need(service: Lent, neighbours: Lent) -> None:
    said = service.kubectl("get", "pods", f"--namespace={neighbours.namespace}", "--selector=client=stranger", "--output=json")
    stranger = json.loads(said)["items"][0]["status"]["podIP"]

    def connects(port: int) -> bool:
        script = f"import socket; s = socket.socket(); s.settimeout(2); print(s.connect_ex(({stranger!r}, {port})))"
        return service.kubectl("exec", f"--namespace={service.namespace}", "deployment/unioneyes-web-blue", "--", "python3", "-c", script) == "0\n"

    assert eventually(lambda: connects(5432))
    assert not connects(8080)


def test_a_pod_in_quarantine_lives_and_is_not_reached(service: Lent, neighbours: Lent) -> None:
    first = json.loads(pods(service))["items"][0]
    name, healthz = first["metadata"]["name"], f"http://{first['status']['podIP']}:8000/healthz"
    assert eventually(lambda: ask(neighbours, "operator", healthz) == WELL)
    service.kubectl("label", "pod", name, "unioneyes.app/quarantine=true", f"--namespace={service.namespace}")
    assert eventually(lambda: ask(neighbours, "operator", healthz) <= NOT_REACHED)
    assert "serving" in service.kubectl("logs", name, f"--namespace={service.namespace}")
    service.kubectl("label", "pod", name, "unioneyes.app/quarantine-", f"--namespace={service.namespace}")
    assert eventually(lambda: ask(neighbours, "operator", healthz) == WELL)


def pods(lent: Lent, colour: str = "blue") -> str:
    return lent.kubectl("get", "pods", f"--namespace={lent.namespace}", f"--selector=app=unioneyes-web,version={colour}", "--output=json")


@pytest.fixture
def guarded(service: Lent) -> Iterator[Lent]:
    """The API server holds the policy that belongs to the cluster."""
    service.kubectl("apply", "--server-side", f"--kustomize={K8S / 'overlays/cluster'}")
    try:
        yield service
    finally:
        service.kubectl("delete", *GUARD)


def serving(lent: Lent) -> tuple[int, str]:
    spec = json.loads(lent.kubectl("get", "deployment", "unioneyes-web-blue", f"--namespace={lent.namespace}", "--output=json"))["spec"]
    return spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]


def test_what_is_deployed_is_taken_away_by_no_apply(guarded: Lent, images: dict[str, str]) -> None:
    with pytest.raises(KubectlFailed, match=r'conflicts? with "unioneyes"'):
        apply(guarded, "machine")
    assert serving(guarded) == (2, images["1.0.0"])

    def refused() -> bool:
        try:
            apply(guarded, "machine", "--dry-run=server")
        except KubectlFailed as failed:
            return "a release is deployed here" in str(failed)
        return False

    assert eventually(refused, within=30)
    assert serving(guarded) == (2, images["1.0.0"])


def test_what_is_ours_is_changed_beside_what_is_deployed(service: Lent, images: dict[str, str]) -> None:
    deploy(service, "green", image=images["1.1.0"], replicas=1)
    shorter: JsonValue = [{"op": "replace", "path": "/spec/progressDeadlineSeconds", "value": 99}]
    with in_namespace(service.namespace, "machine", "operated", patches=[{"target": {"kind": "Deployment"}, "patch": json.dumps(shorter)}]) as overlay:
        service.kubectl("apply", "--server-side", f"--kustomize={overlay}")
    assert serving(service) == (2, images["1.0.0"])
    for colour in ("blue", "green"):
        said = service.kubectl("get", "deployment", f"unioneyes-web-{colour}", f"--namespace={service.namespace}", "--output=json")
        assert json.loads(said)["spec"]["progressDeadlineSeconds"] == 99


def test_an_undone_rollout_takes_its_own_settings_back(lent: Lent, images: dict[str, str]) -> None:
    deployment = "deployment/unioneyes-web"

    def settings() -> tuple[str, str]:
        container = json.loads(lent.kubectl("get", deployment, f"--namespace={lent.namespace}", "--output=json"))["spec"]["template"]["spec"]["containers"][0]
        return container["image"], container["envFrom"][0]["configMapRef"]["name"]

    def roll(version: str, pool_size: int) -> None:
        fewer: JsonValue = [
            {"target": {"kind": "Deployment", "name": "unioneyes-web"}, "patch": '[{"op": "replace", "path": "/spec/replicas", "value": 1}]'},
        ]
        said: JsonValue = [
            {"name": "nothing-deployed.invalid/unioneyes-web", "newName": images[version].partition("@")[0], "digest": images[version].partition("@")[2]}
        ]
        generated: JsonValue = [{"name": "unioneyes-web-settings", "behavior": "merge", "literals": [f"CLAIMS_POOL_SIZE={pool_size}"]}]
        with in_namespace(lent.namespace, "traditional", images=said, configMapGenerator=generated, patches=fewer) as folder:
            lent.kubectl("apply", "--server-side", "--force-conflicts", f"--kustomize={folder}")
        lent.kubectl("rollout", "status", deployment, f"--namespace={lent.namespace}", "--timeout=90s", within=100)

    roll("1.0.0", 3)
    before = settings()
    roll("1.1.0", 5)
    assert settings() != before
    lent.kubectl("rollout", "undo", deployment, f"--namespace={lent.namespace}")
    lent.kubectl("rollout", "status", deployment, f"--namespace={lent.namespace}", "--timeout=90s", within=100)
    assert settings() == before
    settings_of = json.loads(lent.kubectl("get", f"configmap/{before[1]}", f"--namespace={lent.namespace}", "--output=json"))
    assert settings_of["data"] == {"CLAIMS_POOL_SIZE": "3"}
