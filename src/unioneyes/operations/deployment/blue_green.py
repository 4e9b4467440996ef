"""Blue-green: the new version stands ready on the idle colour, is tried there, and then gets the members, all at once or share by share."""

from __future__ import annotations

from itertools import count

from unioneyes.kernel.problems import Problem, Refused
from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.model import ALL, DeployPlan, Receipt, Started, Switched
from unioneyes.operations.deployment.standing import Stood, TakenBack, ask, receipt, watched
from unioneyes.operations.deployment.steps import (
    apply_migrations,
    drain_old_colour,
    hold,
    retire_old_colour,
    shift_traffic,
    smoke_test,
    start_replicas,
    verify_deployment,
    watch_release,
)
from unioneyes.operations.deployment.vigil import RoutesChanged
from unioneyes.ports.environment import Environment, NoData
from unioneyes.ports.runs import RollBackTrafficRequest, RolledBack
from unioneyes.ports.traffic import Colour, Weights
from unioneyes.runbook.definition import run_child
from unioneyes.runbook.plan import Effect, PlannedStep
from unioneyes.runbook.steps import current_run, settle
from unioneyes.runbook.views import Decision


class ReleaseFailed(Problem):
    """The first release that ever served was bad, and there is none to go back to."""


def switch_over(env: Environment, plan: DeployPlan, started: Started) -> Receipt:
    """The members are on the new version, or back on the old one. Raises: RoutesChanged."""
    old = plan.live
    start_replicas(
        env.replicas,
        env.releases,
        colour=plan.colour,
        version=plan.version,
        digest=plan.digest,
        configuration=plan.configuration,
        count=plan.replicas,
        within=plan.ready_within,
    )
    smoke_test(env.service, colour=plan.colour, version=plan.version)
    settle(apply_migrations)  # from the first member on the new version, taking the schema back could destroy what members wrote
    holds = plan.hold
    for share in plan.shares:
        switched = shift_traffic(env.traffic, env.replicas, to=plan.colour, share=share, back_to=old)
        stood = _stand(env, plan, switched, holds=holds)
        if stood.harm is not None:
            return _go_back(env, plan, started, stood, switched)
        holds = holds and stood.decision is not Decision.SKIP
    return _keep(env, plan, started, old)


def planned_switch(env: Environment, plan: DeployPlan) -> tuple[PlannedStep, ...]:
    """Return the same as lines of a plan: in the order of the run, both arms where a verdict decides."""
    old = Weights.all_to(plan.live)
    steps = [
        start_replicas.planned(
            commands=env.replicas.describe_start(plan.colour, version=plan.version, count=plan.replicas, configuration=plan.configuration),
            undo=env.replicas.describe_stop(plan.colour),
        ),
        smoke_test.planned(commands=env.service.describe_smoke(plan.colour)),
    ]
    for share in plan.shares:
        detail = f"{share} %" if plan.canary else ""
        shift = env.traffic.describe_shift(Weights.part_to(plan.colour, share))
        steps.append(shift_traffic.planned(commands=shift, undo=env.traffic.describe_shift(old), detail=detail))
        if share == ALL and plan.previous:
            steps.append(drain_old_colour.planned())
        steps.append(watch_release.planned(detail=detail, lasts=plan.bake if share == ALL else plan.canary_bake))
        if share < ALL and plan.hold:
            steps.append(hold.planned(detail=detail, when="the verdict is keep"))
    steps.append(verify_deployment.planned(commands=env.service.describe_smoke(), when="the verdict is keep"))
    return (*steps, *_arms(env, plan))


def _stand(env: Environment, plan: DeployPlan, switched: Switched, *, holds: bool) -> Stood:
    """Return how the new version stood with its share, watched and, with all of them, verified; a person is asked where the plan says so."""
    try:
        if switched.share == ALL and plan.standby:
            drain_old_colour(env.traffic, colour=plan.standby.colour)
        return watched(env, plan, switched, holds=holds and switched.share < ALL)
    except (RoutesChanged, TakenBack):
        raise
    except Problem as problem:  # with members on the new version, nothing known is no reason to stay
        return Stood(harm=problem.what)


def _keep(env: Environment, plan: DeployPlan, started: Started, old: Colour | None) -> Receipt:
    settle(start_replicas)  # the members stay on the new version: whatever fails from here on must not send them to a colour that is being ended
    settle(shift_traffic)
    if old:
        retire_old_colour(env.replicas, colour=old)
    return receipt(env, plan, started, RunStatus.DONE, f"{plan.version} serves all traffic on {plan.colour}")


def _go_back(env: Environment, plan: DeployPlan, started: Started, stood: Stood, switched: Switched) -> Receipt:
    """The members are back on the previous release, where there is one that answers and the person did not forbid it."""
    reason = stood.harm or "unknown"
    if plan.previous is None:
        raise ReleaseFailed(what=f"{plan.version} is bad ({reason}), and no release served before it", remedy="ue deploy start with a good version")
    if not plan.auto_rollback:
        return receipt(env, plan, started, RunStatus.FAILED, f"FAILED, STILL SERVING: {reason}; go back with: ue rollback traffic")
    closed = f"{plan.previous} gives no good answer" if stood.not_ready else None
    for tried in count():
        if closed is not None:  # a bad release harms some members, and one that does not answer harms all of them
            question = f"{plan.version} must go back ({reason}), and there is no way back: {closed}; start {plan.previous} again"
            held = ask(env, plan, question, (Decision.RETRY, Decision.GO, Decision.UNDO), switched, until_ready=tried == 0)
            if held.decision is Decision.GO:
                return receipt(env, plan, started, RunStatus.FAILED, f"FAILED, STILL SERVING: {reason}; a person let it stay, for there was no way back")
        try:
            run_child("rollback.traffic", RollBackTrafficRequest(reason=reason, deployment=current_run.get().run_id), RolledBack)
        except Refused as refused:
            closed = refused.what
        else:
            break
    return receipt(env, plan, started, RunStatus.UNDONE, f"FAILED - ROLLED BACK: {reason}")


def _arms(env: Environment, plan: DeployPlan) -> tuple[PlannedStep, ...]:
    """Return what follows each verdict."""
    if plan.previous is None:
        return (hold.planned(when="the verdict is not enough data"),) if plan.no_data is NoData.HOLD else ()
    keep = retire_old_colour.planned(commands=env.replicas.describe_stop(plan.colour.other), when="the verdict is keep, and the verification passed")
    if not plan.auto_rollback:
        return (keep, hold.planned(when="the verdict is not enough data")) if plan.no_data is NoData.HOLD else (keep,)
    unknown = "" if plan.no_data is NoData.HOLD else " or not enough data"
    wait = hold.planned(
        when=f"{'the verdict is not enough data, or ' if plan.no_data is NoData.HOLD else ''}{plan.previous} does not answer when the members must go back"
    )
    back = PlannedStep(
        step="rollback.traffic",
        does=f"The members are served by {plan.previous} again, stakeholders are told, and the incident report is written.",
        effect=Effect.CHANGE,
        commands=(*env.traffic.describe_shift(Weights.all_to(plan.colour.other)), *env.replicas.describe_stop(plan.colour)),
        when=f"the verdict is roll back{unknown}, or the verification failed",
    )
    return (keep, wait, back)
