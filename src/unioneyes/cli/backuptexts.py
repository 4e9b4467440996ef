"""Backups, as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from unioneyes.cli.output import Cell, Ink, facts, table
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_bytes, format_duration
from unioneyes.operations.database.backups.model import BackedUp, BackupsView, BackupView, Fate, Pruned, RestoredInto
from unioneyes.operations.database.backups.schedule import DayState
from unioneyes.ports.database import BackupState, BackupVerified

_LOOKS = {
    BackupState.VERIFIED: Cell("✔ verified", Tone.GOOD),
    BackupState.TAKEN: Cell("? unproven", Tone.WARN),
    BackupState.FAILED: Cell("✘ failed", Tone.BAD),
}
_SHORT = 20
"""Characters of a migration's name in a table."""


def backups_text(ink: Ink, view: BackupsView) -> str:
    """Return every backup, one line each, and for how long they are kept."""
    rows = [
        (
            each.backup.name,
            _LOOKS[each.backup.state],
            format_bytes(each.backup.bytes),
            format_duration(_since(view.at, each.backup.taken_at)),
            (each.backup.schema or "-")[:_SHORT],
            "age" if each.backup.recipients else "no",
            _kept(each.fate),
        )
        for each in view.backups
    ]
    shown = table(ink, ("name", "state", "size", "age", "schema", "encrypted", "next prune"), rows, empty="no backups yet: ue backup create")
    return f"{shown}\n\n{facts(ink, _terms(view))}"


def _terms(view: BackupsView) -> Iterator[tuple[str, str]]:
    kept = view.retention
    yield "kept at", view.place
    yield "kept for", f"{format_duration(kept.keep)}; the last {kept.at_least} proven ones longer; failed ones for {format_duration(kept.keep_failed)}"
    if view.daily:
        last = view.daily.days[0] if view.daily.days else None
        became = f"; the last one, of {rfc3339(last.due)}: {last.state}" if last else ""
        yield "daily at", f"{view.daily.at:%H:%M} UTC, next {rfc3339(view.daily.next)}{became}"
    if view.unprovable:
        yield "proof", view.unprovable


_DAYS = {
    DayState.DONE: Cell("✔ done", Tone.GOOD),
    DayState.UNDER_WAY: Cell("▶ under way", Tone.BUSY),
    DayState.FAILED: Cell("✘ failed", Tone.BAD),
    DayState.MISSED: Cell("✘ missed", Tone.BAD),
    DayState.DUE: Cell("○ due", Tone.WARN),
}


def schedule_text(ink: Ink, view: BackupsView) -> str:
    """Return when a backup is made by itself, and what became of the last ones."""
    daily = view.daily
    if daily is None:
        return 'no backup is made by itself: [backup] daily = "never" in environment.toml'
    rows = [(rfc3339(day.due), _DAYS[day.state], day.run) for day in daily.days]
    told = facts(ink, (("daily at", f"{daily.at:%H:%M} UTC"), ("next", rfc3339(daily.next)), ("kept for", format_duration(view.retention.keep))))
    return f"{told}\n\n{table(ink, ('due', 'became', 'run'), rows, empty='none was due yet')}"


def backup_text(ink: Ink, view: BackupView) -> str:
    """Return everything of one backup."""
    backup, look = view.backup, _LOOKS[view.backup.state]
    told = facts(
        ink,
        (
            ("state", ink.tone(look.tone, look.text) if look.tone else look.text),
            ("proof", view.proof),
            ("of", f"{backup.database}, {rfc3339(backup.taken_at)}, made in {format_duration(backup.took)}"),
            ("holds", f"{backup.tables} tables, {backup.rows:,} rows"),
            ("schema", backup.schema or "no migration"),
            ("size", f"{format_bytes(backup.bytes)} ({backup.bytes:,} bytes)"),
            ("sha256", backup.sha256),
            ("encrypted", f"by age, to {', '.join(backup.recipients)}" if backup.recipients else "no"),
            ("written by", backup.written_by),
            ("kept at", backup.place),
            ("next prune", _kept(view.fate)),
        ),
    )
    return f"{ink.bold(backup.name)}\n{told}"


def backed_up_text(ink: Ink, done: BackedUp) -> str:
    """Return what a backup came to."""
    backup = done.backup
    proof = ink.tone(Tone.GOOD, f"✔ {_proven(done.verified)}") if done.verified else ink.tone(Tone.WARN, f"? {done.unproven_because or 'not proven'}")
    return facts(
        ink,
        (
            ("backup", backup.name),
            ("proof", proof),
            ("holds", f"{backup.tables} tables, {backup.rows:,} rows; schema {backup.schema or 'without migrations'}"),
            ("size", f"{format_bytes(backup.bytes)}, made in {format_duration(backup.took)}"),
            ("sha256", backup.sha256),
            ("encrypted", f"by age, to {', '.join(backup.recipients)}" if backup.recipients else "no"),
            ("kept at", backup.place),
        ),
    )


def verified_text(ink: Ink, done: BackupVerified) -> str:
    """Return what a proof came to."""
    return facts(ink, (("backup", done.name), ("proof", ink.tone(Tone.GOOD, f"✔ {_proven(done)}"))))


def pruned_text(ink: Ink, done: Pruned) -> str:
    """Return what pruning came to: of each backup, what became of it and why."""
    rows = [(fate.name, "kept" if fate.kept else "removed", fate.because) for fate in done.fates]
    return f"{table(ink, ('backup', 'is', 'because'), rows, empty='there was none')}\n\n{facts(ink, (('room made', format_bytes(done.bytes)),))}"


def restored_into_text(ink: Ink, done: RestoredInto) -> str:
    """Return where a backup stands now."""
    return facts(
        ink,
        (
            ("database", done.database),
            ("holds", f"{done.backup}: {done.tables} tables, {done.rows:,} rows, equal to its manifest"),
            ("took", format_duration(done.took)),
            ("afterwards", f"when it is needed no more: {done.drop}"),
        ),
    )


def _proven(done: BackupVerified) -> str:
    return f"restored into a scratch server: {done.tables} tables, {done.rows:,} rows, all equal, in {format_duration(done.took)}"


def _kept(fate: Fate) -> str:
    return f"keeps it: {fate.because}" if fate.kept else f"removes it: {fate.because}"


def _since(at: datetime, before: datetime) -> timedelta:
    """Return how long ago it was."""
    return max(at - before, timedelta(0))
