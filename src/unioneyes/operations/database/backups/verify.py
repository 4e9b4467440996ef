"""The flow of a proof: a backup that is there already is restored and compared."""

from __future__ import annotations

from unioneyes.kernel.access import Right
from unioneyes.operations.database.backups.model import VerifyPlan, VerifyRequest
from unioneyes.operations.database.backups.rules import named, spoken_proof
from unioneyes.operations.database.backups.steps import end_scratch_server, prove_by_restoring
from unioneyes.ports.database import BackupVerified
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading


@runbook(name="backup.verify", chapter='5. Database Operations, "Backup and Restore"', locks=False, right=Right.RESPOND)
class VerifyBackup:
    """Prove a backup: restore it into a scratch server, and compare every table."""

    def plan(self, env: Environment, request: VerifyRequest) -> VerifyPlan:
        """Find the backup. Raises: NoSuchBackup, NotProvable, StoreUnavailable."""
        backup = named(request.name, env.backups.all())
        return VerifyPlan(
            summary=f"prove {backup.name}: {backup.tables} tables, {backup.rows:,} rows",
            steps=(
                prove_by_restoring.planned(commands=env.backups.describe_verify(backup.name)),
                end_scratch_server.planned(),
            ),
            readings=(Reading(name=backup.name, value=spoken_proof(backup)),),
            name=backup.name,
        )

    def run(self, env: Environment, plan: VerifyPlan) -> BackupVerified:
        """Restore and compare."""
        verified = prove_by_restoring(env.backups, name=plan.name)
        end_scratch_server(env.backups, name=plan.name)
        return verified
