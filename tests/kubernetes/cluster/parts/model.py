"""What a part of a cluster is, and what parts have in common."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from tests.kubernetes.cluster.binaries import Family
from tests.kubernetes.cluster.credentials import Credentials
from tests.kubernetes.cluster.images import Image
from tests.kubernetes.cluster.kubectl import Kubectl
from tests.kubernetes.cluster.running import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The cluster that a part is put into: its control plane runs, its nodes are ready."""

    cluster: Cluster
    credentials: Credentials
    kubectl: Kubectl


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that a cluster has beside its core."""

    name: str
    does: str
    families: tuple[Family, ...]
    """What is built for it."""
    start: Callable[[Setting], None]
    """It runs, or will in a moment."""
    ready: Callable[[Setting], bool]
    images: Callable[[], tuple[Image, ...]] = tuple
    """What is in the registry for it. Asked when its families are built."""


def service(name: str, *, address: str, ports: dict[str, tuple[str, int, int]], cluster_ip: str | None = None) -> tuple[dict[str, JsonValue], ...]:
    """Return a Service of kube-system whose one endpoint is a program on a node, and no pod.

    Each port has a protocol, the Service's number, and the program's.
    """
    of = {"name": name, "namespace": "kube-system"}
    outer: list[JsonValue] = [{"name": port, "protocol": protocol, "port": number} for port, (protocol, number, _) in ports.items()]
    inner: list[JsonValue] = [{"name": port, "protocol": protocol, "port": number} for port, (protocol, _, number) in ports.items()]
    slice_of: dict[str, JsonValue] = {**of, "labels": {"kubernetes.io/service-name": name}}
    return (
        {"apiVersion": "v1", "kind": "Service", "metadata": {**of}, "spec": {"ports": outer, **({"clusterIP": cluster_ip} if cluster_ip else {})}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": slice_of,
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            "ports": inner,
        },
    )


def answers(url: str) -> bool:
    """Return whether somebody answers there that all is well."""
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - a program of our own
            return True
    except (urllib.error.URLError, OSError):
        return False
