"""Option B in place: replicas of an earlier revision are put back, one after the other, on the colour that serves."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from unioneyes.kernel.access import Right
from unioneyes.kernel.problems import Problem
from unioneyes.operations.rollback.afterwards import after, planned_afterwards
from unioneyes.operations.rollback.model import Account, RollBackRollingPlan, ServesAgain
from unioneyes.operations.rollback.reasons import spelled
from unioneyes.operations.rollback.release import StillWarm, require_fit
from unioneyes.operations.rollback.rolling_steps import find_way_back, roll_back_replicas
from unioneyes.operations.rollback.rules import NoWay, WayBack, back_from_roll, way_back
from unioneyes.operations.rollback.runbook import NoWayBack
from unioneyes.operations.rollback.steps import StillUnhealthy, end_maintenance, note_order, stop_bad_replicas, verify_serving
from unioneyes.ports.environment import Environment
from unioneyes.ports.runs import RollBackRollingRequest, RolledBack
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading
from unioneyes.runbook.steps import current_run


@runbook(name="rollback.rolling", chapter="2. Rollback Procedures, option B", promise=timedelta(minutes=5), takes_over=True, right=Right.RESPOND)
class RollBackRolling:
    """Put replicas of the version that served before back, one after the other."""

    def plan(self, env: Environment, request: RollBackRollingRequest) -> RollBackRollingPlan:
        """Find the revision. Raises: NoWayBack, StillWarm, SchemaTooOld, CanNotRoll; nothing was changed."""
        weights, replicas = env.traffic.view().weights, env.replicas.all()
        live = weights.live
        if live is None:
            raise NoWayBack(what="nothing serves, so there is nothing to go back from", remedy="ue release list, then ue deploy start")
        if weights.split:
            raise NoWayBack(what="members are split between both colours, and not between replicas of one", remedy="ue rollback traffic")
        rolling, revisions = env.replicas.rolling(live), env.replicas.revisions()
        serving = next((replica.version for replica in replicas if replica.colour is live), "unknown")
        found = back_from_roll(revisions, rolling, serving, to=request.to, began=None)
        if isinstance(found, NoWay):
            raise NoWayBack(what=found.why, remedy=found.remedy)
        warm = way_back(weights, replicas, revisions)
        if isinstance(warm, WayBack) and warm.version == found.version and request.to is None:
            raise StillWarm(what=f"{warm.version} stands ready on {warm.colour}: no release needs to be started", remedy="ue rollback traffic")
        require_fit(env, found.version)
        plan = RollBackRollingPlan(
            summary=f"roll back from {found.away_from} to {found.version} (revision {found.revision}) on {live}, replica by replica",
            steps=(),
            readings=tuple(Reading(name=replica.name, value=f"{replica.version}, {'ready' if replica.ready else 'not ready'}") for replica in replicas),
            colour=live,
            version=found.version,
            revision=found.revision,
            away_from=found.away_from,
            serving=serving,
            to=request.to,
            reason=spelled(request.reason),
            deployment=request.deployment,
        )
        steps = (
            note_order.planned(),
            find_way_back.planned(),
            roll_back_replicas.planned(commands=env.replicas.describe_roll(live, version=found.version, configuration=found.configuration)),
            end_maintenance.planned(commands=env.traffic.describe_maintenance(on=False)),
            verify_serving.planned(commands=(f"curl {env.service.url()}/api/health",)),
            stop_bad_replicas.planned(commands=env.replicas.describe_stop(live.other)),
            *planned_afterwards(env, _account("RUN", plan, plan.away_from, plan.version, None)),
        )
        return replace(plan, steps=steps)

    def run(self, env: Environment, plan: RollBackRollingPlan) -> RolledBack:
        """Replicas first, everything else afterwards.

        A roll that is found under way goes back to what stood before it, whatever was planned: between the plan and now it may have begun, or ended.
        """
        run = current_run.get()
        deployment = plan.deployment or run.took_over_from
        ordered = note_order()
        found = find_way_back(env.traffic, env.replicas, colour=plan.colour, serving=plan.serving, to=plan.to, deployment=deployment)
        if found.back is None:
            raise NoWayBack(what=found.why_not, remedy=found.remedy)
        back = found.back
        rolled = roll_back_replicas(env.replicas, colour=plan.colour, version=back.version, configuration=back.configuration)
        end_maintenance(env.traffic)
        try:
            healthy: ServesAgain | Problem = verify_serving(env.service, version=back.version)
        except StillUnhealthy as problem:  # people are told all the more
            healthy = problem
        stop_bad_replicas(env.replicas, colour=plan.colour.other)  # what was tried there, or was compared with: no member is sent to it
        told = _account(run.run_id, plan, back.away_from, back.version, deployment)
        done = after(env, told, ordered=ordered.at, healthy=healthy.at if isinstance(healthy, ServesAgain) else None)
        if isinstance(healthy, Problem):
            raise healthy
        return RolledBack(
            colour=plan.colour,
            version=back.version,
            reason=plan.reason,
            deployment=deployment,
            shifted_in=rolled.took,
            healthy_in=healthy.at - ordered.at,
            incident=done.incident,
            post_mortem_due=done.post_mortem_due,
            announced=done.announced,
            not_announced=done.not_announced,
            bad_since=back.bad_since,
        )


def _account(run_id: str, plan: RollBackRollingPlan, bad: str, good: str, deployment: str | None) -> Account:
    impact = f"some requests were answered by {bad}; every replica runs {good} again"
    return Account(run_id=run_id, deployment=deployment, bad=bad, good=good, reason=plan.reason, impact=impact)
