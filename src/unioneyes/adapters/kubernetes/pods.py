"""The service's pods, as the API server has them. Implements `ports.pods.Pods`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.autoscaling_v2 import HorizontalPodAutoscaler
from lightkube.resources.core_v1 import ConfigMap, Event
from lightkube.resources.core_v1 import Pod as ClusterPod
from pydantic import JsonValue

from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.failures import NotAdmitted, ObjectMissing, PodSilent
from unioneyes.adapters.kubernetes.fencing import write
from unioneyes.adapters.kubernetes.pod_following import follow
from unioneyes.adapters.kubernetes.pod_logs import READ_WITHIN, entries, unreadable
from unioneyes.adapters.kubernetes.pod_shown import config_maps, details, shown
from unioneyes.adapters.kubernetes.pod_usage import usage
from unioneyes.adapters.kubernetes.release import of, replicas, standing
from unioneyes.adapters.kubernetes.replicas import KubernetesReplicas
from unioneyes.adapters.kubernetes.restarting import Restart
from unioneyes.adapters.kubernetes.rollout import named, present, running
from unioneyes.adapters.kubernetes.scaling import autoscaler
from unioneyes.ports.pods import Autoscaler, Bounds, NoSuchAutoscaler, NoSuchPod, Pod, PodDetails, PodNotRunning, PodsRestarted, Resized, ShellWay, Size
from unioneyes.ports.replicas import LogLine, NoReadyReplica
from unioneyes.ports.traffic import Colour

OWN_BOUNDS = "unioneyes.app/own-bounds"
"""The autoscaler's annotation while a person holds it: what its bounds were, and will be again."""
_SHELL = ("/bin/sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")
_AT_ONCE = 16
"""Pods that are asked at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesPods:
    """The pods of both colours' Deployments, which `replicas` says how to run."""

    replicas: KubernetesReplicas
    kubectl: tuple[str, ...] = ("kubectl",)
    """How a person's kubectl reaches this cluster: `kubectl --context production`."""
    shell_program: tuple[str, ...] = _SHELL
    """What opens a shell in the container, where its image has one."""

    def all(self) -> tuple[Pod, ...]:
        """Return every pod of both colours, ordered by name, also those that are ending."""
        labels = {"app": self.replicas.app}
        with ThreadPoolExecutor(2) as asking:
            measured = asking.submit(usage, self._cluster, labels)
            found = present(self._cluster.list(ClusterPod, labels=labels), datetime.now(UTC))
            used = measured.result()
        coloured = [(pod, colour) for pod in found if (colour := _colour(pod))]
        return tuple(
            sorted((shown(pod, colour, container=self.replicas.container, used=used.get(named(pod))) for pod, colour in coloured), key=lambda pod: pod.name)
        )

    def details(self, name: str) -> PodDetails:
        """Return everything of one pod that is no secret. Raises: NoSuchPod."""
        pod = self._pod(name)
        colour = _colour(pod)
        if colour is None:
            raise self._unknown(name)
        measured = usage(self._cluster, {"app": self.replicas.app}).get(name)
        configuration: dict[str, str] = {}
        for each in config_maps(pod, self.replicas.container):
            found = self._cluster.find(ConfigMap, each)
            configuration |= (found.data if found else None) or {}
        return details(
            pod,
            shown(pod, colour, container=self.replicas.container, used=measured),
            container=self.replicas.container,
            port=self.replicas.port,
            configuration=configuration,
            events=self._cluster.list(Event, fields={"involvedObject.name": name, "involvedObject.kind": "Pod"}),
        )

    def logs(self, *, pods: tuple[str, ...], last: int, since: datetime | None = None, previous: bool = False) -> tuple[LogLine, ...]:
        """Return the `last` lines that these pods logged since then, oldest first; with `previous`, what each logged before it was started again.

        Raises: NoSuchPod.
        """
        with ThreadPoolExecutor(_AT_ONCE) as asking:
            read = asking.map(lambda name: self._lines(name, last=last, since=since, previous=previous), pods)
            found = [line for lines in read for line in lines]
        return tuple(sorted(found, key=lambda line: line.at)[-last:])

    def follow(self, *, pods: tuple[str, ...], last: int, since: datetime | None = None) -> Generator[LogLine | None, None, None]:
        """Yield the same lines, then those that come; None at least once a second while none comes. Raises, then too: NoSuchPod."""
        begun = datetime.now(UTC)
        past = self.logs(pods=pods, last=last, since=since)

        def lines() -> Generator[LogLine | None, None, None]:
            yield from past
            after = past[-1].at if past else begun
            known = frozenset((line.replica, line.at, line.message) for line in past)
            yield from follow(self._cluster, pods, container=self.replicas.container, since=after, known=known)

        return lines()

    def restart(self, colour: Colour, *, ordered: datetime, within: timedelta, meanwhile: Callable[[str], None]) -> PodsRestarted:
        """No pod of `colour` was made before `ordered`: the Deployment makes them anew one by one, one more than usual meanwhile.

        Raises: NoReadyReplica (those that were not restarted yet serve on), FencedOff, and the problems of `failures`.
        """
        started = time.monotonic()
        pods = self._restart(colour, ordered).carry_out(within=within, told=meanwhile)
        return PodsRestarted(pods=pods, took=timedelta(seconds=time.monotonic() - started))

    def describe_restart(self, colour: Colour) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return (self._type(f"rollout restart deployment {self._name(colour)}"), self._type(f"rollout status deployment {self._name(colour)}"))

    def size(self, colour: Colour) -> Size:
        """Return how many pods `colour` should have; 0 where nothing was put there."""
        found = self._cluster.find(Deployment, self._name(colour))
        count = 0 if found is None or standing(found) is None else replicas(found)
        return Size(count=count, autoscaler=self._autoscaler(colour))

    def resize(self, colour: Colour, size: Size, *, within: timedelta) -> Resized:
        """`colour` has so many pods of what it runs, each ready, and its autoscaler is bound so.

        Raises: NoReadyReplica, NoSuchAutoscaler (nothing was changed), FencedOff, ChangedByHand, and the problems of `failures`.
        """
        started = time.monotonic()
        there, stands = self._autoscaler(colour), standing(self._cluster.get(Deployment, self._name(colour)))
        if stands is None:
            raise NoReadyReplica(what=f"nothing runs on {colour}", remedy="ue app status shows what runs where")
        if size.autoscaler is not None:
            self._bind(colour, size.autoscaler, there)
        self.replicas.start(colour, version=stands.version, count=size.count, within=within)
        return Resized(size=size, took=timedelta(seconds=time.monotonic() - started))

    def describe_resize(self, colour: Colour, *, before: Size, size: Size) -> tuple[str, ...]:
        """Return the commands that a person would type to make it `size`, where it is `before`."""
        bound: tuple[str, ...] = ()
        if size.autoscaler is not None and size.autoscaler != before.autoscaler:
            bounds = size.autoscaler.bounds
            change = f'{{"spec": {{"minReplicas": {bounds.least}, "maxReplicas": {bounds.most}}}}}'
            bound = (self._type(f"patch hpa {size.autoscaler.name} --patch '{change}'"),)
        scaled = (self._type(f"scale deployment {self._name(colour)} --replicas={size.count}"),) if size.count != before.count else ()
        return (*bound, *scaled, *((self._type(f"rollout status deployment {self._name(colour)}"),) if scaled else ()))

    def shell(self, name: str, *, terminal: bool) -> ShellWay:
        """Return how a person gets a shell in a pod that runs: by their own kubectl, with their own rights.

        Raises: NoSuchPod, PodNotRunning.
        """
        pod = self._pod(name)
        if not running(pod):
            raise PodNotRunning(what=f"{name} does not run", remedy=f"ue app describe {name}; ue app logs {name} --previous")
        reached = (*self.kubectl, f"--namespace={self._cluster.namespace}")
        typed = ("exec", "--stdin", *(("--tty",) if terminal else ()), name, f"--container={self.replicas.container}", "--", *self.shell_program)
        beside = ("debug", name, "--stdin", "--tty", "--image=busybox", f"--target={self.replicas.container}")
        return ShellWay(pod=name, argv=(*reached, *typed), node=None, otherwise=shlex.join((*reached, *beside)))

    @property
    def _cluster(self) -> Cluster:
        return self.replicas.cluster

    def _name(self, colour: Colour) -> str:
        return f"{self.replicas.app}-{colour}"

    def _type(self, words: str) -> str:
        return f"kubectl -n {self._cluster.namespace} {words}"

    def _restart(self, colour: Colour, ordered: datetime) -> Restart:
        labels = {"app": self.replicas.app, "version": colour.value}
        return Restart(
            cluster=self._cluster,
            deployment=self._name(colour),
            labels=labels,
            container=self.replicas.container,
            ordered=ordered,
            remedy=self._type(f"describe pods --selector app={self.replicas.app},version={colour}"),
        )

    def _lines(self, name: str, *, last: int, since: datetime | None, previous: bool) -> list[LogLine]:
        try:
            said = self._cluster.logs(name, container=self.replicas.container, since=since, previous=previous, tail=last, within=READ_WITHIN)
        except ObjectMissing:
            raise self._unknown(name) from None
        except NotAdmitted:  # not started yet; or, of a previous one, there was none
            return []
        except PodSilent as problem:
            silent = unreadable(problem.what)
            return [LogLine(at=silent.at, replica=name, level=silent.level, message=silent.message, request_id=None)]
        found = (LogLine(at=entry.at, replica=name, level=entry.level, message=entry.message, request_id=entry.request_id) for entry in entries(said))
        return [line for line in found if since is None or line.at >= since]

    def _pod(self, name: str) -> ClusterPod:
        """Return the pod, which is one of the service's. Raises: NoSuchPod."""
        found = self._cluster.find(ClusterPod, name)
        if found is None or _colour(found) is None or (of(found).labels or {}).get("app") != self.replicas.app:
            raise self._unknown(name)
        return found

    def _unknown(self, name: str) -> NoSuchPod:
        return NoSuchPod(what=f"there is no pod called {name!r}", remedy="ue app pods shows those that there are")

    def _autoscaler(self, colour: Colour) -> Autoscaler | None:
        found = autoscaler(self._cluster, self._name(colour))
        if found is None:
            return None
        kept = self._cluster.find(HorizontalPodAutoscaler, found.name)
        own = ((kept.metadata.annotations if kept and kept.metadata else None) or {}).get(OWN_BOUNDS)
        return Autoscaler(name=found.name, bounds=Bounds(least=found.least, most=found.most), own=_bounds(own) if own else None)

    def _bind(self, colour: Colour, wanted: Autoscaler, there: Autoscaler | None) -> None:
        """The autoscaler has these bounds, and keeps what its own are. Raises: NoSuchAutoscaler."""
        if there is None or there.name != wanted.name:
            raise NoSuchAutoscaler(what=f"{wanted.name} does not scale {self._name(colour)} (any more)", remedy="ue app status shows what does")
        kept: dict[str, JsonValue] = {} if wanted.own is None else {OWN_BOUNDS: f"{wanted.own.least}-{wanted.own.most}"}

        def say(_found: HorizontalPodAutoscaler) -> Mapping[str, JsonValue]:
            return {"metadata": {"annotations": kept}, "spec": {"minReplicas": wanted.bounds.least, "maxReplicas": wanted.bounds.most}}

        write(self._cluster, HorizontalPodAutoscaler, wanted.name, say)


def _bounds(said: str) -> Bounds:
    least, _, most = said.partition("-")
    return Bounds(least=int(least), most=int(most))


def _colour(pod: ClusterPod) -> Colour | None:
    said = (of(pod).labels or {}).get("version")
    return next((colour for colour in Colour if colour == said), None)
