"""Each pod of a Deployment made anew: what `kubectl rollout restart` does, fenced, and followed until nothing older is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from pydantic import JsonValue

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import ChangedMeanwhile
from unioneyes.adapters.kubernetes.fencing import WITHIN, fenced
from unioneyes.adapters.kubernetes.pod_logs import last_lines
from unioneyes.adapters.kubernetes.release import of, replicas
from unioneyes.adapters.kubernetes.rollout import ending, hopeless, is_ready, named, present
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.problems import Unavailable
from unioneyes.ports.replicas import NoReadyReplica

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""The pods' annotation. Source: kubectl, `rollout restart`."""
_PAUSE = 0.05
_LAST_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """A restart of one Deployment that was ordered at a moment."""

    cluster: Cluster
    deployment: str
    labels: dict[str, str]
    container: str
    ordered: datetime
    remedy: str
    """What a person does who wants to see why it does not get on."""

    def carry_out(self, *, within: timedelta, told: Callable[[str], None]) -> tuple[str, ...]:
        """Every pod is younger than the order, and ready; return their names. `within` is how long each may take. Raises: NoReadyReplica, FencedOff."""
        self._order()
        return self._follow(within, told)

    def _order(self) -> None:
        """The Deployment makes its pods anew, if it was not told to since. Each look is a write too, so that whoever is late stays out."""
        until = time.monotonic() + WITHIN.total_seconds()
        while True:
            found = self.cluster.get(Deployment, self.deployment)
            version = of(found).resourceVersion
            change = {} if self._is_fresh(_annotation(found.spec.template.metadata)) else self._change()
            change = fenced(change, of(found).annotations or {}, f"Deployment {self.deployment}")
            if not change:
                return
            said = change.get("metadata")
            metadata: dict[str, JsonValue] = {**(said if isinstance(said, dict) else {}), "resourceVersion": version}
            try:  # no server-side apply: what that does not say the next time is taken away, and the pods would be made anew once more
                self.cluster.patch(Deployment, self.deployment, {**change, "metadata": metadata})
            except ChangedMeanwhile:
                if time.monotonic() > until:
                    raise
                sleep(_PAUSE)
            else:
                return

    def _change(self) -> Mapping[str, JsonValue]:
        return {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: self.ordered.astimezone(UTC).isoformat()}}}}}

    def _follow(self, within: timedelta, told: Callable[[str], None]) -> tuple[str, ...]:
        done = 0
        give_up = time.monotonic() + within.total_seconds()
        while True:
            for pods in self.cluster.watch(Pod, labels=self.labels, within=within):
                try:
                    run = replicas(self.cluster.get(Deployment, self.deployment))
                except Unavailable:
                    continue  # the watch says so, too, where that lasts
                known = present(pods, datetime.now(UTC))
                fresh = [pod for pod in known if self._is_fresh(_annotation(pod.metadata)) and not ending(pod)]
                self._refuse_hopeless(fresh)
                ready = sum(is_ready(pod) for pod in fresh)
                if ready > done:
                    done, give_up = ready, time.monotonic() + within.total_seconds()
                    told(f"{ready} of {run} pods are new")
                if ready == len(fresh) == len(known) == run:
                    return tuple(sorted(named(pod) for pod in fresh))
                if time.monotonic() > give_up:
                    still = f"{ready} of {run} pods of {self.deployment} are new and ready, and no other one became so for {within.total_seconds():.0f} s"
                    raise NoReadyReplica(what=still, remedy=self.remedy)

    def _refuse_hopeless(self, pods: list[Pod]) -> None:
        for pod in pods:
            if why := hopeless(pod, datetime.now(UTC)):
                said = last_lines(self.cluster, named(pod), container=self.container, lines=_LAST_LINES) if why.pod else ""
                raise NoReadyReplica(what=f"{why.why}{f': {said}' if said else ''}", remedy=self.remedy)

    def _is_fresh(self, restarted: str | None) -> bool:
        try:
            return restarted is not None and datetime.fromisoformat(restarted) >= self.ordered
        except ValueError:
            return False


def _annotation(metadata: object) -> str | None:
    annotations = getattr(metadata, "annotations", None)
    said = annotations.get(RESTARTED_AT) if isinstance(annotations, dict) else None
    return said if isinstance(said, str) else None
