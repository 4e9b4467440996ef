"""The flow of a deployment, which reads like its chapter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count, pairwise

from unioneyes.kernel.access import Right
from unioneyes.kernel.problems import BadInput, Problem, Refused
from unioneyes.kernel.status import RunStatus
from unioneyes.kernel.units import format_duration
from unioneyes.operations.deployment.checklist import migration_reviewed, rollback_plan, sign_offs, waive
from unioneyes.operations.deployment.model import (
    ALL,
    DeployPlan,
    DeployRequest,
    Held,
    Keep,
    NotEnoughData,
    Receipt,
    Started,
    Switched,
    VerifyPlan,
    VerifyRequest,
    VerifyResult,
    Watched,
    WatchTarget,
)
from unioneyes.operations.deployment.receipt import began
from unioneyes.operations.deployment.steps import (
    LONGEST_BAKE,
    apply_migrations,
    back_up_database,
    check_gates,
    check_world,
    discard_scratch,
    drain_old_colour,
    enter_maintenance,
    hold,
    leave_maintenance,
    rehearse_migrations,
    retire_old_colour,
    shift_traffic,
    smoke_test,
    start_replicas,
    verify_backup,
    verify_deployment,
    verify_previous_release,
    watch_release,
    write_receipt,
)
from unioneyes.operations.deployment.vigil import RoutesChanged
from unioneyes.ports.database import Migration, contents
from unioneyes.ports.environment import Environment, NoData
from unioneyes.ports.runs import RollBackTrafficRequest, RolledBack
from unioneyes.ports.traffic import Colour, Weights
from unioneyes.runbook.definition import run_child, runbook
from unioneyes.runbook.plan import Effect, PlannedStep, Reading
from unioneyes.runbook.steps import current_run, settle, story
from unioneyes.runbook.views import Decision

CANARY_PART = 4
"""The part of the whole watch for which each share of a canary is watched, where nothing else is asked for: a quarter."""
LEAST_SHARE = 1
MAINTENANCE_RETRY_AFTER = timedelta(seconds=30)
"""What members are told while migrations run; most take less."""


_ENDED = {
    RunStatus.UNDONE: "{version} did not go out: what was changed was taken back, and {previous} serves",
    RunStatus.CANCELLED: "cancelled: what was changed was taken back, and {previous} serves",
    RunStatus.SUPERSEDED: "ended by a rollback, which takes the members back to {previous}",
    RunStatus.UNDO_FAILED: "{version} did not go out, and taking back what was changed failed: a person is needed",
}
"""How a deployment stands that did not reach its end."""

BACKUP_NAME = "backup_$(date -u +%Y%m%d_%H%M%S)"
"""As the document types it; the run puts in the time of its start, so that two plans of the same deployment are equal."""


class AlreadyServes(Refused):
    """The version serves already."""


class MigrationNeeded(Refused):
    """The release needs migrations, and nobody said that they may be applied."""


class MaintenanceNotNeeded(Refused):
    """Nothing in the deployment needs the members to be kept out."""


class TrafficSplit(Refused):
    """Requests are split between two releases already."""


class NothingServes(Refused):
    """No release is deployed."""


class TakenBack(Problem):
    """A person who was asked how to go on had everything taken back."""


class ReleaseFailed(Problem):
    """The first release that ever served was bad, and there is none to go back to."""


@runbook(name="deployment.start", chapter="1. Deployment Procedures", promise=timedelta(minutes=30))
class Deploy:
    """Put a release in front of the members, and take it back when it harms them."""

    def plan(self, env: Environment, request: DeployRequest) -> DeployPlan:
        """Look at the world and return everything that will be done."""
        release = env.releases.get(request.version)
        weights, replicas = env.traffic.view().weights, env.replicas.all()
        if weights.split:
            raise TrafficSplit(
                what=f"both colours serve members ({weights}), so there is no idle one for {release.version}",
                remedy="ue deploy status says by which deployment; ue rollback traffic sends all to where they came from",
            )
        live = weights.live
        serving = [replica for replica in replicas if replica.colour is live]
        previous = serving[0].version if serving else None
        if previous == release.version:
            raise AlreadyServes(what=f"{release.version} serves already, on {live}", remedy="ue deploy status; ue release list shows the others")
        bake = request.bake if request.bake is not None else env.facts.bake
        _require_bake("--bake", bake)
        canary_bake = _canary_bake(request, bake, previous)
        pending = env.migrations.pending(release.version)
        if request.maintenance and not pending:
            raise MaintenanceNotNeeded(
                what=f"{release.version} brings no migration, so members need not be kept out", remedy="leave out --maintenance: a switch loses no request"
            )
        if pending and not request.migrate:
            raise MigrationNeeded(
                what=f"{release.version} needs {_tags(pending)}, which the database does not have",
                remedy=f"ue deploy start {release.version} --migrate",
            )
        gates = waive(
            (
                env.checklist.release_contract(),
                *sign_offs(env.checklist.approvals("deployment.start")),
                migration_reviewed(pending, env.migrations.lint(pending)),
                rollback_plan(
                    previous=previous,
                    previous_ready=sum(replica.ready for replica in serving),
                    pending=pending,
                    losses=env.migrations.losses(pending, counted=False),
                ),
                env.checklist.current_version(),
                env.checklist.staging_health(),
                env.checklist.change_freeze(),
            ),
            env.checklist,
        )
        where = live.other if live else Colour.BLUE
        maintenance = request.maintenance or any(migration.needs_maintenance for migration in pending)
        plan = DeployPlan(
            summary=f"deploy {release.version} to {where}, {_manner(request)}, " + (f"beside {previous} on {live}" if previous else "as the first release"),
            steps=(),
            readings=tuple(Reading(name=replica.name, value=f"{replica.version}, {'ready' if replica.ready else 'not ready'}") for replica in serving),
            version=release.version,
            previous=previous,
            colour=where,
            replicas=env.facts.replicas,
            ready_within=env.facts.ready_within,
            configuration=dict(env.replicas.configuration()),
            migrations=pending,
            backup=bool(pending),
            maintenance=maintenance,
            bake=bake,
            auto_rollback=request.auto_rollback,
            gates=gates,
            canary=request.canary,
            canary_bake=canary_bake,
            hold=request.hold,
            no_data=request.no_data or env.facts.no_data,
            warm=len(serving),
            content={_release(release.version): env.releases.digest(release.version), **contents(pending), **dict(gate.read for gate in gates if gate.read)},
        )
        return _with_steps(env, plan)

    def run(self, env: Environment, plan: DeployPlan) -> Receipt:
        """Do what the plan says."""
        old = plan.standby.colour if plan.standby else None
        check_gates(gates=plan.gates)
        started = check_world(env.traffic, env.replicas, live=old, previous=plan.previous)
        backup = f"backup_{started.at:%Y%m%d_%H%M%S}" if plan.backup else None
        if backup:
            _migrate(env, plan, backup, serving=old)
        start_replicas(
            env.replicas,
            env.releases,
            colour=plan.colour,
            version=plan.version,
            digest=plan.content[_release(plan.version)],
            configuration=plan.configuration,
            count=plan.replicas,
            within=plan.ready_within,
        )
        smoke_test(env.service, colour=plan.colour, version=plan.version)
        settle(apply_migrations)  # from the first member on the new version, taking the schema back could destroy what members wrote
        holds = plan.hold
        try:
            for share in plan.shares:
                switched = shift_traffic(env.traffic, env.replicas, to=plan.colour, share=share, back_to=old)
                stood = _stand(env, plan, switched, holds=holds)
                if stood.harm is not None:
                    return _go_back(env, plan, started, stood, switched)
                holds = holds and stood.decision is not Decision.SKIP
        except RoutesChanged as problem:  # where the members go is that person's decision now
            return _receipt(env, plan, started, RunStatus.FAILED, f"FAILED, LEFT TO A PERSON: {problem.what}; {problem.remedy}")
        return _keep(env, plan, started, old)

    def account(self, env: Environment, plan: DeployPlan, *, ends_as: RunStatus) -> Receipt | None:
        """Return the receipt of a deployment that did not reach its end; None when it was refused before it looked at the world."""
        run_id = current_run.get().run_id
        started = began(story(run_id), run_id)
        if started is None:
            return None
        line = _ENDED.get(ends_as, "{version} failed").format(version=plan.version, previous=plan.previous or "nothing")
        return write_receipt.function(env.traffic, plan=plan, run_id=run_id, started=started, ends_as=ends_as, outcome=line)


@runbook(name="deployment.verify", chapter="1. Deployment Procedures, step 4", locks=False, right=Right.RESPOND)
class Verify:
    """Check what serves now, as after a deployment; changes nothing."""

    def plan(self, env: Environment, request: VerifyRequest) -> VerifyPlan:
        """Find what serves. Raises: NothingServes."""
        del request
        weights = env.traffic.view().weights
        if weights.split:
            raise TrafficSplit(what="members reach two versions, so there is no one version to verify", remedy="ue deploy status; verify when one serves all")
        live = weights.live
        serving = [replica for replica in env.replicas.all() if replica.colour is live]
        if live is None or not serving:
            raise NothingServes(what="nothing serves, so there is nothing to verify", remedy="ue deploy start VERSION")
        since = min(replica.since for replica in serving)
        answers = env.traffic.counters().of(live).answers
        return VerifyPlan(
            summary=f"verify {serving[0].version} on {live}",
            steps=(verify_deployment.planned(commands=env.service.describe_smoke()),),
            version=serving[0].version,
            colour=live,
            since=since,
            answers=answers,
        )

    def run(self, env: Environment, plan: VerifyPlan) -> VerifyResult:
        """Check each line."""
        verified = verify_deployment(
            env.service, env.replicas, env.migrations, version=plan.version, colour=plan.colour, since=plan.since, answers=plan.answers, old=None
        )
        return VerifyResult(version=plan.version, colour=plan.colour, checks=verified.checks, ends_as=RunStatus.DONE if verified.passed else RunStatus.FAILED)


def _migrate(env: Environment, plan: DeployPlan, backup: str, *, serving: Colour | None) -> None:
    """The schema is the new release's, tried on a proven copy first, and the release that serves can live with it."""
    back_up_database(env.backups, name=backup)
    verify_backup(env.backups, name=backup)
    rehearse_migrations(
        env.migrations,
        env.backups,
        env.replicas,
        env.service,
        version=plan.version,
        previous=plan.previous,
        pending=plan.migrations,
        backup=backup,
        ready_within=plan.ready_within,
    )
    discard_scratch(env.backups, name=backup)
    if plan.maintenance:
        enter_maintenance(env.traffic, retry_after=MAINTENANCE_RETRY_AFTER)
    apply_migrations(env.migrations, pending=plan.migrations)
    if serving and plan.previous:
        verify_previous_release(env.service, colour=serving, version=plan.previous)
    if plan.maintenance:
        leave_maintenance(env.traffic, retry_after=MAINTENANCE_RETRY_AFTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stood:
    """How the new version stood with one share of the requests."""

    harm: str | None = None
    """Why the members must go back; None when it may go on."""
    not_ready: bool = False
    """True when they could not go back just then."""
    decision: Decision | None = None
    """What a person said, where one was asked."""


def _stand(env: Environment, plan: DeployPlan, switched: Switched, *, holds: bool) -> _Stood:
    """Return how the new version stood with its share, watched and, with all of them, verified; a person is asked where the plan says so."""
    try:
        if switched.share == ALL and plan.standby:
            drain_old_colour(env.traffic, colour=plan.standby.colour)
        return _watched(env, plan, switched, holds=holds and switched.share < ALL)
    except (RoutesChanged, TakenBack):
        raise
    except Problem as problem:  # with members on the new version, nothing known is no reason to stay
        return _Stood(harm=problem.what)


def _watched(env: Environment, plan: DeployPlan, switched: Switched, *, holds: bool) -> _Stood:
    since, counted = switched.at, switched.before
    while True:
        watched = watch_release(
            env.traffic,
            env.replicas,
            env.service,
            env.notifier,
            target=_target(env, plan, switched),
            since=since,
            counted=counted,
            bake=plan.bake if switched.share == ALL else plan.canary_bake,
        )
        match watched.verdict:
            case Keep() if not holds:
                return _verified(env, plan, switched, watched)
            case Keep(reason=reason):
                question = f"{plan.version} is kept at {switched.share} %: {reason}"
                held = _ask(env, plan, question, (Decision.GO, Decision.RETRY, Decision.SKIP, Decision.UNDO), switched)
            case NotEnoughData(reason=reason) if plan.no_data is NoData.HOLD:
                question = f"too little is known of {plan.version} at {switched.share} %: {reason}"
                held = _ask(env, plan, question, (Decision.GO, Decision.RETRY, Decision.UNDO), switched)
            case verdict:
                return _Stood(harm=verdict.reason, not_ready=watched.not_ready_since is not None)
        if held.harm is not None:
            return _Stood(harm=held.harm)
        if held.decision is not Decision.RETRY:
            return replace(_verified(env, plan, switched, watched), decision=held.decision)
        since, counted = held.at, held.counters or counted


def _target(env: Environment, plan: DeployPlan, switched: Switched) -> WatchTarget:
    return WatchTarget(new=plan.colour, share=switched.share, old=plan.standby, revision=switched.revision, channel=env.facts.incidents_channel)


def _verified(env: Environment, plan: DeployPlan, switched: Switched, watched: Watched) -> _Stood:
    """Return whether what members reach is what was planned; while they reach two versions, that can't be asked."""
    if switched.share < ALL:
        return _Stood()
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
    return _Stood() if verified.passed else _Stood(harm=f"verification: {verified.failures}")


def _ask(env: Environment, plan: DeployPlan, question: str, choices: tuple[Decision, ...], switched: Switched, *, until_ready: bool = False) -> Held:
    """Return how the hold ended. Raises: TakenBack."""
    held = hold(
        env.traffic,
        env.replicas,
        env.service,
        env.notifier,
        target=_target(env, plan, switched),
        question=question,
        choices=choices,
        until_ready=until_ready,
    )
    if held.decision is Decision.UNDO:
        raise TakenBack(what=f"a person had it taken back: {question}", remedy="start it anew when the reason is gone")
    return held


def _keep(env: Environment, plan: DeployPlan, started: Started, old: Colour | None) -> Receipt:
    settle(start_replicas)  # the members stay on the new version: whatever fails from here on must not send them to a colour that is being ended
    settle(shift_traffic)
    if old:
        retire_old_colour(env.replicas, colour=old)
    return _receipt(env, plan, started, RunStatus.DONE, f"{plan.version} serves all traffic on {plan.colour}")


def _go_back(env: Environment, plan: DeployPlan, started: Started, stood: _Stood, switched: Switched) -> Receipt:
    """The members are back on the previous release, where there is one that answers and the person did not forbid it."""
    reason = stood.harm or "unknown"
    if plan.previous is None:
        raise ReleaseFailed(what=f"{plan.version} is bad ({reason}), and no release served before it", remedy="ue deploy start with a good version")
    if not plan.auto_rollback:
        return _receipt(env, plan, started, RunStatus.FAILED, f"FAILED, STILL SERVING: {reason}; go back with: ue rollback traffic")
    closed = f"{plan.previous} gives no good answer" if stood.not_ready else None
    for tried in count():
        if closed is not None:  # a bad release harms some members, and one that does not answer harms all of them
            question = f"{plan.version} must go back ({reason}), and there is no way back: {closed}; start {plan.previous} again"
            held = _ask(env, plan, question, (Decision.RETRY, Decision.GO, Decision.UNDO), switched, until_ready=tried == 0)
            if held.decision is Decision.GO:
                return _receipt(env, plan, started, RunStatus.FAILED, f"FAILED, STILL SERVING: {reason}; a person let it stay, for there was no way back")
        try:
            run_child("rollback.traffic", RollBackTrafficRequest(reason=reason, deployment=current_run.get().run_id), RolledBack)
        except Refused as refused:
            closed = refused.what
        else:
            break
    return _receipt(env, plan, started, RunStatus.UNDONE, f"FAILED - ROLLED BACK: {reason}")


def _receipt(env: Environment, plan: DeployPlan, started: Started, ends_as: RunStatus, line: str) -> Receipt:
    return write_receipt(env.traffic, plan=plan, run_id=current_run.get().run_id, started=started, ends_as=ends_as, outcome=line)


def _with_steps(env: Environment, plan: DeployPlan) -> DeployPlan:
    """Return the plan with its steps: in the order of the run, each with the command that a person would type, both arms where a verdict decides."""
    old, pending = Weights.all_to(plan.standby.colour if plan.standby else None), plan.migrations
    steps: list[PlannedStep] = [check_gates.planned(), check_world.planned()]
    if plan.backup:
        steps += [
            back_up_database.planned(commands=env.backups.describe_create(BACKUP_NAME)),
            verify_backup.planned(commands=env.backups.describe_verify(BACKUP_NAME)),
            rehearse_migrations.planned(commands=(*env.migrations.describe_apply(pending), *env.migrations.describe_roll_back(pending))),
            discard_scratch.planned(),
        ]
        if plan.maintenance:
            steps.append(enter_maintenance.planned(commands=env.traffic.describe_maintenance(on=True), undo=env.traffic.describe_maintenance(on=False)))
        steps.append(apply_migrations.planned(commands=env.migrations.describe_apply(pending), undo=env.migrations.describe_roll_back(pending)))
        if plan.previous:
            steps.append(verify_previous_release.planned(commands=env.service.describe_smoke(plan.colour.other)))
        if plan.maintenance:
            steps.append(leave_maintenance.planned(commands=env.traffic.describe_maintenance(on=False)))
    steps += [
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
    return replace(plan, steps=(*steps, *_arms(env, plan), write_receipt.planned()))


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


def _require_bake(flag: str, bake: timedelta) -> None:
    """Return when somebody watches for so long. Raises: BadInput."""
    if not timedelta(0) <= bake <= LONGEST_BAKE:
        raise BadInput(what=f"nobody watches for {format_duration(bake)}", remedy=f"{flag} from 0s to {format_duration(LONGEST_BAKE)}")


def _canary_bake(request: DeployRequest, bake: timedelta, previous: str | None) -> timedelta:
    """Return how long each share of the canary is watched; nothing without one. Raises: BadInput where the canary makes no sense."""
    shares = request.canary
    if not shares:
        for flag, given in (("--hold", request.hold), ("--canary-bake", request.canary_bake is not None)):
            if given:
                raise BadInput(what=f"{flag} is about the shares of a canary, and none is asked for", remedy=f"add --canary 10,50, or leave out {flag}")
        return timedelta(0)
    if previous is None:
        raise BadInput(what="the first release has nothing beside which it could get a share", remedy="leave out --canary")
    if not all(LEAST_SHARE <= share < ALL for share in shares) or any(later <= earlier for earlier, later in pairwise(shares)):
        raise BadInput(
            what=f"{', '.join(map(str, shares))} are no shares of a canary", remedy="name rising shares from 1 to 99, such as --canary 10,50; all follows"
        )
    canary_bake = request.canary_bake if request.canary_bake is not None else bake / CANARY_PART
    _require_bake("--canary-bake", canary_bake)
    return canary_bake


def _manner(request: DeployRequest) -> str:
    """Return how the new release takes the place of the old one, in the words of a summary."""
    if not request.canary:
        return request.strategy.value
    return f"canary {', '.join(f'{share} %' for share in request.canary)}{', held after each' if request.hold else ''}"


def _release(version: str) -> str:
    """Return what people call what is started."""
    return f"release {version}"


def _tags(pending: tuple[Migration, ...]) -> str:
    return ", ".join(migration.tag for migration in pending)
