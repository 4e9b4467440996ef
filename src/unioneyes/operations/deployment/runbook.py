"""The flow of a deployment, which reads like its chapter."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from unioneyes.kernel.access import Right
from unioneyes.kernel.problems import Refused
from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.blue_green import planned_switch, switch_over
from unioneyes.operations.deployment.checklist import migration_reviewed, rollback_plan, sign_offs, waive
from unioneyes.operations.deployment.migrating import migrate, planned_migration
from unioneyes.operations.deployment.model import DeployPlan, DeployRequest, Receipt, Strategy, VerifyPlan, VerifyRequest, VerifyResult, called
from unioneyes.operations.deployment.receipt import began
from unioneyes.operations.deployment.rolling import planned_roll, roll_over
from unioneyes.operations.deployment.shares import canary_bake_of, manner, require_bake, shares_of
from unioneyes.operations.deployment.standing import receipt
from unioneyes.operations.deployment.steps import check_gates, check_world, verify_deployment, write_receipt
from unioneyes.operations.deployment.vigil import RoutesChanged
from unioneyes.ports.database import Migration, contents
from unioneyes.ports.environment import Environment
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import PlannedStep, Reading
from unioneyes.runbook.steps import current_run, story

_ENDED = {
    RunStatus.UNDONE: "{version} did not go out: what was changed was taken back, and {previous} serves",
    RunStatus.CANCELLED: "cancelled: what was changed was taken back, and {previous} serves",
    RunStatus.SUPERSEDED: "ended by a rollback, which takes the members back to {previous}",
    RunStatus.UNDO_FAILED: "{version} did not go out, and taking back what was changed failed: a person is needed",
}
"""How a deployment stands that did not reach its end."""


class AlreadyServes(Refused):
    """The version serves already."""


class MigrationNeeded(Refused):
    """The release needs migrations, and nobody said that they may be applied."""


class MaintenanceNotNeeded(Refused):
    """Nothing in the deployment needs the members to be kept out."""


class TrafficSplit(Refused):
    """Requests are split between two releases already."""


class RollUnfinished(Refused):
    """One version is being put in the place of another, replica by replica."""


class NothingServes(Refused):
    """No release is deployed."""


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
        if live is not None and (rolling := env.replicas.rolling(live)) is not None:
            raise RollUnfinished(
                what=f"on {live}, {rolling.version} is being put in the place of {rolling.before}, and that was not finished",
                remedy=f"ue deploy status; ue rollback rolling --reason '...' goes to {rolling.version if rolling.back else rolling.before}",
            )
        serving = [replica for replica in replicas if replica.colour is live]
        previous = serving[0].version if serving else None
        if previous == release.version:
            raise AlreadyServes(what=f"{release.version} serves already, on {live}", remedy="ue deploy status; ue release list shows the others")
        bake = request.bake if request.bake is not None else env.facts.bake
        require_bake("--bake", bake)
        rolls = request.strategy is Strategy.ROLLING
        canary_bake = canary_bake_of(request, bake, previous)
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
        maintenance = request.maintenance or any(migration.needs_maintenance for migration in pending)
        env.traffic.require_means(shares=bool(request.canary) and not rolls, maintenance=maintenance)
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
        where = Colour.BLUE if live is None else live if rolls else live.other
        plan = DeployPlan(
            summary=f"deploy {release.version} to {where}, {manner(request)}, {_instead_of(previous, live, request.strategy)}",
            steps=(),
            readings=tuple(Reading(name=replica.name, value=f"{replica.version}, {'ready' if replica.ready else 'not ready'}") for replica in serving),
            version=release.version,
            previous=previous,
            colour=where,
            replicas=len(serving) if rolls else env.facts.replicas,
            ready_within=env.facts.ready_within,
            configuration=dict(env.replicas.configuration()),
            migrations=pending,
            backup=bool(pending),
            maintenance=maintenance,
            bake=bake,
            auto_rollback=request.auto_rollback,
            gates=gates,
            canary=shares_of(request, len(serving)),
            canary_bake=canary_bake,
            hold=request.hold,
            no_data=request.no_data or env.facts.no_data,
            warm=len(serving),
            strategy=request.strategy,
            way_back=_settings_of(env, previous) if rolls else None,
            content={called(release.version): env.releases.digest(release.version), **contents(pending), **dict(gate.read for gate in gates if gate.read)},
        )
        return replace(plan, steps=_steps(env, plan))

    def run(self, env: Environment, plan: DeployPlan) -> Receipt:
        """Do what the plan says."""
        check_gates(gates=plan.gates)
        started = check_world(env.traffic, env.replicas, live=plan.live, previous=plan.previous)
        if plan.backup:
            migrate(env, plan, f"backup_{started.at:%Y%m%d_%H%M%S}", serving=plan.live)
        try:
            return switch_over(env, plan, started) if plan.strategy is Strategy.BLUE_GREEN else roll_over(env, plan, started)
        except RoutesChanged as problem:  # where the members go is that person's decision now
            return receipt(env, plan, started, RunStatus.FAILED, f"FAILED, LEFT TO A PERSON: {problem.what}; {problem.remedy}")

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


def _steps(env: Environment, plan: DeployPlan) -> tuple[PlannedStep, ...]:
    """Return the plan's steps: in the order of the run, each with the command that a person would type."""
    begins = (check_gates.planned(), check_world.planned(), *(planned_migration(env, plan) if plan.backup else ()))
    goes_out = planned_switch(env, plan) if plan.strategy is Strategy.BLUE_GREEN else planned_roll(env, plan)
    return (*begins, *goes_out, write_receipt.planned())


def _instead_of(previous: str | None, live: Colour | None, strategy: Strategy) -> str:
    if previous is None:
        return "as the first release"
    return f"in the place of {previous}" if strategy is Strategy.ROLLING else f"beside {previous} on {live}"


def _settings_of(env: Environment, version: str | None) -> dict[str, str]:
    """Return the settings that what serves was started with."""
    newest = next(iter(env.replicas.revisions()), None)
    return dict(newest.configuration if newest is not None and newest.version == version else env.replicas.configuration())


def _tags(pending: tuple[Migration, ...]) -> str:
    return ", ".join(migration.tag for migration in pending)
