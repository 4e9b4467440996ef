"""Rolling: replicas of the new version are put in the place of the old ones, one after the other, on the colour that serves.

Nothing is left to switch back to: the way back is to roll back. What the new version is compared with are the old one's replicas beside it while some are
left, and then one more of them, where no member is sent.
"""

from __future__ import annotations

from dataclasses import replace

from unioneyes.kernel.problems import Problem
from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.model import ALL, DeployPlan, Receipt, Started
from unioneyes.operations.deployment.rolling_steps import end_trial, end_witness, roll_replicas, start_witness
from unioneyes.operations.deployment.standing import Stood, TakenBack, receipt, watched
from unioneyes.operations.deployment.steps import apply_migrations, hold, smoke_test, start_replicas, verify_deployment, watch_release
from unioneyes.operations.deployment.vigil import RoutesChanged
from unioneyes.ports.environment import Environment, NoData
from unioneyes.ports.replicas import NoReadyReplica
from unioneyes.ports.runs import RollBackRollingRequest, RolledBack
from unioneyes.runbook.definition import run_child
from unioneyes.runbook.plan import Effect, PlannedStep
from unioneyes.runbook.steps import current_run, settle
from unioneyes.runbook.views import Decision


def roll_over(env: Environment, plan: DeployPlan, started: Started) -> Receipt:
    """Every replica runs the new version, or the old one again. Raises: RoutesChanged."""
    aside, (previous, way_back) = plan.colour.other, _before(plan)
    start_replicas(
        env.replicas,
        env.releases,
        colour=aside,
        version=plan.version,
        digest=plan.digest,
        configuration=plan.configuration,
        count=1,
        within=plan.ready_within,
    )
    smoke_test(env.service, colour=aside, version=plan.version)
    end_trial(env.replicas, colour=aside)
    settle(apply_migrations)  # as with blue-green: from the first member on
    holds = plan.hold
    for share in plan.shares:
        rolled = roll_replicas(
            env.replicas,
            env.releases,
            env.traffic,
            colour=plan.colour,
            version=plan.version,
            digest=plan.digest,
            configuration=plan.configuration,
            share=share,
            count=plan.replicas,
            within=plan.ready_within,
            previous=previous,
            way_back=way_back,
        )
        watches = plan
        if share == ALL:
            try:
                start_witness(env.replicas, colour=aside, version=previous, configuration=way_back, within=plan.ready_within)
            except NoReadyReplica:  # the new version is judged by itself then: going back to what does not start would help nobody
                watches = replace(plan, previous=None)
        try:
            stood = watched(env, watches, rolled, holds=holds and share < ALL)
        except (RoutesChanged, TakenBack):
            raise
        except Problem as problem:  # with members on the new version, nothing known is no reason to stay
            stood = Stood(harm=problem.what)
        if stood.harm is not None:
            return _roll_back(env, plan, started, stood.harm)
        holds = holds and stood.decision is not Decision.SKIP
    settle(start_replicas)
    settle(roll_replicas)  # whatever fails from here on must not change what members are on
    end_witness(env.replicas, colour=aside)
    return receipt(env, plan, started, RunStatus.DONE, f"{plan.version} serves all traffic on {plan.colour}")


def _roll_back(env: Environment, plan: DeployPlan, started: Started, reason: str) -> Receipt:
    """The old version serves again, where the person did not forbid it."""
    if not plan.auto_rollback:
        return receipt(env, plan, started, RunStatus.FAILED, f"FAILED, STILL SERVING: {reason}; go back with: ue rollback rolling")
    run_child("rollback.rolling", RollBackRollingRequest(reason=reason, deployment=current_run.get().run_id), RolledBack)
    return receipt(env, plan, started, RunStatus.UNDONE, f"FAILED - ROLLED BACK: {reason}")


def _before(plan: DeployPlan) -> tuple[str, dict[str, str]]:
    """Return the version that serves, and its settings: a first release has no plan that rolls."""
    return plan.previous or "nothing", plan.way_back or {}


def planned_roll(env: Environment, plan: DeployPlan) -> tuple[PlannedStep, ...]:
    """Return the same as lines of a plan: in the order of the run, both arms where a verdict decides. Raises: CanNotRoll."""
    aside, (previous, way_back) = plan.colour.other, _before(plan)
    forwards = env.replicas.describe_roll(plan.colour, version=plan.version, configuration=plan.configuration)
    backwards = env.replicas.describe_roll(plan.colour, version=previous, configuration=way_back)
    stop_aside = env.replicas.describe_stop(aside)
    steps = [
        start_replicas.planned(
            commands=env.replicas.describe_start(aside, version=plan.version, count=1, configuration=plan.configuration),
            undo=stop_aside,
            detail="one, to try it",
        ),
        smoke_test.planned(commands=env.service.describe_smoke(aside)),
        end_trial.planned(commands=stop_aside),
    ]
    for share in plan.shares:
        detail = f"{share} %"
        steps.append(roll_replicas.planned(commands=forwards, undo=backwards, detail=detail))
        if share == ALL:
            witness = env.replicas.describe_start(aside, version=previous, count=1, configuration=way_back)
            steps.append(start_witness.planned(commands=witness))
        steps.append(watch_release.planned(detail=detail, lasts=plan.bake if share == ALL else plan.canary_bake))
        if share < ALL and plan.hold:
            steps.append(hold.planned(detail=detail, when="the verdict is keep"))
    steps.append(verify_deployment.planned(commands=env.service.describe_smoke(), when="the verdict is keep"))
    steps.append(end_witness.planned(commands=stop_aside, when="the verdict is keep, and the verification passed"))
    if plan.no_data is NoData.HOLD:
        steps.append(hold.planned(when="the verdict is not enough data"))
    if plan.auto_rollback:
        unknown = "" if plan.no_data is NoData.HOLD else " or not enough data"
        back = PlannedStep(
            step="rollback.rolling",
            does=f"Every replica runs {previous} again, one after the other; stakeholders are told, and the incident report is written.",
            effect=Effect.CHANGE,
            commands=backwards,
            when=f"the verdict is roll back{unknown}, or the verification failed",
        )
        steps.append(back)
    return tuple(steps)
