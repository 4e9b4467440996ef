"""A Gateway of Envoy Gateway's in front of two blue stand-ins and a green one, by the project's own manifests."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from tests.contract.processes.conftest import eventually
from tests.contract.traffic.world import Answer, Door
from tests.kubernetes.cluster.layout import CONTROL_NODE
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.cluster.parts import gateway
from unioneyes.adapters.kubernetes.access import find_access
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.gateway.edge import GatewayEdge
from unioneyes.adapters.kubernetes.gateway.traffic import GatewayTraffic
from unioneyes.kernel.problems import Problem
from unioneyes.ports.traffic import Colour, Weights

ROOT = Path(__file__).parents[4]
MANIFESTS = ROOT / "k8s" / "components" / "envoy-gateway"
REPLICAS = {Colour.BLUE: 2, Colour.GREEN: 1}
_STAND_IN = Path(__file__).with_name("stand_in.py").read_text()
_XDS_PORT = 18000
"""Of Envoy Gateway, where its proxies get their configuration."""
_OWNED = "gateway.envoyproxy.io/owning-gateway-name=unioneyes-web,gateway.envoyproxy.io/owning-gateway-namespace="


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayWorld:
    """A running one."""

    lent: Lent
    traffic: GatewayTraffic
    members: Door
    preview: Door

    def kubectl(self, *words: str, within: float = 60) -> str:
        """Return what kubectl printed, in the service's namespace."""
        return self.lent.kubectl("--namespace", self.lent.namespace, *words, within=within)

    def get(self, path: str = "/", *, preview: bool = False, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """Ask once, on a connection of its own."""
        return (self.preview if preview else self.members).get(path, method=method, headers=headers)

    def remove(self, colour: Colour) -> None:
        """The colour has no replica any more."""
        self.scale(colour, 0)

    def scale(self, colour: Colour, count: int) -> None:
        """The colour has so many replicas that are ready, and the proxies know them."""
        self.kubectl("scale", f"deployment/unioneyes-web-{colour}", f"--replicas={count}")
        eventually(lambda: self.traffic.counters().of(colour).healthy == count, within=60)

    def type(self, command: str) -> None:
        """A person types the command."""
        program, *words = shlex.split(command)
        assert program == "kubectl"
        self.lent.kubectl(*words)

    def proxies(self) -> tuple[str, ...]:
        """The pods of the Gateway's proxies that there are now."""
        listed = json.loads(self.lent.kubectl("get", "pods", "--namespace", gateway.NAMESPACE, f"--selector={_OWNED}{self.lent.namespace}", "--output=json"))
        return tuple(pod["metadata"]["name"] for pod in listed["items"] if "deletionTimestamp" not in pod["metadata"])

    @contextmanager
    def proxies_left_alone(self) -> Iterator[None]:
        """Nothing of what Envoy Gateway says reaches these proxies, as where it is away; others' proxies notice nothing."""
        networks = [found for pod in self.proxies() for found in _networks(pod)]
        assert len(networks) == len(self.proxies())
        for network in networks:
            _iptables(network, "--insert")
        try:
            yield
        finally:
            for network in networks:
                _iptables(network, "--delete")

    @property
    def inside(self) -> str:
        """The members' door, as pods reach it."""
        wanted = ("get", "service", "--namespace", gateway.NAMESPACE, f"--selector={_OWNED}{self.lent.namespace}")
        return self.lent.kubectl(*wanted, "--output=jsonpath={.items[0].spec.clusterIP}")

    def file_limit(self) -> None:
        """A person applies the document's manifest."""
        self.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={MANIFESTS.parents[1] / 'rate-limit-strict.yaml'}")

    def apply_again(self) -> None:
        """A person applies the manifests of a Gateway that leads members somewhere already, with what may have changed in them."""
        parent = ROOT / ".cache/overlays"
        parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=parent) as folder:
            components: JsonValue = [f"../../../{MANIFESTS.parent.relative_to(ROOT)}/{name}" for name in ("envoy-gateway", "led")]
            said = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": self.lent.namespace, "components": components}
            (Path(folder) / "kustomization.yaml").write_text(json.dumps(said))
            self.lent.kubectl("apply", "--server-side", f"--kustomize={folder}")

    def file_answers(self) -> None:
        """What members are told where no replica is asked is what the manifests say."""
        self.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={MANIFESTS / 'answers.yaml'}")

    def file_routes(self) -> None:
        """What stands in the two HTTPRoutes is what the manifests say."""
        for name in ("routes", "preview"):
            self.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={MANIFESTS / name}.yaml")

    def restore(self) -> None:
        """Everything is as it was at first: all replicas ready, nothing deployed, no maintenance."""
        try:
            self.traffic.leave_maintenance()
            self.traffic.shift(Weights())
        except Problem:
            self.file_routes()
            eventually(self._works)
            self.traffic.shift(Weights())
        for colour, count in REPLICAS.items():
            if self.traffic.counters().of(colour).healthy != count:
                self.scale(colour, count)

    def all_ready(self) -> bool:
        """Return whether every proxy runs what is filed, and knows every replica."""
        try:
            counters = self.traffic.counters()
            return self.traffic.view().in_force and all(counters.of(colour).healthy == count for colour, count in REPLICAS.items())
        except Problem:
            return False

    def _works(self) -> bool:
        try:
            return self.traffic.leave_maintenance().in_force
        except Problem:
            return False


@contextmanager
def gateway_world(lent: Lent, *, proxies: int = 2) -> Iterator[GatewayWorld]:
    """Give one in the namespace that is lent; everything of it goes with that."""
    assert lent.own, "the base image is in our own registry"
    namespace = ("--namespace", lent.namespace)
    stand_ins(lent)
    for manifest in sorted(MANIFESTS.glob("*.yaml")):
        if manifest.name != "kustomization.yaml":
            lent.kubectl("apply", *namespace, "--server-side", f"--filename={manifest}")
    of_proxies: JsonValue = {"spec": {"provider": {"type": "Kubernetes", "kubernetes": {"envoyDeployment": {"replicas": proxies}}}}}
    lent.kubectl("patch", *namespace, "envoyproxy", "unioneyes-web", "--type=merge", f"--patch={json.dumps(of_proxies)}")
    lent.kubectl("wait", *namespace, "gateway/unioneyes-web", "--for=condition=Programmed", "--timeout=90s", within=100)
    ports = _node_ports(lent)
    node = lent.own.addresses.node(CONTROL_NODE)
    with own_traffic(lent) as traffic:
        world = GatewayWorld(lent=lent, traffic=traffic, members=Door(node, ports[80]), preview=Door(node, ports[8080]))
        eventually(lambda: len(world.proxies()) == proxies and world.all_ready(), within=90)
        yield world


@contextmanager
def own_traffic(lent: Lent) -> Iterator[GatewayTraffic]:
    """Give the adapter, with connections of its own: a worker shares none with another one."""
    access = partial(find_access, kubeconfig=lent.kubectl.kubeconfig)
    cluster, of_proxies = Cluster(access, namespace=lent.namespace), Cluster(access, namespace=gateway.NAMESPACE)
    try:
        yield GatewayTraffic(cluster=cluster, proxies_cluster=of_proxies)
    finally:
        cluster.close()
        of_proxies.close()


def anew(world: GatewayWorld, call: Callable[[GatewayTraffic], object]) -> None:
    """Call something of an adapter that shares nothing with any other."""
    with own_traffic(world.lent) as traffic:
        call(traffic)


def _networks(pod: str) -> Iterator[Path]:
    """Yield the network namespace of a proxy's pod, as its process on this machine has it."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().decode().split("\0")
            if pod in words and words[0].endswith("envoy"):
                yield process / "ns" / "net"


def _iptables(network: Path, how: str) -> None:
    for chain, port in (("OUTPUT", "--dport"), ("INPUT", "--sport")):
        rule = (chain, "--protocol", "tcp", port, str(_XDS_PORT), "--jump", "DROP")
        subprocess.run(["nsenter", f"--net={network}", "iptables", how, *rule], check=True, timeout=10, stdin=subprocess.DEVNULL)


def stand_ins(lent: Lent) -> None:
    """Both colours' stand-ins are ready."""
    for colour in Colour:
        lent.kubectl.apply(*_service(lent, colour))
    for colour in Colour:
        lent.kubectl("rollout", "--namespace", lent.namespace, "status", f"deployment/unioneyes-web-{colour}", "--timeout=90s", within=100)


def own_edge(world: GatewayWorld, call: Callable[[GatewayEdge], object]) -> None:
    """Call something of an edge that shares nothing with any other."""
    with own_traffic(world.lent) as traffic:
        url = f"http://{world.members.host}:{world.members.port}/"
        call(GatewayEdge(cluster=traffic.cluster, proxies_cluster=traffic.proxies_cluster, members_url=url))


def _node_ports(lent: Lent) -> dict[int, int]:
    wanted = ("get", "service", "--namespace", gateway.NAMESPACE, f"--selector={_OWNED}{lent.namespace}", "--output=json")
    (service,) = json.loads(lent.kubectl(*wanted))["items"]
    return {port["port"]: port["nodePort"] for port in service["spec"]["ports"]}


def _service(lent: Lent, colour: Colour) -> tuple[dict[str, JsonValue], ...]:
    """Return the colour's Deployment and Service, of stand-ins."""
    assert lent.own
    container: dict[str, JsonValue] = {
        "name": "web",
        "image": f"{lent.own.addresses.registry}/base",
        "command": ["python3", "-c", _STAND_IN],
        "env": [{"name": "STAND_IN_VERSION", "value": colour.value}],
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": {"httpGet": {"port": "http", "path": "/healthz"}, "periodSeconds": 1},
    }
    of: JsonValue = {"name": f"unioneyes-web-{colour}", "namespace": lent.namespace}
    labels: JsonValue = {"app": "unioneyes-web", "version": colour.value}
    template: JsonValue = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
    return (
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": of,
            "spec": {"replicas": REPLICAS[colour], "selector": {"matchLabels": labels}, "template": template},
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": of, "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}},
    )
