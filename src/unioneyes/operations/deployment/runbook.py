"""The flow of a deployment, which reads like its chapter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from unioneyes.kernel.problems import BadInput, Problem, Refused
from unioneyes.kernel.status import RunStatus
from unioneyes.kernel.units import format_duration
from unioneyes.operations.deployment.checklist import migration_reviewed, rollback_plan, sign_offs, waive
from unioneyes.operations.deployment.model import (
    DeployPlan,
    DeployRequest,
    Keep,
    Receipt,
    Started,
    Switched,
    Verified,
    VerifyPlan,
    VerifyRequest,
    VerifyResult,
    Watched,
)
from unioneyes.operations.deployment.steps import (
    LONGEST_BAKE,
    RoutesChanged,
    apply_migrations,
    back_up_database,
    check_gates,
    check_world,
    discard_scratch,
    drain_old_colour,
    enter_maintenance,
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
from unioneyes.ports.database import Migration
from unioneyes.ports.environment import Environment
from unioneyes.ports.runs import RollBackTrafficRequest, RolledBack
from unioneyes.ports.traffic import Colour, Weights
from unioneyes.runbook.definition import run_child, runbook
from unioneyes.runbook.plan import Effect, PlannedStep, Reading
from unioneyes.runbook.steps import current_run, settle

MAINTENANCE_RETRY_AFTER = timedelta(seconds=30)
"""What members are told while migrations run; most take less."""


BACKUP_NAME = "backup_$(date -u +%Y%m%d_%H%M%S)"
"""As the document types it; the run puts in the time of its start, so that two plans of the same deployment are equal."""


class AlreadyServes(Refused):
    """The version serves already."""


class TrafficSplit(Refused):
    """Both colours serve members, so there is no idle one for a new release."""


class MigrationNeeded(Refused):
    """The release needs migrations, and nobody said that they may be applied."""


class MaintenanceNotNeeded(Refused):
    """Nothing in the deployment needs the members to be kept out."""


class NothingServes(Refused):
    """No release is deployed."""


class ReleaseFailed(Problem):
    """The first release that ever served was bad, and there is none to go back to."""


@runbook(name="deployment.start", chapter="1. Deployment Procedures", promise=timedelta(minutes=30))
class Deploy:
    """Put a release in front of the members, and take it back when it harms them."""

    def plan(self, env: Environment, request: DeployRequest) -> DeployPlan:
        """Look at the world and return everything that will be done."""
        release = env.releases.get(request.version)
        weights = env.traffic.view().weights
        if weights.split:
            raise TrafficSplit(
                what=f"both colours serve members ({weights}), so there is no idle one for {release.version}",
                remedy="ue deploy status; ue rollback traffic sends all members to one of them",
            )
        live = weights.live
        serving = [replica for replica in env.replicas.all() if replica.colour is live]
        previous = serving[0].version if serving else None
        if previous == release.version:
            raise AlreadyServes(what=f"{release.version} serves already, on {live}", remedy="ue deploy status; ue release list shows the others")
        bake = request.bake if request.bake is not None else env.facts.bake
        if not timedelta(0) <= bake <= LONGEST_BAKE:
            raise BadInput(what=f"nobody watches for {format_duration(bake)}", remedy=f"--bake from 0s to {format_duration(LONGEST_BAKE)}")
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
                *sign_offs(),
                migration_reviewed(pending, env.migrations.lint(pending)),
                rollback_plan(previous=previous, previous_ready=sum(replica.ready for replica in serving), pending=pending),
                env.checklist.current_version(),
                env.checklist.staging_health(),
            ),
            env.checklist,
        )
        where = live.other if live else Colour.BLUE
        maintenance = request.maintenance or any(migration.needs_maintenance for migration in pending)
        plan = DeployPlan(
            summary=f"deploy {release.version} to {where}, {request.strategy.value}, "
            + (f"beside {previous} on {live}" if previous else "as the first release"),
            steps=(),
            readings=tuple(Reading(name=replica.name, value=f"{replica.version}, {'ready' if replica.ready else 'not ready'}") for replica in serving),
            version=release.version,
            previous=previous,
            colour=where,
            replicas=env.facts.replicas,
            ready_within=env.facts.ready_within,
            migrations=tuple(migration.tag for migration in pending),
            backup=bool(pending),
            maintenance=maintenance,
            bake=bake,
            auto_rollback=request.auto_rollback,
            gates=gates,
        )
        return _with_steps(env, plan, pending)

    def run(self, env: Environment, plan: DeployPlan) -> Receipt:
        """Do what the plan says."""
        old = plan.colour.other if plan.previous else None
        check_gates(gates=plan.gates)
        started = check_world(env.traffic, env.replicas, live=old, previous=plan.previous)
        backup = f"backup_{started.at:%Y%m%d_%H%M%S}" if plan.backup else None
        if backup:
            _migrate(env, plan, backup, serving=old)
        start_replicas(env.replicas, colour=plan.colour, version=plan.version, count=plan.replicas, within=plan.ready_within)
        smoke_test(env.service, colour=plan.colour, version=plan.version)
        settle(apply_migrations)  # from the first member on the new version, taking the schema back could destroy what members wrote
        switched = shift_traffic(env.traffic, env.replicas, to=plan.colour, back_to=old)
        outcome = _Outcome(started=started, switched=switched, backup=backup)
        try:
            harm = _watch(env, plan, outcome, old)
        except RoutesChanged as problem:  # where the members go is that person's decision now
            return _receipt(env, plan, outcome, RunStatus.FAILED, f"FAILED, LEFT TO A PERSON: {problem.what}; {problem.remedy}")
        except Problem as problem:  # with members on the new version, nothing known is no reason to stay
            harm = problem.what
        return _keep(env, plan, outcome, old) if harm is None else _go_back(env, plan, outcome, harm)


@runbook(name="deployment.verify", chapter="1. Deployment Procedures, step 4", locks=False)
class Verify:
    """Check what serves now, as after a deployment; changes nothing."""

    def plan(self, env: Environment, request: VerifyRequest) -> VerifyPlan:
        """Find what serves. Raises: NothingServes."""
        del request
        live = env.traffic.view().weights.live
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
            env.service, env.replicas, env.migrations, version=plan.version, colour=plan.colour, since=plan.since, answers=plan.answers, old_answers=0
        )
        return VerifyResult(version=plan.version, colour=plan.colour, checks=verified.checks, ends_as=RunStatus.DONE if verified.passed else RunStatus.FAILED)


@dataclass(slots=True, kw_only=True)
class _Outcome:
    """What a deployment has to show so far."""

    started: Started
    switched: Switched
    backup: str | None
    watched: Watched | None = None
    verified: Verified | None = None
    rolled_back: RolledBack | None = None


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
        tags=plan.migrations,
        backup=backup,
        ready_within=plan.ready_within,
    )
    discard_scratch(env.backups, name=backup)
    if plan.maintenance:
        enter_maintenance(env.traffic, retry_after=MAINTENANCE_RETRY_AFTER)
    apply_migrations(env.migrations, version=plan.version, tags=plan.migrations)
    if serving and plan.previous:
        verify_previous_release(env.service, colour=serving, version=plan.previous)
    if plan.maintenance:
        leave_maintenance(env.traffic, retry_after=MAINTENANCE_RETRY_AFTER)


def _watch(env: Environment, plan: DeployPlan, outcome: _Outcome, old: Colour | None) -> str | None:
    """Return why the members must go back; None when the new version was watched and verified, and they are well served."""
    if old:
        drain_old_colour(env.traffic, colour=old)
    switched = outcome.switched
    outcome.watched = watch_release(
        env.traffic,
        env.replicas,
        env.service,
        new=plan.colour,
        old=old,
        switched_at=switched.at,
        since=switched.before,
        revision=switched.revision,
        bake=plan.bake,
    )
    if not isinstance(outcome.watched.verdict, Keep):
        return outcome.watched.verdict.reason
    outcome.verified = verify_deployment(
        env.service,
        env.replicas,
        env.migrations,
        version=plan.version,
        colour=plan.colour,
        since=switched.at,
        answers=outcome.watched.new.answers,
        old_answers=outcome.watched.old.answers if outcome.watched.old else 0,
    )
    return None if outcome.verified.passed else f"verification: {outcome.verified.failures}"


def _keep(env: Environment, plan: DeployPlan, outcome: _Outcome, old: Colour | None) -> Receipt:
    settle(start_replicas)  # the members stay on the new version: whatever fails from here on must not send them to a colour that is being ended
    settle(shift_traffic)
    if old:
        retire_old_colour(env.replicas, colour=old)
    return _receipt(env, plan, outcome, RunStatus.DONE, f"{plan.version} serves all traffic on {plan.colour}")


def _go_back(env: Environment, plan: DeployPlan, outcome: _Outcome, reason: str) -> Receipt:
    """The members are back on the previous release, where there is one and the person did not forbid it."""
    if plan.previous is None:
        raise ReleaseFailed(what=f"{plan.version} is bad ({reason}), and no release served before it", remedy="ue deploy start with a good version")
    if not plan.auto_rollback:
        return _receipt(env, plan, outcome, RunStatus.FAILED, f"FAILED, STILL SERVING: {reason}; go back with: ue rollback traffic")
    request = RollBackTrafficRequest(reason=reason, deployment=current_run.get().run_id)
    outcome.rolled_back = run_child("rollback.traffic", request, RolledBack)
    return _receipt(env, plan, outcome, RunStatus.UNDONE, f"FAILED - ROLLED BACK: {reason}")


def _receipt(env: Environment, plan: DeployPlan, outcome: _Outcome, ends_as: RunStatus, line: str) -> Receipt:
    return write_receipt(
        env.traffic,
        plan=plan,
        run_id=current_run.get().run_id,
        started=outcome.started,
        switched=outcome.switched,
        backup=outcome.backup,
        watched=outcome.watched,
        verified=outcome.verified,
        rolled_back=outcome.rolled_back,
        ends_as=ends_as,
        outcome=line,
    )


def _with_steps(env: Environment, plan: DeployPlan, pending: tuple[Migration, ...]) -> DeployPlan:
    """Return the plan with its steps: in the order of the run, each with the command that a person would type, both arms where a verdict decides."""
    new, old = Weights.all_to(plan.colour), Weights.all_to(plan.colour.other if plan.previous else None)
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
            commands=env.replicas.describe_start(plan.colour, version=plan.version, count=plan.replicas), undo=env.replicas.describe_stop(plan.colour)
        ),
        smoke_test.planned(commands=env.service.describe_smoke(plan.colour)),
        shift_traffic.planned(commands=env.traffic.describe_shift(new), undo=env.traffic.describe_shift(old)),
    ]
    if plan.previous:
        steps.append(drain_old_colour.planned())
    steps.append(watch_release.planned())
    steps.append(verify_deployment.planned(commands=env.service.describe_smoke(), when="the verdict is keep"))
    return replace(plan, steps=(*steps, *_arms(env, plan), write_receipt.planned()))


def _arms(env: Environment, plan: DeployPlan) -> tuple[PlannedStep, ...]:
    """Return what follows each verdict."""
    if plan.previous is None:
        return ()
    keep = retire_old_colour.planned(commands=env.replicas.describe_stop(plan.colour.other), when="the verdict is keep, and the verification passed")
    if not plan.auto_rollback:
        return (keep,)
    back = PlannedStep(
        step="rollback.traffic",
        does=f"The members are served by {plan.previous} again, stakeholders are told, and the incident report is written.",
        effect=Effect.CHANGE,
        commands=(*env.traffic.describe_shift(Weights.all_to(plan.colour.other)), *env.replicas.describe_stop(plan.colour)),
        when="the verdict is roll back or not enough data, or the verification failed",
    )
    return (keep, back)


def _tags(pending: tuple[Migration, ...]) -> str:
    return ", ".join(migration.tag for migration in pending)
