"""Pods, as people read them: many, one, and the whole service."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from unioneyes.cli.output import Cell, Ink, facts, table
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_bytes, format_duration
from unioneyes.operations.app.model import Restarted, ScaledTo
from unioneyes.operations.app.rules import spoken
from unioneyes.operations.app.status import AppStatus, ColourPods
from unioneyes.ports.pods import Pod, PodDetails, PodEvent

_UNKNOWN = Cell("-", Tone.QUIET)
_SHOWN_DIGEST = 19
"""Characters of a digest: `sha256:` and twelve digits tell images apart."""


def pods_table(ink: Ink, pods: Sequence[Pod], at: datetime) -> str:
    """Return pods, one line each; below, how those ended last that did."""
    shown = table(
        ink,
        ("pod", "version", "ready", "state", "restarts", "age", "node", "image", "cpu", "memory"),
        (
            (
                pod.name,
                pod.version,
                Cell("✔", Tone.GOOD) if pod.ready else Cell("✘", Tone.BAD),
                Cell(pod.state, Tone.WARN) if pod.waits or not pod.ready else pod.state,
                str(pod.restarts),
                _age(pod.since, at),
                pod.node or _UNKNOWN,
                _short(pod.image),
                _cpu(pod.cpu),
                _memory(pod.memory, pod.memory_limit),
            )
            for pod in pods
        ),
        empty="nothing is deployed",
    )
    ended = [(pod.name, f"ended by itself{_when(pod, at)}: {pod.last_end}") for pod in pods if pod.last_end]
    return f"{shown}\n\n{facts(ink, ended)}" if ended else shown


def images_table(ink: Ink, pods: Sequence[Pod]) -> str:
    """Return from which image each pod was started, whole."""
    return table(ink, ("pod", "colour", "version", "image"), ((pod.name, pod.colour, pod.version, pod.image) for pod in pods), empty="nothing is deployed")


def pod_text(ink: Ink, details: PodDetails, at: datetime) -> str:
    """Return one pod."""
    pod = details.pod
    told = facts(
        ink,
        (
            ("pod", pod.name),
            ("version", f"{pod.version} on {pod.colour}"),
            ("image", pod.image),
            ("state", f"{pod.state}, {'ready' if pod.ready else 'not ready'}"),
            ("since", f"{rfc3339(pod.since)} ({_age(pod.since, at)})"),
            ("restarts", str(pod.restarts)),
            ("ended last", f"{pod.last_end}{_when(pod, at)}" if pod.last_end else ""),
            ("node", pod.node or ""),
            ("address", details.address),
            ("ready when", details.readiness),
            ("cpu", "" if pod.cpu is None else _cpu(pod.cpu).text),
            ("memory", "" if pod.memory is None else _memory(pod.memory, pod.memory_limit).text),
            ("command", shlex.join(details.command)),
            ("secrets", ", ".join(details.secrets)),
        ),
    )
    settings = table(ink, ("setting", "value"), sorted(details.settings.items()), empty="no settings")
    events = table(ink, ("at", "", "event", "what"), map(_event, details.events), empty="nothing happened to it")
    return f"{told}\n\n{settings}\n\n{events}"


def app_status_text(ink: Ink, status: AppStatus) -> str:
    """Return the whole service."""
    return "\n".join(_status_lines(ink, status))


def restarted_text(ink: Ink, done: Restarted) -> str:
    """Return what a restart shows for itself."""
    return facts(ink, (("restarted", f"{done.version} on {done.colour}"), ("pods", ", ".join(done.pods)), ("pod by pod in", format_duration(done.took))))


def scaled_text(ink: Ink, done: ScaledTo) -> str:
    """Return what scaling shows for itself."""
    return facts(
        ink,
        (("scaled", f"{done.version} on {done.colour}"), ("before", spoken(done.before)), ("now", spoken(done.now)), ("ready in", format_duration(done.took))),
    )


def _status_lines(ink: Ink, status: AppStatus) -> Iterator[str]:
    serving = next((each for each in status.colours if each.colour is status.serving), None)
    what = f"{serving.version or 'nothing'} serves on {serving.colour}, {serving.ready} of {serving.size.count} pods ready" if serving else "nothing serves"
    yield ink.bold(f"{status.service} in {status.environment}: {what}")
    yield "\n" + table(ink, ("colour", "version", "pods", "ready", "traffic", "restarts", "cpu", "memory", "image"), map(_colour, status.colours), empty="")
    scaled = [(each.colour.value, spoken(each.size)) for each in status.colours if each.size.autoscaler]
    if scaled:
        yield "\n" + facts(ink, scaled)
    if status.lock:
        yield "\n" + facts(ink, (("held by", f"{status.lock.run_id}: {status.lock.reason} (since {rfc3339(status.lock.since)})"),))
    yield ""
    yield from (ink.tone(Tone.BAD, f"✘ {trouble.where}: {trouble.what}") for trouble in status.troubles)
    if not any(colour.size.count or colour.pods for colour in status.colours):
        yield "nothing is deployed"
    elif not status.troubles:
        yield ink.tone(Tone.GOOD, "✔ every pod is as it should be")


def _colour(colour: ColourPods) -> tuple[str | Cell, ...]:
    short = colour.ready < colour.size.count
    return (
        colour.colour.value,
        colour.version or _UNKNOWN,
        f"{colour.pods} of {colour.size.count}",
        Cell(str(colour.ready), Tone.BAD if short else None),
        _UNKNOWN if colour.weight is None else f"{colour.weight} %",
        str(colour.restarts),
        _cpu(colour.cpu),
        _memory(colour.memory, None),
        ", ".join(map(_short, colour.images)) or _UNKNOWN,
    )


def _event(event: PodEvent) -> tuple[str | Cell, ...]:
    times = f" ({event.count} times)" if event.count > 1 else ""
    return rfc3339(event.at), Cell("✘", Tone.BAD) if event.warning else "", event.reason, f"{event.message}{times}"


def _age(since: datetime, at: datetime) -> str:
    return format_duration(max(at - since, timedelta(0)))


def _when(pod: Pod, at: datetime) -> str:
    return f" {_age(pod.last_end.at, at)} ago" if pod.last_end and pod.last_end.at else ""


def _cpu(cores: float | None) -> Cell:
    return _UNKNOWN if cores is None else Cell(f"{cores:.2f}")


def _memory(held: int | None, limit: int | None) -> Cell:
    if held is None:
        return _UNKNOWN
    return Cell(format_bytes(held) if limit is None else f"{format_bytes(held)} of {format_bytes(limit)}")


def _short(image: str) -> str:
    """Return an image without its registry and most of its digest: `unioneyes-web@sha256:0f1e2d3c4b5a`."""
    name, _, digest = image.rpartition("/")[2].partition("@")
    return f"{name}@{digest[:_SHOWN_DIGEST]}" if digest else name
