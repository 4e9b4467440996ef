"""The flow of retention: backups that need not be kept any more are removed."""

from __future__ import annotations

from unioneyes.kernel.clock import now
from unioneyes.operations.database.backups.model import Pruned, PrunePlan, PruneRequest
from unioneyes.operations.database.backups.retention import fates
from unioneyes.operations.database.backups.steps import remove_backups
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading


@runbook(name="backup.prune", chapter='5. Database Operations, "Retention: 30 days"', locks=False)
class PruneBackups:
    """Remove backups that need not be kept any more; never the last proven one."""

    def plan(self, env: Environment, request: PruneRequest) -> PrunePlan:
        """Say of each backup what becomes of it, and why. Raises: StoreUnavailable."""
        del request
        found = fates(env.backups.all(), now(), env.facts.retention)
        going = [fate for fate in found if not fate.kept]
        return PrunePlan(
            summary=f"remove {len(going)} of {len(found)} backups",
            steps=(remove_backups.planned(commands=tuple(command for fate in going for command in env.backups.describe_delete(fate.name))),),
            readings=tuple(Reading(name=fate.name, value=f"{'kept' if fate.kept else 'removed'}: {fate.because}") for fate in found),
            fates=found,
        )

    def run(self, env: Environment, plan: PrunePlan) -> Pruned:
        """Remove what the plan names, as far as the policy still says so."""
        return remove_backups(env.backups, wanted=plan.fates, policy=env.facts.retention)
