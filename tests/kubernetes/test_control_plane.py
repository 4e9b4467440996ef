"""The control plane inside the cluster: two servers of `ue`, of which the one that carries a deployment out is killed in its middle; the deployment goes on."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from pydantic import JsonValue

from tests.certificates import Authority
from tests.contract.elsewhere.tls_front import tls_front
from tests.contract.postgres.conftest import PASSWORD, PASSWORDS, free_port
from tests.kubernetes.cluster.kubectl import wait_until
from tests.kubernetes.cluster.layout import CONTROL_NODE
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.cluster.served import Served, serve
from tests.kubernetes.releases import push_control_plane
from tests.manifests import K8S, ROOT
from tests.stack import UE
from unioneyes.adapters.postgres.bootstrap import SERVICE, bootstrap_operated, create_database, set_password
from unioneyes.adapters.postgres.server import SUPERUSER, THROWAWAY, PostgresServer
from unioneyes.kernel.status import RunStatus

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]
NAME = "unioneyes-control-plane"
USER = 65532
"""As which the image's programs run."""
WAIVED = ("release-contract", "security-sign-off", "product-approval", "migration-review", "staging-health")
KEPT = ("claims-owner", "claims-app", "ue-backup", "ue-operator", "ue-control")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """The control plane in the namespace that was lent."""

    lent: Lent
    served: Served
    url: str
    token: str
    authority: Path
    control: PostgresServer

    def ue(self, *words: str, within: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `ue` as somebody outside the cluster does: by the Service, with a token."""
        named = {"UE_URL": self.url, "UE_TOKEN": self.token, "UE_CA_FILE": str(self.authority)}
        return subprocess.run([UE, *words], env={**os.environ, **named}, capture_output=True, text=True, timeout=within, check=False)

    def pods(self) -> dict[str, str]:
        """Return the name of each server's worker, and the pod that it is."""
        words = ("get", "pods", f"--namespace={self.lent.namespace}", f"--selector=app={NAME},part=server", "--output=name")
        found: dict[str, str] = {}
        for pod in self.lent.kubectl(*words).split():
            said = self.lent.kubectl("logs", pod, f"--namespace={self.lent.namespace}", "--container=ue")
            found |= {line.rsplit(" ", 1)[1]: pod for line in said.splitlines() if "serving " in line and " as worker" in line}
        return found

    def worker(self, run: str) -> str | None:
        """Return who carries the run out."""
        with psycopg.connect(self.control.url(role="ue_control", password=PASSWORD, database="control").get_secret_value()) as session:
            row = session.execute("SELECT executor_id FROM dbos.workflow_status WHERE workflow_uuid = %s AND status = 'PENDING'", (run,)).fetchone()
        return str(row[0]) if row else None

    def steps(self, run: str) -> list[str]:
        """Return what the run's journal says, line by line."""
        return [json.dumps(line) for line in json.loads(self.ue("run", "logs", run, "-o", "json").stdout or "[]")]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def plane(lent: Lent, folder: Path) -> Iterator[ControlPlane]:
    """The service's objects, two databases by TLS, and the control plane's manifests, in force."""
    assert lent.own
    served = serve(lent.own, namespace=lent.namespace, anew=False, say=print)
    machine, node = lent.own.addresses.machine, lent.own.addresses.node(CONTROL_NODE)
    authority = Authority(folder, "vouches")
    with ExitStack() as stack:
        operated, control = (stack.enter_context(database(folder, name)) for name in ("operated", "control"))
        prepare(operated, control)
        issued = authority.issue(machine)
        ports = [stack.enter_context(tls_front(server.port, issued, address=machine)) for server in (operated, control)]
        token = f"ue_{secrets.token_urlsafe(32)}"
        hand_over(lent, authority, node, token, machine=machine, port=ports[0])
        stack.enter_context(volume(lent))
        stack.enter_context(issuer(lent, folder, machine))
        stack.enter_context(reading_the_proxies(lent))
        image, digest = push_control_plane(lent.own, f"{lent.namespace}/ue").split("@")
        overlay = stack.enter_context(written(environment(served, node, machine, ports), lent.namespace, image, digest))
        lent.kubectl("apply", "--server-side", f"--kustomize={overlay}", within=120)
        lent.kubectl("wait", "--for=condition=Complete", f"job/{NAME}-migrate", f"--namespace={lent.namespace}", "--timeout=180s", within=200)
        lent.kubectl("rollout", "status", f"deployment/{NAME}", f"--namespace={lent.namespace}", "--timeout=180s", within=200)
        service = json.loads(lent.kubectl("get", "service", NAME, f"--namespace={lent.namespace}", "--output=json"))
        url = f"https://{node}:{service['spec']['ports'][0]['nodePort']}"
        yield ControlPlane(lent=lent, served=served, url=url, token=token, authority=authority.file, control=control)
        lent.kubectl("delete", f"--kustomize={overlay}", "--ignore-not-found", "--wait=true", within=180)


@contextmanager
def database(folder: Path, name: str) -> Iterator[PostgresServer]:
    made = PostgresServer(name=name, folder=folder / name, port=free_port(), sockets=folder, settings=THROWAWAY)
    made.initialise(PASSWORD)
    with made.running_meanwhile():
        yield made


def prepare(operated: PostgresServer, control: PostgresServer) -> None:
    """Both have what somebody who runs them was asked for."""
    bootstrap_operated(operated, superuser=PASSWORD, passwords=PASSWORDS)
    with psycopg.connect(control.url(role=SUPERUSER, password=PASSWORD, database="postgres").get_secret_value(), autocommit=True) as admin:
        admin.execute("CREATE ROLE ue_control LOGIN")
        set_password(admin, "ue_control", PASSWORD)
        create_database(admin, "control", owner="ue_control")


def hand_over(lent: Lent, authority: Authority, node: str, token: str, *, machine: str, port: int) -> None:
    """The Secrets that the manifests name are there."""
    own = authority.issue(node)
    kept = {name: PASSWORD.get_secret_value() for name in KEPT}
    kept |= {"api-token": token, "audit-key": secrets.token_urlsafe(32), "slack-token": "xoxb-nobody", "slack-signing-secret": "nobody"}
    tls = {"tls.crt": own.certificate.read_text(), "tls.key": own.key.read_text(), "ca.crt": authority.file.read_text()}
    address = PostgresServer(name="x", folder=Path(), port=port, sockets=Path(), reached_at=machine).url(
        role=SERVICE, password=PASSWORD, database="unioneyes", elsewhere=True
    )
    for name, held in ((NAME, kept), (f"{NAME}-tls", tls), ("database-credentials", {"url": f"{address.get_secret_value()}?sslmode=require"})):
        data: JsonValue = {key: base64.b64encode(value.encode()).decode() for key, value in held.items()}
        lent.kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": lent.namespace}, "data": data})


@contextmanager
def issuer(lent: Lent, folder: Path, machine: str) -> Iterator[None]:
    """The service's pods know whose session tokens count."""
    at = f"{machine}:{free_port()}"
    command = [sys.executable, "-m", "unioneyes.simulators.vendors", "--listen", at, "--folder", str(folder / "vendors")]
    said: JsonValue = {"CLAIMS_ISSUER": f"http://{at}/identity", "CLAIMS_JWKS_URL": f"http://{at}/identity/.well-known/jwks.json"}
    lent.kubectl("patch", "configmap", "unioneyes-web", f"--namespace={lent.namespace}", "--type=merge", f"--patch={json.dumps({'data': said})}")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as vendors:
        try:
            yield
        finally:
            vendors.terminate()


@contextmanager
def volume(lent: Lent) -> Iterator[None]:
    """There is something to claim: a folder of the only node's, in which a node may write nowhere else."""
    assert lent.own
    name, place = f"{lent.namespace}-control-plane", lent.own.layout.home / "volumes" / lent.namespace
    place.mkdir(mode=0o700, parents=True)
    os.chown(place, USER, USER)
    claimed: JsonValue = {"namespace": lent.namespace, "name": NAME}
    spec: JsonValue = {"capacity": {"storage": "20Gi"}, "accessModes": ["ReadWriteMany"], "hostPath": {"path": str(place)}, "claimRef": claimed}
    lent.kubectl.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
    try:
        yield
    finally:
        lent.kubectl("delete", "persistentvolume", name, "--wait=false", "--ignore-not-found")
        shutil.rmtree(place)


@contextmanager
def reading_the_proxies(lent: Lent) -> Iterator[None]:
    """What `k8s/control-plane/proxies` grants, to the service account of this namespace."""
    text = (K8S / "control-plane/proxies/role.yaml").read_text()
    text = text.replace("name: unioneyes-control-plane-production", f"name: {lent.namespace}").replace("namespace: production", f"namespace: {lent.namespace}")
    text = text.replace("kind: Role\n  name: unioneyes-control-plane", f"kind: Role\n  name: {lent.namespace}")
    text = text.replace("kind: Role\nmetadata:\n  name: unioneyes-control-plane", f"kind: Role\nmetadata:\n  name: {lent.namespace}")
    lent.kubectl("apply", "--server-side", "--filename=-", fed=text)
    try:
        yield
    finally:
        lent.kubectl("delete", "role,rolebinding", lent.namespace, "--namespace=envoy-gateway-system", "--ignore-not-found")


def environment(served: Served, node: str, machine: str, ports: list[int]) -> str:
    """Return the environment's file: the one that stands beside the manifests, with the addresses of this cluster."""
    text = (K8S / "control-plane/overlays/production/environment.toml").read_text()
    for theirs, ours in (
        ("production = true\n", ""),
        ('namespace = "production"', f'namespace = "{served.namespace}"\nplain_registry = true'),
        ("registry.example.org/unioneyes-web", served.images),
        ("https://app.example.org", served.url),
        ("https://preview.example.org", served.preview_url),
        ('host = "db.example.org"', f'host = "{machine}"\nport = {ports[0]}\nauthority = "/etc/unioneyes/tls/ca.crt"'),
        ('host = "control-db.example.org"', f'host = "{machine}"\nport = {ports[1]}\nauthority = "/etc/unioneyes/tls/ca.crt"'),
        ("unioneyes-control-plane.production.svc", node),
        ("[control]\n", '[service]\nprobe_path = "/api/health"\n\n[control]\n'),
        ("[waivers]\n", "".join(["[waivers]\n", *(f'{gate} = "nobody is here but a drill"\n' for gate in WAIVED)])),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    return text


@contextmanager
def written(settings: str, namespace: str, image: str, digest: str) -> Iterator[Path]:
    """Give an overlay over the control plane's manifests. Kustomize takes relative paths only, so it stands in the work tree."""
    parent = ROOT / ".cache/overlays"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as made:
        back = "../" * len(Path(made).relative_to(ROOT).parts)
        node_port = [{"op": "add", "path": "/spec/type", "value": "NodePort"}]
        named = [{"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "UE_ENV", "value": "production"}}]
        said = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": namespace,
            "resources": [f"{back}{K8S.name}/control-plane/base"],
            "images": [{"name": "nothing-deployed.invalid/unioneyes-control-plane", "newName": image, "digest": digest}],
            "configMapGenerator": [{"name": NAME, "files": ["environment.toml"]}],
            "patches": [
                {"target": {"kind": "Service", "name": NAME}, "patch": json.dumps(node_port)},
                {"target": {"kind": "(Deployment|Job)", "name": f"{NAME}.*"}, "patch": json.dumps(named)},
            ],
        }
        (Path(made) / "environment.toml").write_text(settings)
        (Path(made) / "kustomization.yaml").write_text(json.dumps(said))
        yield Path(made)


def test_two_servers_share_the_log_the_rights_are_enough_and_the_databases_are_reached_by_tls(plane: ControlPlane) -> None:
    wait_until(lambda: len(plane.pods()) == 2, "two servers do not serve", within=timedelta(seconds=60))

    for pod in plane.pods().values():
        told = plane.lent.kubectl("exec", pod, f"--namespace={plane.lent.namespace}", "--container=ue", "--", "ue", "env", "doctor", "-o", "json")
        found = {finding["check"]: finding for finding in json.loads(told)["findings"]}
        assert [finding for finding in found.values() if finding["health"] == "bad"] == []
        assert "encrypted" in found["database"]["detail"]
        assert "encrypted" in found["control database"]["detail"]
    verified = plane.ue("audit", "list")
    assert verified.returncode == 0, verified.stderr


def test_a_deployment_goes_on_when_the_server_that_carries_it_out_is_killed(plane: ControlPlane) -> None:
    command = [UE, "deploy", "start", "1.0.0", "--migrate", "--bake", "5s", "-o", "json"]
    named = {"UE_URL": plane.url, "UE_TOKEN": plane.token, "UE_CA_FILE": str(plane.authority)}
    with subprocess.Popen(command, env={**os.environ, **named}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asked:
        try:
            run = under_way(plane, asked)
            first = plane.worker(run)
            assert first is not None
            plane.lent.kubectl("delete", plane.pods()[first], f"--namespace={plane.lent.namespace}", "--grace-period=0", "--force", "--wait=false")
            killed = time.monotonic()
            wait_until(lambda: plane.worker(run) not in {first, None}, "nobody took the run over", within=timedelta(seconds=60))
            took = time.monotonic() - killed
        finally:
            asked.kill()
    wait_until(lambda: state(plane, run).ended, "the deployment did not end", within=timedelta(seconds=240))

    assert state(plane, run) is RunStatus.DONE, plane.ue("run", "show", run).stdout
    assert httpx.get(f"{plane.served.url}/api/health", timeout=5).json()["version"] == "1.0.0"
    print(f"taken over after {took:.1f} s")  # noqa: T201 - a figure for whoever runs this by itself


def under_way(plane: ControlPlane, asked: subprocess.Popen[str]) -> str:
    """Return the deployment's run, once it starts replicas."""
    give_up = time.monotonic() + 180
    while time.monotonic() < give_up:
        if asked.poll() is not None:
            pytest.fail(f"the deployment ended early: {asked.communicate()}")
        runs = json.loads(plane.ue("run", "list", "-o", "json").stdout or "[]")
        found = [each for each in (runs["runs"] if isinstance(runs, dict) else runs) if each["runbook"] == "deployment.start"]
        if found and any("start_replicas" in line for line in plane.steps(found[0]["id"])):
            return str(found[0]["id"])
        time.sleep(0.2)
    raise AssertionError("no deployment began")


def state(plane: ControlPlane, run: str) -> RunStatus:
    """Return how the run is; pending while no server answers."""
    said = plane.ue("run", "show", run, "-o", "json")
    return RunStatus(json.loads(said.stdout)["status"]) if said.stdout else RunStatus.PENDING
