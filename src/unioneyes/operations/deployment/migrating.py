"""The part of a deployment that changes the schema, whatever the strategy."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.operations.deployment.model import DeployPlan
from unioneyes.operations.deployment.steps import (
    apply_migrations,
    back_up_database,
    discard_scratch,
    enter_maintenance,
    leave_maintenance,
    rehearse_migrations,
    verify_backup,
    verify_previous_release,
)
from unioneyes.ports.environment import Environment
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.plan import PlannedStep

MAINTENANCE_RETRY_AFTER = timedelta(seconds=30)
"""What members are told while migrations run; most take less."""
BACKUP_NAME = "backup_$(date -u +%Y%m%d_%H%M%S)"
"""As the document types it; the run puts in the time of its start, so that two plans of the same deployment are equal."""


def migrate(env: Environment, plan: DeployPlan, backup: str, *, serving: Colour | None) -> None:
    """The schema is the new release's, tried on a proven copy first, and the release that serves can live with it."""
    back_up_database(env.backups, name=backup)
    verify_backup(env.backups, name=backup)
    rehearse_migrations(
        env.migrations,
        env.backups,
        env.replicas,
        env.service,
        version=plan.version,
        previous=plan.previous,
        pending=plan.migrations,
        backup=backup,
        ready_within=plan.ready_within,
    )
    discard_scratch(env.backups, name=backup)
    if plan.maintenance:
        enter_maintenance(env.traffic, retry_after=MAINTENANCE_RETRY_AFTER)
    apply_migrations(env.migrations, pending=plan.migrations)
    if serving and plan.previous:
        verify_previous_release(env.service, colour=serving, version=plan.previous)
    if plan.maintenance:
        leave_maintenance(env.traffic, retry_after=MAINTENANCE_RETRY_AFTER)


def planned_migration(env: Environment, plan: DeployPlan) -> tuple[PlannedStep, ...]:
    """Return the same as lines of a plan."""
    pending = plan.migrations
    steps = [
        back_up_database.planned(commands=env.backups.describe_create(BACKUP_NAME)),
        verify_backup.planned(commands=env.backups.describe_verify(BACKUP_NAME)),
        rehearse_migrations.planned(commands=(*env.migrations.describe_apply(pending), *env.migrations.describe_roll_back(pending))),
        discard_scratch.planned(),
    ]
    if plan.maintenance:
        steps.append(enter_maintenance.planned(commands=env.traffic.describe_maintenance(on=True), undo=env.traffic.describe_maintenance(on=False)))
    steps.append(apply_migrations.planned(commands=env.migrations.describe_apply(pending), undo=env.migrations.describe_roll_back(pending)))
    if plan.live:
        steps.append(verify_previous_release.planned(commands=env.service.describe_smoke(plan.live)))
    if plan.maintenance:
        steps.append(leave_maintenance.planned(commands=env.traffic.describe_maintenance(on=False)))
    return tuple(steps)
