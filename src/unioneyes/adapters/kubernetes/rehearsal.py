"""One pod of a release on another database, which no Service selects."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lightkube.models.core_v1 import ConfigMapEnvSource, EnvFromSource, PodSpec, Volume
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Secret
from pydantic import SecretStr

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.pod_logs import last_lines
from unioneyes.adapters.kubernetes.release import VERSION_LABEL
from unioneyes.adapters.kubernetes.rollout import Hopeless, hopeless, is_ready, last_words, named
from unioneyes.ports.replicas import NoReadyReplica

_STOP_WITHIN = timedelta(seconds=60)
_LAST_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The pod, and the Secret with its database's address."""

    cluster: Cluster
    name: str
    container: str
    database_secret: str
    """The Secret that the service's pods mount for their database's address; the rehearsal's takes its place."""
    secret_key: str
    port: int

    def start(self, like: Deployment, *, version: str, image: str, settings: str, family: str, database_url: SecretStr, within: timedelta) -> str:
        """The pod is ready; return its address. Raises: NoReadyReplica."""
        encoded = base64.b64encode(database_url.get_secret_value().encode()).decode()
        self.cluster.apply(Secret, self.name, {"data": {self.secret_key: encoded}}, force=True)
        self.cluster.create(self._pod(like, version=version, image=image, settings=settings, family=family))
        return self._address(within)

    def stop(self) -> None:
        """Neither is there any more. Raises: ClusterUnavailable."""
        self.cluster.delete(Pod, self.name, grace=timedelta(seconds=1))  # with none, the object is gone before the process
        self.cluster.delete(Secret, self.name)
        for pods in self.cluster.watch(Pod, fields={"metadata.name": self.name}, within=_STOP_WITHIN):
            if not pods:
                return

    def _pod(self, like: Deployment, *, version: str, image: str, settings: str, family: str) -> Pod:
        """Return the pod as the colour's pods are, but for what it runs, where, and who reaches it."""
        spec = _copy(like.spec.template.spec)
        spec.restartPolicy = "Never"  # the first end says why
        spec.volumes = [self._volume(volume) for volume in spec.volumes or []]
        for container in spec.containers:
            if container.name == self.container:
                container.image = image
                others = [one for one in container.envFrom or [] if not (one.configMapRef and (one.configMapRef.name or "").startswith(f"{family}-"))]
                container.envFrom = [*others, EnvFromSource(configMapRef=ConfigMapEnvSource(name=settings))]
        return Pod(metadata=ObjectMeta(name=self.name, labels={"app": self.name, VERSION_LABEL: version}), spec=spec)

    def _volume(self, volume: Volume) -> Volume:
        if volume.secret and volume.secret.secretName == self.database_secret:
            volume.secret.secretName = self.name
        return volume

    def _address(self, within: timedelta) -> str:
        """Return where the pod answers, once it does. Raises: NoReadyReplica."""
        began, last = time.monotonic(), "not made"
        for pods in self.cluster.watch(Pod, fields={"metadata.name": self.name}, within=within):
            for pod in pods:
                if is_ready(pod) and pod.status and pod.status.podIP:
                    ip = pod.status.podIP
                    return f"http://{f'[{ip}]' if ':' in ip else ip}:{self.port}"
                if found := _ended(pod) or hopeless(pod, datetime.now(UTC)):
                    more = last_lines(self.cluster, found.pod, container=self.container, lines=_LAST_LINES) if found.pod else ""
                    raise NoReadyReplica(what=f"{found.why}{f': {more}' if more else ''}", remedy=self._remedy())
                last = (pod.status.phase if pod.status else None) or last
        raise NoReadyReplica(what=f"{self.name} is {last} after {time.monotonic() - began:.1f} s", remedy=self._remedy())

    def _remedy(self) -> str:
        return f"kubectl -n {self.cluster.namespace} describe pod {self.name} shows more"


def _ended(pod: Pod) -> Hopeless | None:
    for status in (pod.status.containerStatuses if pod.status else None) or ():
        if status.state and (ended := status.state.terminated):
            return Hopeless(why=f"{named(pod)} ended by itself, with {last_words(ended)}", pod=None if ended.message else named(pod))
    return None


def _copy(spec: PodSpec | None) -> PodSpec:
    found = PodSpec.from_dict(spec.to_dict()) if spec else PodSpec(containers=[])
    if not isinstance(found, PodSpec):
        raise TypeError(found)
    return found
