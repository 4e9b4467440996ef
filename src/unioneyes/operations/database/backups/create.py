"""The flow of a backup: made, and proven."""

from __future__ import annotations

from unioneyes.kernel.access import Right
from unioneyes.kernel.clock import now
from unioneyes.operations.database.backups.model import BackedUp, CreatePlan, CreateRequest
from unioneyes.operations.database.backups.rules import new_name, room_readings
from unioneyes.operations.database.backups.steps import end_scratch_server, make_backup, prove_by_restoring
from unioneyes.operations.database.backups.views import why_unprovable
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook


@runbook(name="backup.create", chapter='5. Database Operations, "Daily Backup (Automated)"', locks=False, right=Right.RESPOND)
class CreateBackup:
    """Back the database up, and prove the backup by restoring it."""

    def plan(self, env: Environment, request: CreateRequest) -> CreatePlan:
        """Find a name, and whether it can be proven here. Raises: NameTaken, DatabaseUnavailable, StoreUnavailable."""
        name = new_name(request.name, now(), env.backups.all())
        unproven = f"--no-verify: nobody has restored it; ue backup verify {name} does" if request.no_verify else why_unprovable(env.backups)
        prove = unproven is None
        return CreatePlan(
            summary=f"back {env.facts.database} up as {name}, " + ("and prove it" if prove else "unproven"),
            steps=(
                make_backup.planned(commands=env.backups.describe_create(name)),
                *(
                    (
                        prove_by_restoring.planned(commands=env.backups.describe_verify(name)),
                        end_scratch_server.planned(),
                    )
                    if prove
                    else ()
                ),
            ),
            readings=room_readings(env.backups.room()),
            name=name,
            prove=prove,
            unproven_because=unproven,
        )

    def run(self, env: Environment, plan: CreatePlan) -> BackedUp:
        """Make it, and prove it where that was planned."""
        backup = make_backup(env.backups, name=plan.name)
        verified = None
        if plan.prove:
            verified = prove_by_restoring(env.backups, name=plan.name)
            end_scratch_server(env.backups, name=plan.name)
        return BackedUp(backup=backup, verified=verified, unproven_because=plan.unproven_because)
