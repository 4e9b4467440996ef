"""Whether the pods that a colour should run are ready; and if not, why, as soon as that shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from lightkube.models.core_v1 import ContainerStateTerminated, ContainerStatus, PodCondition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from unioneyes.adapters.kubernetes.release import Standing, belongs, of

_NEVER = frozenset({"InvalidImageName", "ErrImageNeverPull", "ImagePullBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
"""What a container waits for that does not come by waiting. Source: kubelet's reasons, pkg/kubelet/images and pkg/kubelet/kuberuntime."""
_CRASHES = 2
"""How often a container must have ended by itself: once may be a database that was not there yet."""
_NO_ROOM_FOR = timedelta(seconds=8)
"""How long no node has room until that counts: a node may be on its way."""
_NOT_MADE_FOR = timedelta(seconds=5)
"""How long pods are not made until that counts, where it is not plainly forbidden."""
_LOST = timedelta(seconds=10)
"""After the end of its grace, a pod counts as gone though its node does not confirm that: the node is dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """So many pods are ready, and nothing else is there."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Not yet."""

    on: str
    """In words: what is waited for."""
    pod: str | None = None
    """The one that is waited for, where it is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hopeless:
    """Waiting does not mend it."""

    why: str
    pod: str | None = None
    """Whose last words say more; None where nothing was said."""


def judge(pods: Iterable[Pod], deployment: Deployment, wanted: Standing, *, container: str, run: int, at: datetime) -> Ready | Waiting | Hopeless:
    """Return how far `run` pods of `wanted` are, and no others, by the clock `at`; or so many as stand beside what was before, while nothing more is replaced.

    In a roll nothing makes room for a pod: an old one ends when the new one is ready.
    """
    known, rolls = present(pods, at), wanted.before is not None
    if wanted.before is not None and wanted.new is not None:  # those of what was before stay
        known = tuple(pod for pod in known if not belongs(pod, wanted.before, container=container))
        run = wanted.new
    own = [pod for pod in known if belongs(pod, wanted, container=container) and not ending(pod)]
    for pod in own:
        if why := hopeless(pod, at, waiting_for_room=rolls or len(own) == len(known)):
            return why
    return _not_made(deployment, at) or _missing(known, own, deployment, run) or Ready(count=len(own))


def _missing(known: tuple[Pod, ...], own: list[Pod], deployment: Deployment, run: int) -> Waiting | None:
    unready = next((pod for pod in own if not is_ready(pod)), None)
    if unready:
        return Waiting(on=f"{named(unready)} is {_phase(unready)}", pod=named(unready))
    if len(own) != run:
        return Waiting(on=f"{len(own)} of {run} pods are made")
    if len(known) > len(own):
        return Waiting(on=f"{named(next(pod for pod in known if pod not in own))} has not ended yet")
    observed = deployment.status.observedGeneration if deployment.status else None
    return Waiting(on="the Deployment's controller has not looked yet") if (observed or 0) < (of(deployment).generation or 0) else None


def present(pods: Iterable[Pod], at: datetime) -> tuple[Pod, ...]:
    """Return those that run, will, or have not ended yet; not what failed and was replaced, nor what a dead node can't confirm."""
    return tuple(pod for pod in pods if (pod.status.phase if pod.status else None) not in {"Failed", "Succeeded"} and not _lost(pod, at))


def hopeless(pod: Pod, at: datetime, *, waiting_for_room: bool = True) -> Hopeless | None:
    """Return why the pod will not become ready; None while it may. With `waiting_for_room`, nothing else is about to make room for it."""
    for status in _containers(pod):
        waits, ended = status.state.waiting if status.state else None, _ended(status)
        if waits and waits.reason in _NEVER:
            return Hopeless(why=f"{named(pod)}: {waits.reason}: {_first(waits.message)}")
        if (
            waits
            and waits.reason == "ErrImagePull"
            and any(word in (waits.message or "") for word in ("not found", "manifest unknown", "denied", "unauthorized"))
        ):
            return Hopeless(why=f"{named(pod)}: {waits.reason}: {_first(waits.message)}")
        times = status.restartCount + (0 if status.state and status.state.running else 1)
        if ended and not status.ready and times >= _CRASHES:
            return Hopeless(why=f"{named(pod)} ended by itself {times} times, last with {last_words(ended)}", pod=None if ended.message else named(pod))
    room = condition(pod, "PodScheduled")
    if waiting_for_room and room and room.status == "False" and room.reason == "Unschedulable" and at - (room.lastTransitionTime or at) > _NO_ROOM_FOR:
        return Hopeless(why=f"no node takes {named(pod)}: {_first(room.message)}")
    return None


def last_words(ended: ContainerStateTerminated) -> str:
    """Return with what a container ended, and what it said last."""
    why = f" ({ended.reason})" if ended.reason not in {None, "", "Error", "Completed"} else ""
    said = " / ".join((ended.message or "").strip().splitlines()[-3:])
    return f"exit code {ended.exitCode}{why}{f': {said}' if said else ''}"


def is_ready(pod: Pod) -> bool:
    """Return whether the pod gets requests."""
    found = condition(pod, "Ready")
    return found is not None and found.status == "True" and not ending(pod)


def node_lost(pod: Pod) -> bool:
    """Return whether its node does not answer any more: then the cluster itself says that the pod is not ready, and its containers are as they last were."""
    ready, containers = condition(pod, "Ready"), condition(pod, "ContainersReady")
    gated = bool(pod.spec and pod.spec.readinessGates)
    return bool(ready and containers and ready.status == "False" and containers.status == "True" and not gated)


def ending(pod: Pod) -> bool:
    """Return whether the pod was told to end."""
    return of(pod).deletionTimestamp is not None


def named(pod: Pod) -> str:
    """Return the pod's name."""
    return of(pod).name or ""


def condition(pod: Pod, kind: str) -> PodCondition | None:
    """Return the pod's condition of this type."""
    return next((found for found in (pod.status.conditions if pod.status else None) or () if found.type == kind), None)


def restarts(pod: Pod) -> int:
    """Return how often its containers were started again."""
    return sum(status.restartCount for status in (pod.status.containerStatuses if pod.status else None) or ())


def ended(pod: Pod) -> str | None:
    """Return how a container of it ended by itself the last time, in words; None where none did."""
    found = [how for status in _containers(pod) if not ending(pod) and (how := _ended(status)) and how.exitCode]
    return last_words(max(found, key=lambda how: (how.finishedAt is not None, str(how.finishedAt)))) if found else None


def running(pod: Pod) -> bool:
    """Return whether its process runs."""
    return any(status.state and status.state.running for status in (pod.status.containerStatuses if pod.status else None) or ())


def since(pod: Pod) -> datetime | None:
    """Return since when its process runs, or else the pod is there."""
    begun = [status.state.running.startedAt for status in _containers(pod) if status.state and status.state.running and status.state.running.startedAt]
    return max(begun, default=of(pod).creationTimestamp)


def _containers(pod: Pod) -> tuple[ContainerStatus, ...]:
    if pod.status is None:
        return ()
    return (*(pod.status.initContainerStatuses or ()), *(pod.status.containerStatuses or ()))


def _ended(status: ContainerStatus) -> ContainerStateTerminated | None:
    """Return how the container ended last."""
    if status.state and status.state.terminated:
        return status.state.terminated
    return status.lastState.terminated if status.lastState else None


def _not_made(deployment: Deployment, at: datetime) -> Hopeless | None:
    """Return why no pods are made. The Deployment repeats what its ReplicaSet meets: a quota, pod security, a webhook."""
    for found in (deployment.status.conditions if deployment.status else None) or ():
        lasts = at - (found.lastTransitionTime or at)
        if found.type == "ReplicaFailure" and found.status == "True" and ("forbidden" in (found.message or "") or lasts > _NOT_MADE_FOR):
            return Hopeless(why=f"the cluster makes no pod of {of(deployment).name}: {_first(found.message)}")
    return None


def _lost(pod: Pod, at: datetime) -> bool:
    until = of(pod).deletionTimestamp
    return until is not None and at - until > _LOST


def _phase(pod: Pod) -> str:
    if node_lost(pod):
        return f"on {pod.spec.nodeName if pod.spec else 'a node'}, which does not answer"
    waits = next((status.state.waiting.reason for status in _containers(pod) if status.state and status.state.waiting), None)
    return waits or ("running, and does not say that it is ready" if running(pod) else (pod.status.phase if pod.status else None) or "Pending")


def _first(message: str | None) -> str:
    return " ".join((message or "no reason is given").split())[:400]
