"""Where the ways are measured: `ue env up --env cluster-test` in a home of its own, and beside its objects those that the peers and plain kubectl need."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from pydantic import JsonValue

from tests.kubernetes.cluster.kubectl import Kubectl, KubectlFailed
from tests.kubernetes.cluster.layout import CONTROL_NODE
from tests.kubernetes.cluster.node import NodeFailed
from tests.kubernetes.cluster.running import Cluster, running
from unioneyes.cli.stage import RehearsalFailed, Stage
from unioneyes.environments import CLUSTER_TEST, open_environment
from unioneyes.environments.local.cluster import build_image_releases
from unioneyes.environments.local.rehearsal_cluster import namespace_of
from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.problems import Problem
from unioneyes.ports.environment import Environment
from unioneyes.ports.traffic import Colour

FIRST, GOOD, FAULTY = "1.0.0", "1.1.0", "1.2.0-errors"
LABEL = "bench"
"""On every pod of a peer's: no NetworkPolicy of the service's is theirs."""
READY_WITHIN = timedelta(minutes=3)
_LOOK_EVERY = 0.4
_ATTEMPTS = 3

Object = dict[str, JsonValue]


class NotInTime(Problem):
    """A peer, or the cluster, did not do what was waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A running environment on the cluster."""

    home: Path
    stage: Stage
    env: Environment
    cluster: Cluster
    namespace: str
    image: Callable[[str], str]

    @property
    def node(self) -> str:
        """The address at which ports of the node are reached."""
        return self.cluster.addresses.node(CONTROL_NODE)

    @property
    def api(self) -> Kubectl:
        """Kubectl of the cluster, in no namespace."""
        return self.cluster.kubectl

    def kubectl(self, *words: str, within: float = 60) -> str:
        """Return what kubectl printed, in the service's namespace."""
        return self.api("--namespace", self.namespace, *words, within=within)

    def read(self, kind: str, name: str) -> Object:
        """Return an object; empty where there is none yet."""
        try:
            found: Object = json.loads(self.kubectl("get", kind, name, "--output=json"))
        except KubectlFailed:
            return {}
        return found

    def pods(self, app: str) -> int:
        """Return how many pods there are of that app, those that are ending included."""
        return len(self.kubectl("get", "pods", f"--selector={LABEL}={app}", "--output=name").split())

    def template(self, version: str, *, app: str) -> Object:
        """Return the pods of the service's own Deployment, as they run, for another controller: same image, probes, limits and way to end."""
        live = self.env.traffic.view().weights.live or Colour.BLUE
        template: Object = json.loads(self.kubectl("get", "deployment", f"unioneyes-web-{live}", "--output=json"))["spec"]["template"]
        spec = template["spec"]
        assert isinstance(spec, dict)
        spec.pop("topologySpreadConstraints", None)  # it counts the colour's pods
        containers = spec["containers"]
        assert isinstance(containers, list)
        (web,) = containers
        assert isinstance(web, dict)
        web["image"] = self.image(version)
        web["lifecycle"] = {"preStop": {"exec": {"command": ["python3", "-c", "import time; time.sleep(2)"]}}}  # Flagger knows no `sleep` of Kubernetes' own
        return {"metadata": {"labels": {"app": app, LABEL: app}, "annotations": {LABEL: "0"}}, "spec": spec}

    def apply(self, *objects: Mapping[str, JsonValue]) -> None:
        """The objects are there, in the service's namespace."""
        for each in objects:
            said = each["metadata"]
            assert isinstance(said, dict)
            self.api.apply({**each, "metadata": {**said, "namespace": self.namespace}})

    def port(self, service: str) -> str:
        """Return the URL of a Service of type NodePort."""
        return f"http://{self.node}:{self.kubectl('get', 'service', service, '--output=jsonpath={.spec.ports[0].nodePort}')}"

    def forget_connections(self) -> None:
        """Nothing is left of connections that nobody answered: ports that are used again would be led to pods that are gone."""
        with suppress(NodeFailed):  # there were none
            self.cluster.node(CONTROL_NODE).run("conntrack", "-D", "-p", "tcp", "--state", "SYN_SENT")


def await_(true: Callable[[], bool], what: str, *, within: timedelta = READY_WITHIN) -> None:
    """`true` is. Raises: NotInTime."""
    give_up = time.monotonic() + within.total_seconds()
    while not true():
        if time.monotonic() > give_up:
            raise NotInTime(what=f"{what}: not within {within.total_seconds():.0f} s", remedy="look at the objects in the bench's namespace")
        time.sleep(_LOOK_EVERY)


def await_reached(url: str) -> None:
    """Somebody answers there: the node's proxy knows a Service a moment after its pods are ready. Raises: NotInTime."""

    def answers() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(url, timeout=2, trust_env=False).status_code > 0
        return False

    await_(answers, f"{url} answers")


@contextmanager
def on_the_cluster() -> Iterator[Setting]:
    """The environment runs with both versions warm; nothing of it is left afterwards."""
    with TemporaryDirectory(prefix="ue-bench-", dir="/tmp") as folder:
        home = Path(folder) / "home"
        stage = Stage(home, env=CLUSTER_TEST)
        try:
            stage.chapter("A Kubernetes for the service, and the embedded stack for the rest")
            stage.up()
            for version in (FIRST, GOOD):
                deploy(stage, version)
            yield _setting(home, stage)
        finally:
            stage.farewell(keep=False)
            if cluster := running("test"):
                cluster.kubectl("delete", "namespace", namespace_of(home), "--ignore-not-found", within=180)


def deploy(stage: Stage, version: str) -> None:
    """The version serves. On a machine that others keep busy, a smoke test may take too long: it is tried again. Raises: RehearsalFailed."""
    for attempt in range(_ATTEMPTS):
        stage.chapter(version if attempt == 0 else f"{version}, once more")
        with suppress(RehearsalFailed):
            stage.must_deploy(version, bake=timedelta(seconds=1))
            return
    raise RehearsalFailed(what=f"{version} could not be deployed in {_ATTEMPTS} attempts", remedy="look above why; leave the machine to the bench")


def _setting(home: Path, stage: Stage) -> Setting:
    cluster, chosen = running("test"), open_stack(home).settings
    settings = chosen.cluster
    assert cluster
    assert settings
    setting = Setting(
        home=home,
        stage=stage,
        env=open_environment(CLUSTER_TEST, home).environment,
        cluster=cluster,
        namespace=settings.namespace,
        image=build_image_releases(settings, chosen.service).image,
    )
    everyone: JsonValue = {"matchExpressions": [{"key": LABEL, "operator": "Exists"}]}
    setting.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": LABEL},
            "spec": {"podSelector": everyone, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]},
        }
    )
    return setting
