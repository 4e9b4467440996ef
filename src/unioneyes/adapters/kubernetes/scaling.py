"""An autoscaler that has a Deployment for its target has its own word on how many pods run."""

from __future__ import annotations

from dataclasses import dataclass

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.release import Standing, replicas, standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaler:
    """Its bounds. It does nothing while its target runs no pod."""

    name: str
    least: int
    most: int

    def run(self, deployment: Deployment, wanted: Standing) -> int:
        """Return how many pods to ask for: what was asked of us, or what it found needful meanwhile, within its bounds."""
        before = standing(deployment)
        same = before is not None and before.version == wanted.version
        return max(self.least, min(self.most, max(wanted.count, replicas(deployment)) if same else wanted.count))


def autoscaler(cluster: Cluster, deployment: str) -> Autoscaler | None:
    """Return what scales the Deployment; None where nothing does."""
    for found in cluster.list(HorizontalPodAutoscaler):
        if (found.spec.scaleTargetRef.kind, found.spec.scaleTargetRef.name) == ("Deployment", deployment):
            name = (found.metadata.name if found.metadata else None) or ""
            return Autoscaler(name=name, least=found.spec.minReplicas or 1, most=found.spec.maxReplicas)
    return None
