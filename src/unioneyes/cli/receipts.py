"""What a run shows for itself: receipts, rollbacks, verifications; any other result as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from pydantic import JsonValue, TypeAdapter

from unioneyes.cli.backuptexts import backed_up_text, pruned_text, restored_into_text, verified_text
from unioneyes.cli.dbtexts import ended_text
from unioneyes.cli.edgetexts import kept_out_text, limited_text
from unioneyes.cli.migratetexts import migrated_text
from unioneyes.cli.output import Ink, facts, table
from unioneyes.cli.plans import gates_table
from unioneyes.cli.podtexts import restarted_text, scaled_text
from unioneyes.cli.recoverytexts import base_text, brought_text
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration, format_share
from unioneyes.operations.app.model import Restarted, ScaledTo
from unioneyes.operations.database.backups.model import BackedUp, Pruned, RestoredInto
from unioneyes.operations.database.migrating_model import Migrated
from unioneyes.operations.database.recovery.model import BaseMade, Brought
from unioneyes.operations.database.sessions_model import SessionsEnded
from unioneyes.operations.deployment.model import Figures, Receipt, VerifyResult, Watched
from unioneyes.operations.rollback.model import Afterwards, MigrationsTakenBack, ReleaseRolledBack, Restored
from unioneyes.operations.security.model import KeptOut, Limited
from unioneyes.ports.database import BackupVerified, Loss
from unioneyes.ports.runs import RolledBack
from unioneyes.runbook.documents.plan import DocumentRun
from unioneyes.runbook.views import EntryKind, JournalEntry

LEDGER_ROWS = 5
"""How many of the ledger's last rows are shown. Source: Deployment Procedures, "Database migrations"."""
WATCH_PROMISE = timedelta(minutes=10)
"""How long a release is watched where nothing else was asked for. Source: Production Deployment Steps."""
ROLLBACK_PROMISE = timedelta(minutes=5)
"""Source: Rollback Procedures, Option A."""
DEPLOYMENT_PROMISE = timedelta(minutes=30)
"""Source: Production Deployment Steps."""

_DIGEST_SHOWN = 12


def result_text(ink: Ink, runbook: str, result: JsonValue, *, request: JsonValue = None) -> str:
    """Return what a run came to, beside what was asked for; empty when it came to nothing yet."""
    if result is None:
        return ""
    show = _SHOWN.get(runbook)
    return show(ink, result, request) if show else json.dumps(result, indent=2, ensure_ascii=False)


def receipt_text(ink: Ink, receipt: Receipt, *, bake: timedelta | None = None) -> str:
    """Return a deployment's receipt. `bake` is how long a watch was asked for."""
    return "\n".join(_receipt(ink, receipt, bake))


def release_rolled_back_text(ink: Ink, done: ReleaseRolledBack) -> str:
    """Return what going back to an earlier revision shows for itself."""
    settings = ", ".join(f"{name}={value}" for name, value in sorted(done.configuration.items()))
    return facts(
        ink,
        (
            ("serving", f"{done.version} on {done.colour}, revision {done.revision}"),
            ("with", settings),
            ("instead of", done.away_from),
            ("switch", f"{format_duration(done.shifted_in)}, confirmed by the data plane"),
            ("healthy in", f"{format_duration(done.healthy_in)} (promised: 5 min)"),
            *_afterwards(done.afterwards),
        ),
    )


def taken_back_text(ink: Ink, done: MigrationsTakenBack) -> str:
    """Return what taking migrations back shows for itself, with the ledger's last rows."""
    told = facts(
        ink,
        (
            ("taken back", ", ".join(done.tags)),
            ("schema ends at", done.stays or "nothing"),
            *(("lost", _loss(loss)) for loss in done.losses),
            ("kept in", f"{done.backup}, a verified backup"),
            ("verified in", f"{format_duration(done.healthy_in)} (promised: 5 min)"),
            *_afterwards(done.afterwards),
        ),
    )
    rows = [(str(row.id), row.tag or "unknown", row.sha256[:_DIGEST_SHOWN], rfc3339(row.created_at)) for row in done.ledger]
    ledger = table(ink, ("id", "migration", "sha256", "created"), rows, empty="the ledger is empty")
    return f"{told}\n\n{ink.bold('Migration ledger, its last rows')}\n{ledger}"


def restored_text(ink: Ink, done: Restored) -> str:
    """Return what a restore shows for itself: what is in use no more, and where it is."""
    told = facts(
        ink,
        (
            ("live now", f"{done.database} as of {rfc3339(done.taken_at)}, from {done.backup}"),
            ("kept", f"{done.kept}: all that was live before; when it is needed no more: {done.drop}"),
            *(("columns", f"{column} is in {done.kept} only") for column in done.difference.columns),
            *((("erased again", f"{done.erased_again:,} of those who had been erased since the backup"),) if done.erased_again is not None else ()),
            ("members out for", format_duration(done.closed_for)),
            ("healthy in", f"{format_duration(done.healthy_in)} (promised: 5 min)"),
            *_afterwards(done.afterwards),
        ),
    )
    rows = [(each.table, f"{each.only_live:,}", f"{each.only_backup:,}") for each in done.difference.tables]
    shown = table(ink, ("table", "rows kept aside", "rows that came back"), rows, empty="nothing was written since the backup")
    return f"{told}\n\n{ink.bold('Written since the backup')}\n{shown}"


def ledger_text(ink: Ink, journal: Sequence[JournalEntry]) -> str:
    """Return the last rows of the migration ledger, as they stood after migrations were applied; empty when none were, or they were taken back."""
    told = [entry for entry in journal if entry.kind in {EntryKind.STEP_DONE, EntryKind.UNDO_DONE} and entry.step == "apply_migrations"]
    found = told[-1].data.get("result") if told and told[-1].kind is EntryKind.STEP_DONE else None
    ledger = found.get("ledger") if isinstance(found, dict) else None
    if not isinstance(ledger, list) or not ledger:
        return ""
    rows = [tuple(str(row.get(name) or "unknown") for name in ("id", "tag", "sha256", "created_at")) for row in ledger[:LEDGER_ROWS] if isinstance(row, dict)]
    shown = ((number, tag, digest[:_DIGEST_SHOWN], at) for number, tag, digest, at in rows)
    return f"{ink.bold('Migration ledger, its last rows')}\n{table(ink, ('id', 'migration', 'sha256', 'created'), shown, empty='')}"


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


def document_text(ink: Ink, done: DocumentRun) -> str:
    """Return what a document shows for itself; what its blocks printed stands in the run's journal."""
    return facts(ink, (("document", done.document), ("sha256", done.sha256), ("blocks", f"{done.blocks} ended well")))


def outputs_text(ink: Ink, runbook: str, journal: Sequence[JournalEntry]) -> str:
    """Return what a document's blocks printed, one after another; empty for every other runbook."""
    told = [(entry.step or "", entry.data.get("output")) for entry in journal if runbook.startswith("document.") and entry.data.get("output")]
    return "\n\n".join(f"{ink.bold(step)}\n{output}" for step, output in told)


def verify_text(ink: Ink, verified: VerifyResult) -> str:
    """Return a verification, line by line."""
    return f"{verified.version} on {verified.colour}\n{gates_table(ink, verified.checks)}"


def _afterwards(done: Afterwards) -> Iterator[tuple[str, str]]:
    yield "incident", done.incident
    yield "post-mortem", f"due {done.post_mortem_due:%Y-%m-%d %H:%M} UTC"
    yield "stakeholders", f"announced ({done.announced})" if done.announced else f"not announced: {done.not_announced}"


def _loss(loss: Loss) -> str:
    return f"{loss.what}: {loss.rows:,} rows held a value" if loss.rows is not None else f"{loss.what}: nobody can count it"


def _receipt(ink: Ink, receipt: Receipt, bake: timedelta | None) -> Iterator[str]:
    yield ink.bold(receipt.outcome)
    yield facts(
        ink,
        (
            ("requests", _requests(ink, receipt)),
            ("slowest", f"<= {receipt.slowest_ms:g} ms" if receipt.slowest_ms is not None else ""),
            *((f"by {one.version}", f"{one.answers:,} answers on {one.colour}, {one.errors:,} of them failed") for one in receipt.served_by),
            ("switch", f"{format_duration(receipt.switch_took)}, confirmed by the data plane" if receipt.switch_took is not None else ""),
            *((f"watch at {one.share} %", _watched(one)) for one in receipt.canary),
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
        watched = {} if receipt.canary else {"watch_release": bake or WATCH_PROMISE}  # the shares of a canary are watched for less
        promised = {**watched, "rollback.traffic": ROLLBACK_PROMISE, "rollback.rolling": ROLLBACK_PROMISE}
        rows = [
            *((phase.step, format_duration(phase.took), _promise(promised.get(phase.step))) for phase in receipt.phases),
            ("all of them", format_duration(total), format_duration(DEPLOYMENT_PROMISE)),
        ]
        yield f"\n{table(ink, ('phase', 'took', 'promised'), rows, empty='')}"


def _watched(watched: Watched) -> str:
    verdict = watched.verdict
    beside = f"; beside it {_figures(watched.old)}" if watched.old else ""
    return f"{format_duration(watched.took)}: {verdict.outcome}, {verdict.reason} ({_figures(watched.new)}{beside})"


def _figures(figures: Figures) -> str:
    rate = "no answers" if figures.error_rate is None else f"{format_share(figures.error_rate)} of {figures.answers:,} failed"
    return rate + (f", P99 {figures.p99_ms:.0f} ms" if figures.p99_ms is not None else "")


def _promise(promised: timedelta | None) -> str:
    return format_duration(promised) if promised is not None else "-"


def _bake(request: JsonValue) -> timedelta | None:
    """Return how long a watch a deployment was asked for; None when it was not said."""
    asked = request.get("bake") if isinstance(request, dict) else None
    return TypeAdapter(timedelta).validate_python(asked) if asked is not None else None


def _requests(ink: Ink, receipt: Receipt) -> str:
    if receipt.requests is None or receipt.lost is None:
        return ink.tone(Tone.WARN, "unknown: the data plane did not answer when the receipt was written")
    return f"{receipt.requests:,} answered, {ink.tone(Tone.BAD if receipt.lost else Tone.GOOD, f'{receipt.lost:,}')} lost"


_SHOWN: Mapping[str, Callable[[Ink, JsonValue, JsonValue], str]] = {
    "app.restart": lambda ink, result, _: restarted_text(ink, TypeAdapter(Restarted).validate_python(result)),
    "app.scale": lambda ink, result, _: scaled_text(ink, TypeAdapter(ScaledTo).validate_python(result)),
    "database.end_idle": lambda ink, result, _: ended_text(ink, TypeAdapter(SessionsEnded).validate_python(result)),
    "database.end_session": lambda ink, result, _: ended_text(ink, TypeAdapter(SessionsEnded).validate_python(result)),
    "database.migrate": lambda ink, result, _: migrated_text(ink, TypeAdapter(Migrated).validate_python(result)),
    "backup.base": lambda ink, result, _: base_text(ink, TypeAdapter(BaseMade).validate_python(result)),
    "backup.create": lambda ink, result, _: backed_up_text(ink, TypeAdapter(BackedUp).validate_python(result)),
    "backup.pitr": lambda ink, result, _: brought_text(ink, TypeAdapter(Brought).validate_python(result)),
    "backup.prune": lambda ink, result, _: pruned_text(ink, TypeAdapter(Pruned).validate_python(result)),
    "backup.restore": lambda ink, result, _: restored_into_text(ink, TypeAdapter(RestoredInto).validate_python(result)),
    "backup.verify": lambda ink, result, _: verified_text(ink, TypeAdapter(BackupVerified).validate_python(result)),
    "deployment.start": lambda ink, result, request: receipt_text(ink, TypeAdapter(Receipt).validate_python(result), bake=_bake(request)),
    "deployment.verify": lambda ink, result, _: verify_text(ink, TypeAdapter(VerifyResult).validate_python(result)),
    "document.read": lambda ink, result, _: document_text(ink, TypeAdapter(DocumentRun).validate_python(result)),
    "document.run": lambda ink, result, _: document_text(ink, TypeAdapter(DocumentRun).validate_python(result)),
    "edge.deny": lambda ink, result, _: kept_out_text(ink, TypeAdapter(KeptOut).validate_python(result)),
    "edge.limit": lambda ink, result, _: limited_text(ink, TypeAdapter(Limited).validate_python(result)),
    "rollback.migration": lambda ink, result, _: taken_back_text(ink, TypeAdapter(MigrationsTakenBack).validate_python(result)),
    "rollback.release": lambda ink, result, _: release_rolled_back_text(ink, TypeAdapter(ReleaseRolledBack).validate_python(result)),
    "rollback.restore": lambda ink, result, _: restored_text(ink, TypeAdapter(Restored).validate_python(result)),
    "rollback.rolling": lambda ink, result, _: rolled_back_text(ink, TypeAdapter(RolledBack).validate_python(result)),
    "rollback.traffic": lambda ink, result, _: rolled_back_text(ink, TypeAdapter(RolledBack).validate_python(result)),
}
