"""What is deployed and what is being deployed, as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unioneyes.cli.output import Cell, Ink, facts, status_cell, table
from unioneyes.cli.runs import ago
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_bytes, format_duration, format_share
from unioneyes.operations.deployment.status import ColourStatus, DeploymentStatus, DeploymentView
from unioneyes.ports.pods import OOM_KILLED
from unioneyes.runbook.phases import PhaseView

NO_DATA = Cell("no data", Tone.QUIET)
_SHOWN_ENDS = 5


def status_text(ink: Ink, status: DeploymentStatus) -> str:
    """Return the whole status."""
    return "\n".join(_lines(ink, status))


def deployments_table(ink: Ink, deployments: Sequence[DeploymentView]) -> str:
    """Return many deployments, one line each."""
    rows = (
        (one.run_id, one.version, one.previous or "-", status_cell(one.look), one.requested_by, ago(one.created_at), _took(one), one.outcome)
        for one in deployments
    )
    return table(ink, ("run", "version", "before", "status", "by", "started", "took", "outcome"), rows, empty="nothing was deployed yet")


def _lines(ink: Ink, status: DeploymentStatus) -> Iterator[str]:
    serving = f"{status.serving} serves" if status.serving else "nothing serves"
    maintenance = f"  {ink.tone(Tone.WARN, '‖ maintenance: members are told 503')}" if status.maintenance else ""
    yield f"{ink.bold(f'{status.environment}: {serving}')}{maintenance}"
    for missing in status.unavailable:
        yield ink.tone(Tone.WARN, f"? {missing}")
    yield "\n" + table(
        ink, ("colour", "version", "ready", "traffic", "req/s", "errors", "P99", "restarts", "CPU", "memory"), map(_colour, status.colours), empty=""
    )
    for end in status.ended[:_SHOWN_ENDS]:
        yield ink.tone(Tone.BAD if end.reason == OOM_KILLED else Tone.WARN, f"✘ {rfc3339(end.at)} {end}")
    if len(status.ended) > _SHOWN_ENDS:
        yield f"  and {len(status.ended) - _SHOWN_ENDS} more in the last quarter of an hour; ue app pods shows those that are there"
    if status.current:
        yield ""
        yield from _deployment(ink, status.current)
    if status.lock:
        yield facts(ink, (("held by", f"{status.lock.run_id}: {status.lock.reason} (since {rfc3339(status.lock.since)})"),))


def _deployment(ink: Ink, deployment: DeploymentView) -> Iterator[str]:
    yield f"{ink.bold(deployment.run_id)}  {ink.look(deployment.look)}"
    yield facts(
        ink,
        (
            ("version", f"{deployment.version}{f' after {deployment.previous}' if deployment.previous else ''}"),
            ("outcome", deployment.outcome),
            ("watch", f"{format_duration(deployment.watch_left)} left" if deployment.watch_left else ""),
            ("rollback", _rollback(ink, deployment)),
            ("waits for", deployment.question or ""),
            ("decide", f"ue deploy promote {deployment.run_id}, or ue run resume {deployment.run_id}" if deployment.choices else ""),
        ),
    )
    yield "\n" + table(ink, ("", "step", "took", ""), map(_phase, deployment.phases), empty="")


def _rollback(ink: Ink, deployment: DeploymentView) -> str:
    if deployment.rollback_not_ready_since is not None:
        return ink.tone(Tone.BAD, f"NOT READY since {rfc3339(deployment.rollback_not_ready_since)}")
    return f"now takes about {format_duration(deployment.rollback_takes)}" if deployment.rollback_takes else ""


def _colour(colour: ColourStatus) -> tuple[str | Cell, ...]:
    bad = Tone.BAD if colour.error_rate else None
    return (
        colour.colour.value,
        colour.version or "-",
        NO_DATA if colour.replicas is None else f"{colour.ready}/{colour.replicas}",
        NO_DATA if colour.weight is None else f"{colour.weight} %",
        NO_DATA if colour.requests_per_s is None else f"{colour.requests_per_s:.1f}",
        Cell("-", Tone.QUIET) if colour.error_rate is None else Cell(format_share(colour.error_rate), bad),
        Cell("-", Tone.QUIET) if colour.p99_ms is None else f"{colour.p99_ms:.0f} ms",
        NO_DATA if colour.restarts is None else Cell(str(colour.restarts), Tone.WARN if colour.restarts else None),
        Cell("-", Tone.QUIET) if colour.cpu is None else f"{colour.cpu:.2f}",
        Cell("-", Tone.QUIET) if colour.memory is None else _memory(colour),
    )


def _memory(colour: ColourStatus) -> str:
    share = "" if colour.memory_share is None else f" ({colour.memory_share:.0%} of the limit)"
    return f"{format_bytes(colour.memory or 0)}{share}"


def _phase(phase: PhaseView) -> tuple[str | Cell, ...]:
    look = phase.state.look
    return (Cell(look.icon, look.tone), phase.name, format_duration(phase.took) if phase.took else "", phase.message or (look.word if not phase.took else ""))


def _took(deployment: DeploymentView) -> str:
    if deployment.started_at is None or deployment.ended_at is None:
        return ""
    return format_duration(deployment.ended_at - deployment.started_at)
