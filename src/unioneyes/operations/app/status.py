"""How the service's pods stand, in one value: both colours, and what is wrong with which pod. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from unioneyes.ports.pods import Pod, Size
from unioneyes.ports.traffic import Colour, TrafficView
from unioneyes.runbook.views import LockView


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourPods:
    """The pods of one colour."""

    colour: Colour
    version: str | None
    """None where nothing runs."""
    images: tuple[str, ...]
    """What its pods were started from: one, where all is well."""
    size: Size
    """How many pods there should be."""
    pods: int
    ready: int
    restarts: int
    """Of all its pods together."""
    weight: int | None
    """Share of the members' requests, in percent; None when the data plane does not answer."""
    cpu: float | None
    """Cores that its pods use together; None where that is not known of each."""
    memory: int | None
    """Bytes that they hold together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that is not as it should be."""

    where: str
    """The pod or the colour."""
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStatus:
    """How the service's pods stand."""

    environment: str
    service: str
    at: datetime
    serving: Colour | None
    """The colour that gets the most requests; None when nothing serves, or nobody knows."""
    maintenance: bool | None
    colours: tuple[ColourPods, ...]
    troubles: tuple[Trouble, ...]
    """Empty when all is as it should be."""
    lock: LockView | None
    """Who is changing the service now."""


def app_status(
    *,
    environment: str,
    service: str,
    at: datetime,
    pods: Iterable[Pod],
    sizes: Mapping[Colour, Size],
    traffic: TrafficView | None,
    lock: LockView | None,
) -> AppStatus:
    """Return the status that these readings come to; `traffic` is None when the data plane does not answer."""
    known = tuple(pods)
    colours = tuple(_colour(colour, [pod for pod in known if pod.colour is colour], sizes[colour], traffic) for colour in Colour)
    return AppStatus(
        environment=environment,
        service=service,
        at=at,
        serving=traffic.weights.live if traffic else None,
        maintenance=traffic.maintenance if traffic else None,
        colours=colours,
        troubles=(*_of_traffic(traffic), *(trouble for colour in colours for trouble in _of_colour(colour)), *map(_of_pod, filter(_is_troubled, known))),
        lock=lock,
    )


def _colour(colour: Colour, pods: list[Pod], size: Size, traffic: TrafficView | None) -> ColourPods:
    cpu, memory = [pod.cpu for pod in pods if pod.cpu is not None], [pod.memory for pod in pods if pod.memory is not None]
    return ColourPods(
        colour=colour,
        version=pods[0].version if pods else None,
        images=tuple(sorted({pod.image for pod in pods})),
        size=size,
        pods=len(pods),
        ready=sum(pod.ready for pod in pods),
        restarts=sum(pod.restarts for pod in pods),
        weight=traffic.weights.of(colour) if traffic else None,
        cpu=sum(cpu) if pods and len(cpu) == len(pods) else None,
        memory=sum(memory) if pods and len(memory) == len(pods) else None,
    )


def _of_traffic(traffic: TrafficView | None) -> Iterator[Trouble]:
    if traffic is None:
        yield Trouble(where="traffic", what="the data plane does not answer, so nobody knows which colour serves")
    elif traffic.maintenance:
        yield Trouble(where="traffic", what="maintenance: members are told 503")


def _of_colour(colour: ColourPods) -> Iterator[Trouble]:
    if colour.weight and colour.ready == 0:
        yield Trouble(where=colour.colour, what="members are sent there, and no pod is ready")
    elif colour.ready < colour.size.count:
        yield Trouble(where=colour.colour, what=f"{colour.ready} of {colour.size.count} pods are ready")
    elif colour.pods > colour.size.count:
        yield Trouble(where=colour.colour, what=f"{colour.pods} pods run, and {colour.size.count} should")
    if len(colour.images) > 1:
        yield Trouble(where=colour.colour, what=f"its pods were started from {len(colour.images)} different images")


def _is_troubled(pod: Pod) -> bool:
    return pod.waits is not None or not pod.ready


def _of_pod(pod: Pod) -> Trouble:
    ended = f"; it ended last by {pod.last_end}" if pod.last_end else ""
    return Trouble(where=pod.name, what=f"{pod.state}, {'ready' if pod.ready else 'not ready'}{ended}")
