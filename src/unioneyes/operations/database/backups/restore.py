"""The flow of a restore beside: a backup stands in a new database, to be looked at or copied from. The live one is not touched."""

from __future__ import annotations

from unioneyes.operations.database.backups.model import RestoredInto, RestoreIntoPlan, RestoreIntoRequest
from unioneyes.operations.database.backups.rules import named, require_beside, require_proven, room_readings
from unioneyes.operations.database.backups.steps import check_new, restore_into
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook


@runbook(name="backup.restore", chapter='5. Database Operations, "Point-in-Time Recovery"', locks=False)
class RestoreInto:
    """Restore a backup into a new database beside the live one."""

    def plan(self, env: Environment, request: RestoreIntoRequest) -> RestoreIntoPlan:
        """Find the backup, and room for it. Raises: LiveDatabase, NoSuchBackup, NotProven, DatabaseExists, NoRestoreRole, DatabaseUnavailable."""
        require_beside(request.into, env.facts.database)
        backup = named(request.name, env.backups.all())
        require_proven(backup)
        env.restores.require_new(database=request.into)
        return RestoreIntoPlan(
            summary=f"restore {backup.name} of {backup.taken_at:%Y-%m-%d %H:%M} UTC into the new database {request.into}",
            steps=(
                check_new.planned(),
                restore_into.planned(
                    commands=env.restores.describe_restore_beside(backup.name, beside=request.into), undo=(env.restores.describe_drop(request.into),)
                ),
            ),
            readings=room_readings(env.restores.room()),
            backup=backup.name,
            into=request.into,
        )

    def run(self, env: Environment, plan: RestoreIntoPlan) -> RestoredInto:
        """Restore it, and compare it with its manifest."""
        check_new(env.restores, into=plan.into)
        done = restore_into(env.restores, backup=plan.backup, into=plan.into)
        return RestoredInto(
            backup=plan.backup,
            database=done.database,
            tables=done.tables,
            rows=done.rows,
            took=done.took,
            drop=env.restores.describe_drop(plan.into),
        )
