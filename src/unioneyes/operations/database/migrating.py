"""The flow of migrations without a deployment: what the ledger lacks of a release's folder is applied, beneath whoever serves."""

from __future__ import annotations

from dataclasses import replace

from unioneyes.operations.database.migrating_lint import lint_gate, require_found, without_way_back
from unioneyes.operations.database.migrating_model import Migrated, MigratePlan, MigrateRequest
from unioneyes.operations.database.migrating_rules import require_served, serving, size_readings, tables_of
from unioneyes.operations.database.migrating_steps import (
    apply_pending,
    back_up_first,
    check_lint,
    check_still_pending,
    discard_restored_copy,
    prove_backup_first,
    verify_served_release,
)
from unioneyes.ports.database import Migration, contents
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import PlannedStep

BACKUP_NAME = "before_migration_$(date -u +%Y%m%d_%H%M%S)"
"""The run puts in the time of its start, so that two plans of the same migrations are equal."""


@runbook(name="database.migrate", chapter="1. Production Deployment Steps, 2. Database Migration, without a deployment")
class Migrate:
    """Apply a release's migrations, without deploying it."""

    def plan(self, env: Environment, request: MigrateRequest) -> MigratePlan:
        """Find what the ledger lacks, and what it would do to whoever is served. Raises: UnknownVersion, MigrationDrift, NeedsMaintenance, UnknownRule."""
        env.releases.get(request.version)
        pending = env.migrations.pending(request.version)
        require_served(pending, request.version)
        findings = (*env.migrations.lint(pending), *without_way_back(pending))
        require_found(findings, request.accept)
        risks = env.migrations.risks(pending)
        plan = MigratePlan(
            summary=_summary(request, pending),
            steps=(),
            readings=size_readings(env.migrations.sizes(tables_of(risks))),
            content=contents(pending),
            version=request.version,
            migrations=pending,
            risks=risks,
            findings=findings,
            accepted=request.accept,
            gates=(lint_gate(findings, request.accept),) if pending else (),
            losses=env.migrations.losses(pending, counted=False),
            backup=request.backup,
            serving=serving(env.traffic.view().weights, env.replicas.all()),
            reason=request.reason,
        )
        return replace(plan, steps=_steps(env, plan))

    def run(self, env: Environment, plan: MigratePlan) -> Migrated:
        """Back up where asked, apply, and see whether who serves can live with it."""
        tags = tuple(migration.tag for migration in plan.migrations)
        check_lint(findings=plan.findings, accepted=plan.accepted)
        began = check_still_pending(env.migrations, env.traffic, env.replicas, version=plan.version, tags=tags, wanted=plan.serving)
        backup = f"before_migration_{began:%Y%m%d_%H%M%S}" if plan.backup and tags else None
        if backup is not None:
            back_up_first(env.backups, name=backup)
            prove_backup_first(env.backups, name=backup)
            discard_restored_copy(env.backups, name=backup)
        done = apply_pending(env.migrations, pending=plan.migrations)
        if tags:
            verify_served_release(env.service, wanted=plan.serving)
        return Migrated(version=plan.version, migrations=done.tags, backup=backup, took=done.took, waited_for_locks=done.waited_for_locks, ledger=done.ledger)


def _summary(request: MigrateRequest, pending: tuple[Migration, ...]) -> str:
    if not pending:
        return f"apply nothing: the schema holds all that {request.version} needs"
    tags = ", ".join(migration.tag for migration in pending)
    return f"apply {tags} for {request.version}, {'after a proven backup' if request.backup else 'with no backup taken before'}"


def _steps(env: Environment, plan: MigratePlan) -> tuple[PlannedStep, ...]:
    pending = plan.migrations
    forward, back = env.migrations.describe_apply(pending), env.migrations.describe_roll_back(pending)
    backing_up = (
        back_up_first.planned(commands=env.backups.describe_create(BACKUP_NAME)),
        prove_backup_first.planned(commands=env.backups.describe_verify(BACKUP_NAME)),
        discard_restored_copy.planned(),
    )
    smoke = tuple(command for one in plan.serving for command in env.service.describe_smoke(one.colour))
    return (
        check_lint.planned(),
        check_still_pending.planned(),
        *(backing_up if plan.backup and pending else ()),
        apply_pending.planned(commands=forward, undo=back),
        *((verify_served_release.planned(commands=smoke),) if pending else ()),
    )
