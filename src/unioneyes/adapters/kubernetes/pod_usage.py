"""What pods take of their nodes, as the metrics API tells it. Not every cluster has one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lightkube.generic_resource import GenericNamespacedResource, create_namespaced_resource
from lightkube.utils.quantity import parse_quantity

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import ClusterUnavailable, KindMissing, MissingRight, ObjectMissing
from unioneyes.adapters.kubernetes.watching import metadata

POD_METRICS: type[GenericNamespacedResource] = create_namespaced_resource("metrics.k8s.io", "v1beta1", "PodMetrics", "pods")
_NANO = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one pod takes."""

    cpu: float
    """Cores, over the metrics server's last window."""
    memory: int
    """Bytes of its working set."""


def usage(cluster: Cluster, labels: Mapping[str, str]) -> Mapping[str, Usage]:
    """Return what the pods take, by their names; nothing of those that were not measured yet, and nothing at all where nobody measures, or tells us."""
    try:
        found = cluster.list(POD_METRICS, labels=labels)
    except (KindMissing, MissingRight, ObjectMissing, ClusterUnavailable):
        return {}
    return {metadata(each).name or "": _sum(each) for each in found}


def _sum(measured: GenericNamespacedResource) -> Usage:
    used = [container.get("usage", {}) for container in measured.get("containers", [])]
    return Usage(
        cpu=sum(_cores(str(each.get("cpu", "0"))) for each in used), memory=int(sum(parse_quantity(str(each.get("memory", "0"))) or 0 for each in used))
    )


def _cores(quantity: str) -> float:
    if quantity.endswith("n"):
        return int(quantity[:-1]) * _NANO
    if quantity.endswith("u"):
        return int(quantity[:-1]) * _NANO * 1_000
    return float(parse_quantity(quantity) or 0)
