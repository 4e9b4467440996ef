"""What a run shows for itself: receipts, rollbacks, verifications; any other result as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from pydantic import JsonValue, TypeAdapter

from unioneyes.cli.output import Ink, facts, table
from unioneyes.cli.plans import gates_table
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration
from unioneyes.operations.deployment.model import Figures, Receipt, VerifyResult, Watched
from unioneyes.ports.runs import RolledBack


def result_text(ink: Ink, runbook: str, result: JsonValue) -> str:
    """Return what a run came to; empty when it came to nothing yet."""
    if result is None:
        return ""
    show = _SHOWN.get(runbook)
    return show(ink, result) if show else json.dumps(result, indent=2, ensure_ascii=False)


def receipt_text(ink: Ink, receipt: Receipt) -> str:
    """Return a deployment's receipt."""
    return "\n".join(_receipt(ink, receipt))


def rolled_back_text(ink: Ink, done: RolledBack) -> str:
    """Return what a rollback shows for itself."""
    told = f"announced ({done.announced})" if done.announced else f"not announced: {done.not_announced}"
    return facts(
        ink,
        (
            ("serving", f"{done.version} on {done.colour}"),
            ("because", done.reason),
            ("traffic back in", f"{format_duration(done.shifted_in)} (promised: 5 min)"),
            ("healthy in", f"{format_duration(done.healthy_in)} (promised: 5 min)"),
            ("incident", done.incident),
            ("post-mortem", f"due {done.post_mortem_due:%Y-%m-%d %H:%M} UTC"),
            ("stakeholders", told),
        ),
    )


def verify_text(ink: Ink, verified: VerifyResult) -> str:
    """Return a verification, line by line."""
    return f"{verified.version} on {verified.colour}\n{gates_table(ink, verified.checks)}"


def _receipt(ink: Ink, receipt: Receipt) -> Iterator[str]:
    yield ink.bold(receipt.outcome)
    yield facts(
        ink,
        (
            ("requests", f"{receipt.requests:,} answered, {_count(ink, receipt.lost)} lost"),
            ("slowest", f"<= {receipt.slowest_ms:g} ms" if receipt.slowest_ms is not None else ""),
            *((f"by {one.version}", f"{one.answers:,} answers on {one.colour}, {one.errors:,} of them failed") for one in receipt.served_by),
            ("switch", f"{format_duration(receipt.switch_took)}, confirmed by the data plane" if receipt.switch_took is not None else ""),
            ("watch", _watched(receipt.watched) if receipt.watched else ""),
            ("backup", receipt.backup or ""),
            ("migrations", ", ".join(receipt.migrations)),
            *(("waived", waiver) for waiver in receipt.waived),
        ),
    )
    if receipt.verified:
        yield f"\n{ink.bold('Verification')}\n{gates_table(ink, receipt.verified.checks)}"
    if receipt.rolled_back:
        yield f"\n{ink.bold('Rollback')}\n{rolled_back_text(ink, receipt.rolled_back)}"
    if receipt.phases:
        total = sum((phase.took for phase in receipt.phases), timedelta())
        rows = [*((phase.step, format_duration(phase.took)) for phase in receipt.phases), ("all of them (promised: 30 min)", format_duration(total))]
        yield f"\n{table(ink, ('phase', 'took'), rows, empty='')}"


def _watched(watched: Watched) -> str:
    verdict = watched.verdict
    beside = f"; beside it {_figures(watched.old)}" if watched.old else ""
    return f"{format_duration(watched.took)}: {verdict.outcome}, {verdict.reason} ({_figures(watched.new)}{beside})"


def _figures(figures: Figures) -> str:
    rate = "no answers" if figures.error_rate is None else f"{figures.error_rate:.2%} of {figures.answers:,} failed"
    return rate + (f", P99 {figures.p99_ms:.0f} ms" if figures.p99_ms is not None else "")


def _count(ink: Ink, lost: int) -> str:
    return ink.tone(Tone.BAD if lost else Tone.GOOD, f"{lost:,}")


_SHOWN: Mapping[str, Callable[[Ink, JsonValue], str]] = {
    "deployment.start": lambda ink, result: receipt_text(ink, TypeAdapter(Receipt).validate_python(result)),
    "deployment.verify": lambda ink, result: verify_text(ink, TypeAdapter(VerifyResult).validate_python(result)),
    "rollback.traffic": lambda ink, result: rolled_back_text(ink, TypeAdapter(RolledBack).validate_python(result)),
}
