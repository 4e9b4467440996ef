"""The service's objects and images on a cluster, for an environment whose databases run on this machine: what `ue env up --env cluster-test` stands on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tests.kubernetes.cluster.binaries import Say
from tests.kubernetes.cluster.kubectl import Kubectl, wait_until
from tests.kubernetes.cluster.layout import CONTROL_NODE
from tests.kubernetes.cluster.network import lead_to_pods
from tests.kubernetes.cluster.parts.gateway import GATEWAY, NAMESPACE
from tests.kubernetes.cluster.running import Cluster
from tests.kubernetes.overlays import in_namespace
from tests.kubernetes.releases import push_releases
from unioneyes.claims.releases import Catalogue
from unioneyes.kernel.problems import Refused

_PROGRAMMED_WITHIN = timedelta(seconds=90)
_MEMBERS, _PREVIEW = 80, 8080
"""Ports of the Gateway's listeners."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where everything is."""

    kubeconfig: str
    server: str
    namespace: str
    images: str
    """The repository whose tags are the versions."""
    machine: str
    """This machine, as pods reach it."""
    url: str
    preview_url: str


def serve(cluster: Cluster, *, namespace: str, anew: bool, say: Say) -> Served:
    """The namespace has the service's objects, the registry its images, and the Gateway is reached from this machine. Raises: Refused, Problem."""
    if GATEWAY.name not in cluster.parts:
        raise Refused(what=f"{cluster.name} runs without the Gateway API", remedy="end it first (make kubernetes-down), and start it with its usual parts")
    if anew:
        cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", within=120)
    say("building the service's images, and pushing them to the cluster's registry")
    repository = f"{namespace}/service"
    push_releases(cluster, repository, *(release.version for release in Catalogue().all()))
    with in_namespace(namespace, "machine", *_ours(cluster.kubectl, namespace)) as overlay:
        cluster.kubectl("apply", "--server-side", f"--kustomize={overlay}", within=120)
    lead_to_pods(cluster.layout, cluster.addresses, cluster.nodes)
    say("waiting for the Gateway's proxies")
    members, preview = _ports(cluster.kubectl, namespace)
    node = cluster.addresses.node(CONTROL_NODE)
    return Served(
        kubeconfig=str(cluster.layout.kubeconfig),
        server=cluster.addresses.api,
        namespace=namespace,
        images=f"{cluster.addresses.registry}/{repository}",
        machine=cluster.addresses.machine,
        url=f"http://{node}:{members}",
        preview_url=f"http://{node}:{preview}",
    )


def _ours(kubectl: Kubectl, namespace: str) -> Iterator[str]:
    """Give the components that leave to `ue` what it says already."""
    for kinds, component in (("deployments", "operated"), ("httproutes", "led")):
        listed = kubectl("get", kinds, f"--namespace={namespace}", "--output=json", "--show-managed-fields")
        found = [{entry["manager"] for entry in each["metadata"].get("managedFields", [])} for each in json.loads(listed)["items"]]
        if found and all("unioneyes" in managers for managers in found):
            yield component


def _ports(kubectl: Kubectl, namespace: str) -> tuple[int, int]:
    """Return the nodes' ports of the members' listener and of the previews', once the proxies run."""
    kubectl(
        "wait",
        "--for=condition=Programmed",
        "gateway/unioneyes-web",
        f"--namespace={namespace}",
        f"--timeout={_PROGRAMMED_WITHIN.total_seconds():.0f}s",
        within=_PROGRAMMED_WITHIN.total_seconds() + 10,
    )
    chosen = f"gateway.envoyproxy.io/owning-gateway-name=unioneyes-web,gateway.envoyproxy.io/owning-gateway-namespace={namespace}"
    kubectl("wait", "--for=condition=Ready", "pod", f"--selector={chosen}", f"--namespace={NAMESPACE}", "--timeout=90s", within=100)

    def services() -> list[dict[str, list[dict[str, int]]]]:
        return [each["spec"] for each in json.loads(kubectl("get", "service", f"--namespace={NAMESPACE}", f"--selector={chosen}", "--output=json"))["items"]]

    wait_until(lambda: bool(services()), "the Gateway had no Service", within=_PROGRAMMED_WITHIN)
    at = {port["port"]: port["nodePort"] for port in services()[0]["ports"]}
    return at[_MEMBERS], at[_PREVIEW]
