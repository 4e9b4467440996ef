"""The flow of a base backup: made, verified, and what nobody needs any more removed."""

from __future__ import annotations

from unioneyes.kernel.access import Right
from unioneyes.kernel.clock import now
from unioneyes.kernel.units import format_bytes
from unioneyes.operations.database.recovery.model import BaseMade, BasePlan, BaseRequest
from unioneyes.operations.database.recovery.steps import make_base, remove_surplus
from unioneyes.ports.environment import Environment
from unioneyes.ports.recovery import NoParent
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading


@runbook(name="backup.base", chapter='5. Database Operations, "Point-in-Time Recovery"', locks=False, right=Right.RESPOND)
class MakeBase:
    """Copy the server's files, from which one recovers to any moment since; and remove what the window needs no more."""

    def plan(self, env: Environment, request: BaseRequest) -> BasePlan:
        """Find what there is. Raises: NoParent, DatabaseUnavailable."""
        name = request.name or f"base_{now():%Y%m%d_%H%M%S}"
        bases, surplus = env.recovery.bases(), env.recovery.prunable()
        if request.incremental and not bases:
            raise NoParent(what="there is no base backup that this one could hold the changes since", remedy="make a whole one first: ue backup base")
        _, free = env.recovery.room()
        since = f", with the changes since {bases[0].name}" if request.incremental else ""
        return BasePlan(
            summary=f"make the base backup {name}{since}",
            steps=(
                make_base.planned(commands=env.recovery.describe_back_up(name, incremental=request.incremental)),
                remove_surplus.planned(commands=env.recovery.describe_prune()),
            ),
            readings=(
                Reading(name="base backups", value=f"{len(bases)}, the newest {bases[0].name}" if bases else "none"),
                Reading(name="room", value=f"{format_bytes(free)} free"),
                Reading(name="surplus", value=f"{', '.join(surplus.bases) or 'no base backup'}, {surplus.segments} segments of the log"),
            ),
            name=name,
            incremental=request.incremental,
        )

    def run(self, env: Environment, plan: BasePlan) -> BaseMade:
        """Make it; only then is anything removed."""
        made = make_base(env.recovery, name=plan.name, incremental=plan.incremental)
        return BaseMade(base=made, pruned=remove_surplus(env.recovery))
