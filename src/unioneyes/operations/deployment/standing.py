"""How a new version stands with its share of the members: watched, verified, and a person asked where the plan says so. Whatever the strategy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from unioneyes.kernel.problems import Problem
from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.model import (
    ALL,
    DeployPlan,
    Held,
    Keep,
    Mixed,
    NotEnoughData,
    Receipt,
    Started,
    Strategy,
    Switched,
    Watched,
    WatchTarget,
)
from unioneyes.operations.deployment.steps import hold, verify_deployment, watch_release, write_receipt
from unioneyes.ports.environment import Environment, NoData
from unioneyes.runbook.steps import current_run
from unioneyes.runbook.views import Decision


class TakenBack(Problem):
    """A person who was asked how to go on had everything taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stood:
    """How the new version stood with one share of the requests."""

    harm: str | None = None
    """Why the members must go back; None when it may go on."""
    not_ready: bool = False
    """True when they could not go back just then."""
    decision: Decision | None = None
    """What a person said, where one was asked."""


def watched(env: Environment, plan: DeployPlan, switched: Switched, *, holds: bool) -> Stood:
    """Return how the new version stood with its share, watched and, with all of them, verified; a person is asked where the plan says so. Raises: TakenBack."""
    since, counted = switched.at, switched.before
    while True:
        watched = watch_release(
            env.traffic,
            env.replicas,
            env.service,
            env.notifier,
            target=target(env, plan, switched),
            since=since,
            counted=counted,
            bake=plan.bake if switched.share == ALL else plan.canary_bake,
        )
        match watched.verdict:
            case Keep() if not holds:
                return verified(env, plan, switched, watched)
            case Keep(reason=reason):
                question = f"{plan.version} is kept at {switched.share} %: {reason}"
                held = ask(env, plan, question, (Decision.GO, Decision.RETRY, Decision.SKIP, Decision.UNDO), switched)
            case NotEnoughData(reason=reason) if plan.no_data is NoData.HOLD:
                question = f"too little is known of {plan.version} at {switched.share} %: {reason}"
                held = ask(env, plan, question, (Decision.GO, Decision.RETRY, Decision.UNDO), switched)
            case verdict:
                return Stood(harm=verdict.reason, not_ready=watched.not_ready_since is not None)
        if held.harm is not None:
            return Stood(harm=held.harm)
        if held.decision is not Decision.RETRY:
            return replace(verified(env, plan, switched, watched), decision=held.decision)
        since, counted = held.at, held.counters or counted


def target(env: Environment, plan: DeployPlan, switched: Switched) -> WatchTarget:
    """Return what is watched beside what."""
    rolls, split = plan.strategy is Strategy.ROLLING, switched.share < ALL
    mixed = Mixed(new=plan.version, old=plan.previous) if rolls and split and plan.previous else None
    return WatchTarget(
        new=plan.colour,
        share=switched.share,
        old=None if mixed else plan.standby,
        revision=switched.revision,
        channel=env.facts.incidents_channel,
        mixed=mixed,
        back_takes=switched.took if rolls else None,
        failing=switched.failing,
    )


def verified(env: Environment, plan: DeployPlan, switched: Switched, watched: Watched) -> Stood:
    """Return whether what members reach is what was planned; while they reach two versions, that can't be asked."""
    if switched.share < ALL:
        return Stood()
    verified = verify_deployment(
        env.service,
        env.replicas,
        env.migrations,
        version=plan.version,
        colour=plan.colour,
        since=switched.at,
        answers=watched.new.answers,
        old=watched.old,
    )
    return Stood() if verified.passed else Stood(harm=f"verification: {verified.failures}")


def ask(env: Environment, plan: DeployPlan, question: str, choices: tuple[Decision, ...], switched: Switched, *, until_ready: bool = False) -> Held:
    """Return how the hold ended. Raises: TakenBack."""
    held = hold(
        env.traffic,
        env.replicas,
        env.service,
        env.notifier,
        target=target(env, plan, switched),
        question=question,
        choices=choices,
        until_ready=until_ready,
    )
    if held.decision is Decision.UNDO:
        raise TakenBack(what=f"a person had it taken back: {question}", remedy="start it anew when the reason is gone")
    return held


def receipt(env: Environment, plan: DeployPlan, started: Started, ends_as: RunStatus, line: str) -> Receipt:
    """Return what the deployment shows for itself at its end."""
    return write_receipt(env.traffic, plan=plan, run_id=current_run.get().run_id, started=started, ends_as=ends_as, outcome=line)
