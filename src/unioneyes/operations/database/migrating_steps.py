"""The side effects of migrating without a deployment."""

from __future__ import annotations

from datetime import datetime, timedelta

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.operations.database.migrating_lint import require_accepted
from unioneyes.operations.database.migrating_model import Served
from unioneyes.operations.database.migrating_rules import serving
from unioneyes.ports.database import Backup, Backups, BackupVerified, LintFinding, Migration, Migrations, MigrationsApplied
from unioneyes.ports.replicas import Replicas
from unioneyes.ports.service import Service
from unioneyes.ports.traffic import Traffic
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import progress, step

SMOKE_WITHIN = timedelta(seconds=60)
LONGEST_MIGRATION = timedelta(hours=6)


class PlanOutdated(Refused):
    """The database is not what the plan was made for; nothing was changed."""


class ServedBroken(Problem):
    """The release that serves does not work on the new schema."""


@step(effect=Effect.READ)
def check_lint(*, findings: tuple[LintFinding, ...], accepted: tuple[str, ...]) -> None:
    """Nothing of the migrations is stopped by the lint, but for rules that were accepted by name."""
    require_accepted(findings, accepted)


@step(effect=Effect.READ)
def check_still_pending(
    migrations: Migrations, traffic: Traffic, replicas: Replicas, *, version: str, tags: tuple[str, ...], wanted: tuple[Served, ...]
) -> datetime:
    """The database lacks what the plan saw, and who serves is whom it was made for; the moment is noted, after which a backup is named."""
    missing, there = tuple(migration.tag for migration in migrations.pending(version)), serving(traffic.view().weights, replicas.all())
    if missing != tags or there != wanted:
        served = ", ".join(f"{one.version} on {one.colour}" for one in there) or "nothing"
        raise PlanOutdated(
            what=f"the database lacks {', '.join(missing) or 'nothing'} by now, and {served} serves; the plan was made for something else",
            remedy=f"ue db migrate apply {version} makes a new plan",
        )
    return now()


@step(effect=Effect.CHANGE, time_limit=LONGEST_MIGRATION)
def back_up_first(backups: Backups, *, name: str) -> Backup:
    """A backup exists of the database as it was before the migrations."""
    return backups.create(name)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def discard_restored_copy(backups: Backups, *, name: str) -> None:
    """The restored copy is gone; the backup stays."""
    backups.discard_scratch(name)


@step(effect=Effect.CHANGE, undo=discard_restored_copy, time_limit=LONGEST_MIGRATION)
def prove_backup_first(backups: Backups, *, name: str) -> BackupVerified:
    """The backup is proven: restored into a scratch server, and equal to the source in the dump's own snapshot."""
    return backups.verify(name)


@step(effect=Effect.CHANGE, time_limit=LONGEST_MIGRATION)
def take_back_applied(migrations: Migrations, *, pending: tuple[Migration, ...]) -> MigrationsApplied:
    """The schema and the ledger are as before the run."""
    return migrations.roll_back(pending)


@step(effect=Effect.CHANGE, undo=take_back_applied, time_limit=LONGEST_MIGRATION)
def apply_pending(migrations: Migrations, *, pending: tuple[Migration, ...]) -> MigrationsApplied:
    """The migrations stand in the schema and in the ledger.

    Source: Production Deployment Steps, 2.
    """
    return migrations.apply(pending, meanwhile=progress)


@step(effect=Effect.READ, time_limit=timedelta(minutes=5))
def verify_served_release(service: Service, *, wanted: tuple[Served, ...]) -> datetime:
    """Who serves passes its smoke tests on the new schema."""
    for one in wanted:
        report = service.smoke(via=one.colour, within=SMOKE_WITHIN)
        if not report.passed:
            wrong = "; ".join(f"{check.name}: {check.detail}" for check in report.failures) or "no flow ran"
            raise ServedBroken(
                what=f"{one.version} fails on the new schema: {wrong}", remedy="the migrations are taken back; mend them, and release them under a new version"
            )
    return now()
