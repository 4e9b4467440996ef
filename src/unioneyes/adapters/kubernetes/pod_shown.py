"""What is shown of a pod: read from what the API server says of it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from lightkube.models.core_v1 import Container, ContainerStateTerminated, ContainerStatus, EnvVar, Probe
from lightkube.resources.core_v1 import Event, Pod
from lightkube.utils.quantity import parse_quantity

from unioneyes.adapters.kubernetes.pod_logs import entries
from unioneyes.adapters.kubernetes.pod_usage import Usage
from unioneyes.adapters.kubernetes.release import of, version
from unioneyes.adapters.kubernetes.rollout import condition, ending, is_ready, named, node_lost, restarts, since
from unioneyes.kernel.logged import last_words
from unioneyes.kernel.redaction import Redactor
from unioneyes.ports.pods import Ended, Phase, PodDetails, PodEvent
from unioneyes.ports.pods import Pod as ShownPod
from unioneyes.ports.traffic import Colour

_SIGNALLED = 128
_DIGEST = "@sha256:"
_SHOWN_EVENTS = 20
_BEGINNING = datetime.fromtimestamp(0, UTC)


def shown(pod: Pod, colour: Colour, *, container: str, used: Usage | None) -> ShownPod:
    """Return the pod as people see it; `used` is what it takes, where somebody measures that."""
    status, spec = _status(pod, container), _container(pod, container)
    limit = ((spec.resources.limits if spec and spec.resources else None) or {}).get("memory")
    phase = pod.status.phase if pod.status else None
    return ShownPod(
        name=named(pod),
        colour=colour,
        version=version(pod) or "unknown",
        image=_image(status, spec),
        phase=next((known for known in Phase if known == phase), Phase.UNKNOWN),
        waits=_waits(pod, status),
        ready=is_ready(pod),
        restarts=restarts(pod),
        since=since(pod) or of(pod).creationTimestamp or datetime.now(UTC),
        node=pod.spec.nodeName if pod.spec else None,
        last_end=_last_end(status),
        cpu=used.cpu if used else None,
        memory=used.memory if used else None,
        memory_limit=_bytes(limit) if limit else None,
    )


def details(pod: Pod, whole: ShownPod, *, container: str, port: int, configuration: Mapping[str, str], events: Iterable[Event]) -> PodDetails:
    """Return everything of the pod that is no secret; `configuration` is what its ConfigMaps say."""
    spec = _container(pod, container)
    variables = (spec.env or []) if spec else []
    own = {variable.name: variable.value for variable in variables if variable.value is not None}
    redact = Redactor()
    settings = {name: value for name, value in {**configuration, **own}.items() if redact(f"{name}={value}") == f"{name}={value}"}
    address = pod.status.podIP if pod.status else None
    return PodDetails(
        pod=whole,
        address=f"{address}:{port}" if address else "",
        command=tuple(redact(word) for word in (*((spec.command or []) if spec else []), *((spec.args or []) if spec else []))),
        settings={**settings, **{variable.name: came for variable in variables if (came := _from_elsewhere(variable))}},
        secrets=tuple(dict.fromkeys(_secrets(pod, spec))),
        readiness=_in_words(spec.readinessProbe if spec else None),
        events=tuple(sorted((_event(event) for event in events), key=lambda event: event.at)[-_SHOWN_EVENTS:]),
    )


def config_maps(pod: Pod, container: str) -> tuple[str, ...]:
    """Return the names of the ConfigMaps whose every value is a setting of the pod, in their order: a later one counts."""
    spec = _container(pod, container)
    return tuple(source.configMapRef.name for source in (spec.envFrom or [] if spec else []) if source.configMapRef and source.configMapRef.name)


def _image(status: ContainerStatus | None, spec: Container | None) -> str:
    """Return what runs, by digest: as the node pulled it, or as it was asked for where that names a digest, too."""
    asked, pulled = (spec.image or "") if spec else "", (status.imageID or "") if status else ""
    if _DIGEST in asked or _DIGEST not in pulled:
        return asked
    return pulled.rpartition("://")[2]


def _waits(pod: Pod, status: ContainerStatus | None) -> str | None:
    """Return the word that `kubectl get pods` shows in the place of the phase; None where it shows the phase."""
    if ending(pod):
        return "Terminating"
    if node_lost(pod):
        return "NodeLost"
    room = condition(pod, "PodScheduled")
    if room and room.status == "False":
        return room.reason or "Unschedulable"
    state = status.state if status else None
    if state and state.waiting:
        return state.waiting.reason
    if state and state.terminated:
        return state.terminated.reason or "Terminated"
    return (pod.status.reason if pod.status else None) or None


def _last_end(status: ContainerStatus | None) -> Ended | None:
    ended: ContainerStateTerminated | None = None
    for state in (status.lastState, status.state) if status else ():
        ended = (state.terminated if state else None) or ended
    if ended is None:
        return None
    said = tuple(entries(f"{line}" for line in _with_times(ended)))
    return Ended(
        reason=ended.reason or "Error",
        exit_code=ended.exitCode,
        at=ended.finishedAt,
        message="" if ended.exitCode == 0 else last_words(said, killed=ended.exitCode > _SIGNALLED),
    )


def _with_times(ended: ContainerStateTerminated) -> Iterator[str]:
    """Yield the end of the container's log, which stands in its state (`FallbackToLogsOnError`), as the API server gives logs: behind a time."""
    at = (ended.finishedAt or _BEGINNING).isoformat()
    yield from (f"{at} {line}" for line in (ended.message or "").splitlines())


def _from_elsewhere(variable: EnvVar) -> str:
    source = variable.valueFrom
    if source is None or source.secretKeyRef:
        return ""
    if source.configMapKeyRef:
        return f"(from the ConfigMap {source.configMapKeyRef.name})"
    return f"({source.fieldRef.fieldPath})" if source.fieldRef else ""


def _secrets(pod: Pod, spec: Container | None) -> Iterator[str]:
    for variable in (spec.env or []) if spec else []:
        if variable.valueFrom and variable.valueFrom.secretKeyRef:
            yield f"{variable.name}: {variable.valueFrom.secretKeyRef.name}/{variable.valueFrom.secretKeyRef.key}"
    for source in (spec.envFrom or []) if spec else []:
        if source.secretRef:
            yield f"all of {source.secretRef.name}"
    mounts = {mount.name: mount.mountPath for mount in (spec.volumeMounts or [])} if spec else {}
    for volume in (pod.spec.volumes or []) if pod.spec else []:
        if volume.secret and volume.name in mounts:
            yield f"{mounts[volume.name]}: {volume.secret.secretName}"


def _in_words(probe: Probe | None) -> str:
    if probe is None:
        return "as soon as it runs"
    if probe.httpGet:
        return f"GET {probe.httpGet.path or '/'} on port {probe.httpGet.port} is answered with success"
    if probe.tcpSocket:
        return f"port {probe.tcpSocket.port} takes connections"
    if probe.exec:
        return f"{shlex.join(probe.exec.command or [])} ends with 0"
    return "its probe says so"


def _event(event: Event) -> PodEvent:
    at = event.lastTimestamp or (event.series.lastObservedTime if event.series else None) or event.eventTime or event.firstTimestamp or _BEGINNING
    count = event.count or (event.series.count if event.series else None) or 1
    return PodEvent(at=at, warning=event.type == "Warning", reason=event.reason or "", message=" ".join((event.message or "").split()), count=count)


def _container(pod: Pod, name: str) -> Container | None:
    return next((container for container in pod.spec.containers if container.name == name), None) if pod.spec else None


def _status(pod: Pod, name: str) -> ContainerStatus | None:
    return next((status for status in (pod.status.containerStatuses if pod.status else None) or () if status.name == name), None)


def _bytes(quantity: str) -> int:
    return int(parse_quantity(quantity) or 0)
