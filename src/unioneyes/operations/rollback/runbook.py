"""The flow of a rollback, which reads like its chapter."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.kernel.access import Right
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.operations.rollback.afterwards import after, planned_afterwards
from unioneyes.operations.rollback.model import Account, RollBackPlan, ServesAgain
from unioneyes.operations.rollback.reasons import spelled
from unioneyes.operations.rollback.rules import NoWay, way_back
from unioneyes.operations.rollback.steps import StillUnhealthy, end_maintenance, note_order, shift_traffic_back, stop_bad_replicas, verify_serving
from unioneyes.ports.environment import Environment
from unioneyes.ports.runs import RollBackTrafficRequest, RolledBack
from unioneyes.ports.traffic import Weights
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading
from unioneyes.runbook.steps import current_run


class NoWayBack(Refused):
    """There is no warm colour to go back to."""


@runbook(name="rollback.traffic", chapter="2. Rollback Procedures, option A", promise=timedelta(minutes=5), takes_over=True, right=Right.RESPOND)
class RollBackTraffic:
    """Send the members back to the colour that served before."""

    def plan(self, env: Environment, request: RollBackTrafficRequest) -> RollBackPlan:
        """Find the warm colour. Raises: NoWayBack."""
        replicas = env.replicas.all()
        found = way_back(env.traffic.view().weights, replicas, env.replicas.revisions())
        if isinstance(found, NoWay):
            raise NoWayBack(what=found.why, remedy=found.remedy)
        bad = next((replica.version for replica in replicas if replica.colour is found.colour.other), "unknown")
        good = found.version
        reason = spelled(request.reason)
        return RollBackPlan(
            summary=f"roll back from {bad} on {found.colour.other} to {good} on {found.colour}",
            steps=(
                note_order.planned(),
                shift_traffic_back.planned(commands=env.traffic.describe_shift(Weights.all_to(found.colour))),
                end_maintenance.planned(commands=env.traffic.describe_maintenance(on=False)),
                verify_serving.planned(commands=(f"curl {env.service.url()}/api/health",)),
                stop_bad_replicas.planned(commands=env.replicas.describe_stop(found.colour.other)),
                *planned_afterwards(env, account("RUN", bad=bad, good=good, reason=reason, deployment=request.deployment)),
            ),
            readings=tuple(Reading(name=replica.name, value=f"{replica.version}, ready") for replica in found.replicas),
            back_to=found.colour,
            version=good,
            away_from=bad,
            reason=reason,
            deployment=request.deployment,
        )

    def run(self, env: Environment, plan: RollBackPlan) -> RolledBack:
        """Traffic first, everything else afterwards."""
        run = current_run.get()
        deployment = plan.deployment or run.took_over_from
        ordered = note_order()
        shifted = shift_traffic_back(env.traffic, env.replicas, to=plan.back_to)
        end_maintenance(env.traffic)
        try:
            healthy: ServesAgain | Problem = verify_serving(env.service, version=plan.version)
        except StillUnhealthy as problem:  # people are told all the more
            healthy = problem
        else:
            stop_bad_replicas(env.replicas, colour=plan.back_to.other)
        at = healthy.at if isinstance(healthy, ServesAgain) else None
        done = after(
            env,
            account(run.run_id, bad=plan.away_from, good=plan.version, reason=plan.reason, deployment=deployment),
            ordered=ordered.at,
            healthy=at,
        )
        if isinstance(healthy, Problem):
            raise healthy
        return RolledBack(
            colour=plan.back_to,
            version=plan.version,
            reason=plan.reason,
            deployment=deployment,
            shifted_in=shifted.took,
            healthy_in=healthy.at - ordered.at,
            incident=done.incident,
            post_mortem_due=done.post_mortem_due,
            announced=done.announced,
            not_announced=done.not_announced,
        )


def account(run_id: str, *, bad: str, good: str, reason: str, deployment: str | None) -> Account:
    """Return what people are told when the members are sent from one release to another."""
    impact = f"some requests were answered by {bad}; all are sent to {good} again"
    return Account(run_id=run_id, deployment=deployment, bad=bad, good=good, reason=reason, impact=impact)
