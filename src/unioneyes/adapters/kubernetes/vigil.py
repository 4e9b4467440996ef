"""Following a rollout by what the API server says of it, until the pods are ready or it is clear why they will not be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Event, Pod

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.pod_logs import last_lines
from unioneyes.adapters.kubernetes.release import Standing, replicas
from unioneyes.adapters.kubernetes.rollout import Hopeless, Ready, Waiting, judge
from unioneyes.kernel.problems import Problem, Unavailable
from unioneyes.ports.replicas import NoReadyReplica

_LAST_LINES = 5


class NotEnded(Unavailable):
    """Pods that were told to end are still there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledOut:
    """All are ready."""

    count: int


def follow(
    cluster: Cluster,
    name: str,
    labels: Mapping[str, str],
    wanted: Standing,
    *,
    container: str,
    changed: Callable[[Deployment], Problem | None],
    within: timedelta,
    remedy: str,
) -> RolledOut:
    """Return once the Deployment's pods are ready, and no others are there.

    Raises: NoReadyReplica, as soon as it shows why they will not be; what `changed` makes of the Deployment as it is now; Unavailable, where the API
    server does not say how it ended.
    """
    seen: Waiting = Waiting(on="no pod is made yet")
    for pods in cluster.watch(Pod, labels=labels, within=within):
        try:
            deployment = cluster.get(Deployment, name)
        except Unavailable:
            continue  # the watch says so, too, where that lasts
        if problem := changed(deployment):
            raise problem
        match judge(pods, deployment, wanted, container=container, run=replicas(deployment), at=datetime.now(UTC)):
            case Ready(count=count):
                return RolledOut(count=count)
            case Hopeless(why=why, pod=pod):
                raise NoReadyReplica(what=f"{why}{_words(cluster, pod, container) if pod else ''}", remedy=remedy)
            case Waiting() as waiting:
                seen = waiting
    probe = _failing_probe(cluster, seen.pod) if seen.pod else ""
    raise NoReadyReplica(what=f"{seen.on} after {within.total_seconds():.1f} s{f': {probe}' if probe else ''}", remedy=remedy)


def _words(cluster: Cluster, pod: str, container: str) -> str:
    said = last_lines(cluster, pod, container=container, lines=_LAST_LINES)
    return f": {said}" if said else ""


def _failing_probe(cluster: Cluster, pod: str) -> str:
    """Return what the pod's probe met last; empty where nothing is known of that."""
    found = cluster.list(Event, fields={"involvedObject.name": pod, "reason": "Unhealthy"})
    newest = max(found, key=lambda event: str(event.lastTimestamp or event.eventTime), default=None)
    return " ".join((newest.message or "").split())[:400] if newest else ""
