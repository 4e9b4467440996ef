"""The schema's history and a release's migrations, as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from unioneyes.cli.output import Cell, Ink, cut, facts, table
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration
from unioneyes.operations.database.migrating_model import Migrated, MigrationLine, MigrationsView
from unioneyes.ports.database import Blocks, LintFinding, Loss, Migration, Risk

T = TypeVar("T")

_TONES = {Blocks.NOBODY: Tone.GOOD, Blocks.ROWS: Tone.WARN, Blocks.WRITES: Tone.BAD, Blocks.ALL: Tone.BAD, None: Tone.BAD}
_UNKNOWN = Cell("-", Tone.QUIET)
_STATEMENT_SHOWN, _NAME_SHOWN = 40, 34
"""Characters."""


def standing_text(ink: Ink, view: MigrationsView, at: datetime) -> str:
    """Return what was applied and what is missing."""
    return "\n".join(_standing(ink, view, at))


def migrated_text(ink: Ink, done: Migrated) -> str:
    """Return what a run of migrations came to."""
    waited = f", of which {format_duration(done.waited_for_locks)} waiting for locks" if done.waited_for_locks else ""
    newest = done.ledger[0] if done.ledger else None
    return facts(
        ink,
        (
            ("applied", ", ".join(done.migrations) or f"nothing: the schema held all that {done.version} needs"),
            ("took", f"{format_duration(done.took)}{waited}" if done.migrations else ""),
            ("backup", done.backup or "none was taken before"),
            ("schema", (newest.tag or newest.sha256[:12]) if newest else "empty"),
        ),
    )


def migrating_lines(ink: Ink, details: JsonValue) -> Iterator[str]:
    """Yield what a plan's migrations do to whoever is served; nothing for a plan that has none, or does not say."""
    risks = _part(details, "risks", tuple[Risk, ...])
    if not risks:
        return
    migrations = _part(details, "migrations", tuple[Migration, ...])
    findings = _part(details, "findings", tuple[LintFinding, ...])
    losses = _part(details, "losses", tuple[Loss, ...])
    accepted = _part(details, "accepted", tuple[str, ...])
    yield f"\n{ink.bold('What each statement does')} (a lock that is not free is tried for a moment at a time, so that nobody queues behind it)"
    for migration in migrations:
        yield from _migration(ink, migration, tuple(risk for risk in risks if risk.tag == migration.tag))
        yield from (_finding(ink, finding, accepted) for finding in findings if finding.tag == migration.tag)
        yield from (f"  {ink.tone(Tone.WARN, '! ' + str(loss))}" for loss in losses if loss.migration == migration.tag)


def _standing(ink: Ink, view: MigrationsView, at: datetime) -> Iterator[str]:
    lines = [_row(line, at) for line in view.lines]
    yield table(ink, ("id", "migration", "written", "applied", "by", "run"), lines, empty="nothing was ever applied")
    yield ""
    ahead = [line for line in view.lines if line.ahead]
    pending = f"{len(view.pending)}: {', '.join(view.pending)}" if view.pending else ink.tone(Tone.GOOD, "✔ nothing")
    yield facts(
        ink,
        (
            ("compared with", f"{view.version}; members get {' and '.join(view.serving) or 'nothing'}"),
            ("pending", pending),
            ("ahead of it", f"{len(ahead)} migrations that {view.version} does not know" if ahead else ""),
            ("unfinished", ink.tone(Tone.BAD, f"✘ {view.unfinished}: ue db migrate apply goes on with it") if view.unfinished else ""),
        ),
    )
    yield from (ink.tone(Tone.BAD, f"✘ drift: {each}") for each in view.drift)


def _row(line: MigrationLine, at: datetime) -> tuple[str | Cell, ...]:
    row, known = line.row, line.applied
    name = Cell(cut(row.tag, _NAME_SHOWN)) if row.tag else Cell(f"unknown, {row.sha256[:12]}", Tone.WARN)
    applied = row.applied_at or (known.at if known else None)
    return (
        str(row.id),
        name,
        f"{row.created_at:%Y-%m-%d}",
        f"{format_duration(at - applied)} ago" if applied else _UNKNOWN,
        known.by if known else _UNKNOWN,
        known.run if known else _UNKNOWN,
    )


def _migration(ink: Ink, migration: Migration, risks: tuple[Risk, ...]) -> Iterator[str]:
    back = "has a rollback file" if migration.rollback_sql is not None else "has no rollback file"
    how = "" if migration.transactional else ", outside of a transaction, statement by statement"
    yield f"\n{ink.bold(f'{migration.tag}.sql')} ({back}{how})"
    telling = [risk for risk in risks if risk.blocks is not Blocks.NOBODY or risk.rewrites is not False or risk.scans is not False]
    rows = [
        (
            str(risk.line),
            cut(risk.statement, _STATEMENT_SHOWN),
            risk.lock or ("none" if risk.lock == "" else "unknown"),
            Cell(risk.blocks or "unknown", _TONES[risk.blocks]),
            _work(risk),
        )
        for risk in telling
    ]
    if rows:
        yield table(ink, ("line", "statement", "lock", "who waits", "table is"), rows, empty="")
    quiet = len({risk.line for risk in risks} - {risk.line for risk in telling})
    more = "statements" if quiet > 1 else "statement"
    if quiet:
        yield ink.quiet(f"  {quiet} {'more ' if rows else ''}{more}: nobody waits, and no table is read whole")
    notes = dict.fromkeys(f"line {risk.line}: {risk.note}" for risk in telling if risk.note)
    yield from (f"  {ink.quiet(note)}" for note in notes)


def _work(risk: Risk) -> Cell:
    if risk.rewrites:
        return Cell("rewritten", Tone.BAD)
    if risk.scans:
        return Cell("read whole", Tone.WARN)
    if risk.rewrites is None or risk.scans is None:
        return Cell("unknown", Tone.BAD)
    return Cell("-", Tone.QUIET)


def _finding(ink: Ink, finding: LintFinding, accepted: tuple[str, ...]) -> str:
    place = f"{finding.rule}, line {finding.line}: {finding.message}"
    if finding.blocks and finding.rule not in accepted:
        return f"  {ink.tone(Tone.BAD, f'✘ {place}')}"
    return f"  {ink.tone(Tone.WARN, f'! {place}')}{' (accepted)' if finding.rule in accepted else ''}"


def _part(details: JsonValue, name: str, kind: type[tuple[T, ...]]) -> tuple[T, ...]:
    """Return a part of a plan's details; nothing for another runbook's plan."""
    found = details.get(name) if isinstance(details, dict) else None
    try:
        return TypeAdapter(kind).validate_python(found) if found else ()
    except ValidationError:
        return ()
