"""What squawk says about a migration, told what our runner guarantees; and which of it blocks a deployment."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from unioneyes.adapters.postgres.backfill import UnfitBackfill, backfills
from unioneyes.adapters.postgres.statements import first_refused
from unioneyes.adapters.postgres.words import unnamed
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.variables import handed_on
from unioneyes.ports.database import LintFinding, Migration

_LIMIT = timedelta(seconds=30)

MOOT: Final = (
    "prefer-robust-stmts",  # the runner applies everything in one transaction, or knows which statement comes next: nothing has to be stepped over
    "require-timeout-settings",  # the runner sets lock_timeout and statement_timeout itself
    "require-lock-timeout",
    "require-statement-timeout",
)
"""Rules that the runner's own guarantees answer."""

HOLDS_MEMBERS_UP: Final = frozenset(
    {
        "adding-field-with-default",
        "adding-foreign-key-constraint",
        "adding-not-nullable-field",
        "adding-serial-primary-key-field",
        "changing-column-type",
        "constraint-missing-not-valid",
        "disallowed-unique-constraint",
        "require-concurrent-index-creation",
        "require-concurrent-index-deletion",
        "require-concurrent-partition-detach",
        "require-concurrent-reindex",
    }
)
"""Rules about locks held while a table is read or rewritten. They block, unless the migration says that it needs maintenance: nobody is served then."""

ALWAYS_BLOCKS: Final = frozenset(
    {
        "adding-required-field",
        "ban-concurrent-index-creation-in-transaction",
        "ban-drop-database",
        "ban-truncate-cascade",
        "ban-uncommitted-transaction",
        "syntax-error",
        "transaction-nesting",
        "ue-unfit-backfill",
        "ue-unfit-for-transaction",
        "ue-unnamed-index",
    }
)
"""Rules about what fails on data, ends the runner's transaction, or destroys more than it says. What breaks the previous release is found by running it."""


class LintUnavailable(Problem):
    """The migrations could not be linted, so nobody knows whether they are safe."""


class _Violation(BaseModel):
    model_config = ConfigDict(frozen=True)

    file: str
    line: int
    """0-based."""
    message: str
    help: str | None
    rule_name: str


_VIOLATIONS = TypeAdapter(tuple[_Violation, ...])


def blocks(rule: str, *, needs_maintenance: bool) -> bool:
    """Return True when a finding of `rule` stops a deployment."""
    return rule in ALWAYS_BLOCKS or (rule in HOLDS_MEMBERS_UP and not needs_maintenance)


def lint(migrations: tuple[Migration, ...]) -> tuple[LintFinding, ...]:
    """Return what is dangerous in `migrations`, in their order. Raises: LintUnavailable."""
    if not migrations:
        return ()
    with TemporaryDirectory(prefix="ue-lint-") as made:
        folder = Path(made)
        names = {f"{place:04d}.sql": migration for place, migration in enumerate(migrations)}
        for name, migration in names.items():
            (folder / name).write_text(migration.sql, newline="")
        violations = (
            *_squawk(folder, tuple(name for name, migration in names.items() if migration.transactional), "--assume-in-transaction"),
            *_squawk(folder, tuple(name for name, migration in names.items() if not migration.transactional)),
        )
    findings = [_finding(names[Path(violation.file).name], violation) for violation in violations]
    order = {migration.tag: place for place, migration in enumerate(migrations)}
    return tuple(sorted([*findings, *_unfit(migrations)], key=lambda finding: (order[finding.tag], finding.line, finding.rule)))


def _finding(migration: Migration, violation: _Violation) -> LintFinding:
    rule = violation.rule_name
    return LintFinding(
        tag=migration.tag,
        rule=rule,
        line=violation.line + 1,
        message=" ".join(part for part in (violation.message, violation.help) if part),
        blocks=blocks(rule, needs_maintenance=migration.needs_maintenance),
    )


def _unfit(migrations: tuple[Migration, ...]) -> list[LintFinding]:
    """Return a finding for each migration that the runner would refuse."""
    unfit = [(migration, first_refused(migration.sql)) for migration in migrations]
    return (
        [
            LintFinding(
                tag=migration.tag,
                rule="ue-unfit-for-transaction",
                line=statement.line,
                message=f"`{statement.words}` can't stand in a migration: it begins or ends a transaction, or is not about this database.",
                blocks=True,
            )
            for migration, statement in unfit
            if statement is not None
        ]
        + [
            LintFinding(
                tag=migration.tag,
                rule="ue-unnamed-index",
                line=line,
                message="An index that is built CONCURRENTLY needs a name: else nobody finds what a failed attempt left.",
                blocks=True,
            )
            for migration in migrations
            for line in unnamed(migration.sql)
        ]
        + [
            LintFinding(tag=migration.tag, rule="ue-unfit-backfill", line=1, message=f"{said}.", blocks=True)
            for migration in migrations
            if (said := _unfit_backfill(migration.sql)) is not None
        ]
    )


def _unfit_backfill(script: str) -> str | None:
    """Return why what is to be done in batches can't be; None where all can."""
    try:
        backfills(script)
    except UnfitBackfill as problem:
        return problem.what.partition("; nothing")[0]
    return None


def _squawk(folder: Path, names: tuple[str, ...], *how: str) -> tuple[_Violation, ...]:
    if not names:
        return ()
    program = shutil.which("squawk", path=str(Path(sys.executable).parent)) or shutil.which("squawk")
    if program is None:
        raise LintUnavailable(what="squawk is not installed here, so the migrations can't be linted", remedy="pip install 'unioneyes[database]'")
    (folder / "squawk.toml").touch()  # given, so that no file of the caller's folder changes what blocks
    argv = [program, "--config", "squawk.toml", "--reporter", "json", *how, "--exclude", ",".join(MOOT), *names]
    try:
        done = subprocess.run(argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT.total_seconds(), check=False, env=handed_on())
        return _VIOLATIONS.validate_json(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValidationError) as error:
        raise LintUnavailable(what=f"squawk could not lint the migrations: {type(error).__name__}", remedy="run squawk on the files by hand") from None
