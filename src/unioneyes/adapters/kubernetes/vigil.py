"""Following a rollout by what the API server says of it, until the pods are ready or it is clear why they will not be."""

from __future__ import annotations

import time
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
_EVENTS_AFTER = 8.0
"""Seconds after which, and between which, a pod's events are looked at too."""


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
    look_at_events = time.monotonic() + _EVENTS_AFTER
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
        if seen.pod and time.monotonic() > look_at_events:
            look_at_events += _EVENTS_AFTER
            warned = _warning(cluster, seen.pod)
            if "FailedMount" in warned and "not found" in warned:  # no more than its event says that
                raise NoReadyReplica(what=f"{seen.on}: {warned}", remedy=remedy)
    warned = _warning(cluster, seen.pod) if seen.pod else ""
    raise NoReadyReplica(what=f"{seen.on} after {within.total_seconds():.1f} s{f': {warned}' if warned else ''}", remedy=remedy)


def _words(cluster: Cluster, pod: str, container: str) -> str:
    said = last_lines(cluster, pod, container=container, lines=_LAST_LINES)
    return f": {said}" if said else ""


def _warning(cluster: Cluster, pod: str) -> str:
    """Return what the cluster warned of last about the pod: a probe that fails, a volume that can't be mounted; empty where it warned of nothing."""
    found = cluster.list(Event, fields={"involvedObject.name": pod, "type": "Warning"})
    newest = max(found, key=lambda event: str(event.lastTimestamp or event.eventTime), default=None)
    return f"{newest.reason}: {' '.join((newest.message or '').split())[:400]}" if newest else ""
