"""The flow of a recovery: found in the log, recovered beside, and brought over into a new database, or left to be looked into."""

from __future__ import annotations

from unioneyes.kernel.units import format_bytes
from unioneyes.operations.database.recovery.model import Brought, PitrPlan, PitrRequest
from unioneyes.operations.database.recovery.rules import read_target, readings, require_use
from unioneyes.operations.database.recovery.steps import bring_over, end_scratch, recover_beside
from unioneyes.ports.environment import Environment
from unioneyes.ports.recovery import RecoveryFailed
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading

INSPECTED = "inspected"
"""What the scratch server is called that is left running: there is one at a time."""


@runbook(name="backup.pitr", chapter='5. Database Operations, "Point-in-Time Recovery"', locks=False)
class RecoverToPoint:
    """Bring back what was committed up to a moment, or before a transaction, beside the live database."""

    def plan(self, env: Environment, request: PitrRequest) -> PitrPlan:
        """Find the base backup, the log and the target. Raises: BadTarget, OutsideWindow, NoSuchTransaction, NoSuchDrop, DatabaseExists, RecoveryFailed."""
        target = read_target(request)
        require_use(request, live=env.facts.database)
        if request.into is not None:
            env.recovery.require_absent(request.into)
        point = env.recovery.find(target)
        needed, free = env.recovery.room()
        if free < needed:
            raise RecoveryFailed(what=f"a recovery takes {format_bytes(needed)}, and there are {format_bytes(free)} free", remedy="make room, and try again")
        name = INSPECTED if request.inspect else f"to_{request.into}"
        copied = env.recovery.describe_recover(name, point)
        return PitrPlan(
            summary=f"recover {env.facts.database} to {point.said}, from {point.base} and {point.segments} segments of the log" + _becomes(request),
            steps=(
                recover_beside.planned(commands=copied),
                *(
                    (bring_over.planned(commands=env.recovery.describe_export(name, into=request.into, table=request.table), undo=(f"dropdb {request.into}",)),)
                    if request.into
                    else ()
                ),
                *(() if request.inspect else (end_scratch.planned(),)),
            ),
            readings=(*readings(env.recovery.wal()), Reading(name="room", value=f"{format_bytes(free)} free, {format_bytes(needed)} needed")),
            name=name,
            point=point,
            into=request.into,
            table=request.table,
            inspect=request.inspect,
        )

    def run(self, env: Environment, plan: PitrPlan) -> Brought:
        """Recover beside, and bring over."""
        recovered = recover_beside(env.recovery, name=plan.name, point=plan.point)
        exported = bring_over(env.recovery, name=plan.name, point=plan.point, into=plan.into, table=plan.table) if plan.into else None
        if not plan.inspect:
            end_scratch(env.recovery, name=plan.name)
        return Brought(point=plan.point, recovered=recovered, exported=exported, kept=plan.inspect)


def _becomes(request: PitrRequest) -> str:
    into = f", into {request.into}" if request.into else ""
    table = f" ({request.table} alone)" if request.table else ""
    return f"{into}{table}{'; the scratch server runs on' if request.inspect else ''}"
