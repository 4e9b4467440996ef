"""Option B, the earlier revision: started anew with its own configuration, tried, and then given the members."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from unioneyes.kernel.access import Right
from unioneyes.kernel.problems import BadInput, Problem, Refused
from unioneyes.operations.rollback.afterwards import after, planned_afterwards
from unioneyes.operations.rollback.model import ReleaseRolledBack, RollBackReleasePlan, RollBackReleaseRequest, ServesAgain
from unioneyes.operations.rollback.reasons import spelled
from unioneyes.operations.rollback.release_steps import check_colour, smoke_previous, start_previous
from unioneyes.operations.rollback.rules import WayBack, beyond, earlier, way_back
from unioneyes.operations.rollback.runbook import NoWayBack, account
from unioneyes.operations.rollback.steps import StillUnhealthy, end_maintenance, note_order, shift_traffic_back, stop_bad_replicas, verify_serving
from unioneyes.ports.environment import Environment
from unioneyes.ports.replicas import Revision
from unioneyes.ports.traffic import Weights
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading
from unioneyes.runbook.steps import current_run, settle


class StillWarm(Refused):
    """The earlier release stands ready on the other colour: there is a faster way back."""


class UnknownRevision(BadInput):
    """No revision has this number."""


class SchemaTooOld(Refused):
    """The earlier release needs a migration that was taken back."""


@runbook(name="rollback.release", chapter="2. Rollback Procedures, option B", promise=timedelta(minutes=5), takes_over=True, right=Right.RESPOND)
class RollBackRelease:
    """Start an earlier revision again, and send the members there."""

    def plan(self, env: Environment, request: RollBackReleaseRequest) -> RollBackReleasePlan:
        """Find the revision. Raises: NoWayBack, UnknownRevision, StillWarm, SchemaTooOld; nothing was changed."""
        weights = env.traffic.view().weights
        live = weights.live
        replicas, revisions = env.replicas.all(), env.replicas.revisions()
        if live is None:
            raise NoWayBack(what="nothing serves, so there is nothing to go back from", remedy="ue release list, then ue deploy start")
        if weights.split:
            raise NoWayBack(what="members are split between both colours, so no colour is free for an earlier release", remedy="ue rollback traffic")
        if env.replicas.rolling(live) is not None:
            raise NoWayBack(what=f"on {live} one version is being put in the place of another", remedy='ue rollback rolling --reason "..."')
        bad = next((replica.version for replica in replicas if replica.colour is live), revisions[0].version if revisions else "unknown")
        back = _chosen(revisions, bad, request.to)
        warm = way_back(weights, replicas, revisions)
        if isinstance(warm, WayBack) and warm.version == back.version and request.to is None:
            raise StillWarm(what=f"{warm.version} stands ready on {warm.colour}: no release needs to be started", remedy="ue rollback traffic")
        require_fit(env, back.version)
        reason = spelled(request.reason)
        plan = RollBackReleasePlan(
            summary=f"roll back from {bad} on {live} to revision {back.number}, {back.version}, started on {live.other} with its own configuration",
            steps=(),
            readings=tuple(Reading(name=f"revision {one.number}", value=_shown(one)) for one in revisions),
            revision=back.number,
            version=back.version,
            replicas=back.replicas,
            configuration=back.configuration,
            colour=live.other,
            away_from=bad,
            bad_since=next((one.since for one in revisions if one.version == bad), None),
            reason=reason,
        )
        return _with_steps(env, plan)

    def run(self, env: Environment, plan: RollBackReleasePlan) -> ReleaseRolledBack:
        """Start it, try it, and only then send the members there."""
        run = current_run.get()
        ordered = note_order()
        check_colour(env.traffic, colour=plan.colour)
        start_previous(env.replicas, colour=plan.colour, version=plan.version, count=plan.replicas, configuration=plan.configuration)
        smoke_previous(env.service, colour=plan.colour, version=plan.version)
        settle(start_previous)  # from here on members are there, and the release that they left is the bad one
        shifted = shift_traffic_back(env.traffic, env.replicas, to=plan.colour)
        end_maintenance(env.traffic)
        try:
            healthy: ServesAgain | Problem = verify_serving(env.service, version=plan.version)
        except StillUnhealthy as problem:  # people are told all the more
            healthy = problem
        else:
            stop_bad_replicas(env.replicas, colour=plan.colour.other)
        told = account(run.run_id, bad=plan.away_from, good=plan.version, reason=plan.reason, deployment=run.took_over_from)
        done = after(env, told, ordered=ordered.at, healthy=healthy.at if isinstance(healthy, ServesAgain) else None)
        if isinstance(healthy, Problem):
            raise healthy
        return ReleaseRolledBack(
            revision=plan.revision,
            version=plan.version,
            configuration=plan.configuration,
            colour=plan.colour,
            away_from=plan.away_from,
            bad_since=plan.bad_since,
            deployment=run.took_over_from,
            shifted_in=shifted.took,
            healthy_in=healthy.at - ordered.at,
            afterwards=done,
        )


def require_fit(env: Environment, version: str) -> None:
    """Return when the release can be started on the schema as it is. Raises: UnknownVersion, SchemaTooOld."""
    env.releases.get(version)
    applied = env.migrations.applied()
    lacking = beyond(tuple(migration.tag for migration in env.migrations.folder(version)), applied[-1].tag if applied else None)
    if lacking:
        raise SchemaTooOld(what=f"{version} needs {lacking}, which was taken back", remedy=f"ue deploy start {version} --migrate")


def _chosen(revisions: tuple[Revision, ...], serving: str, number: int | None) -> Revision:
    """Return the revision of that number, or the one before. Raises: UnknownRevision, NoWayBack."""
    if number is not None:
        found = next((revision for revision in revisions if revision.number == number), None)
        if found is None:
            known = ", ".join(str(revision.number) for revision in revisions) or "none"
            raise UnknownRevision(what=f"there is no revision {number}", remedy=f"one of: {known}")
        return found
    before = earlier(revisions, serving)
    if before is None:
        raise NoWayBack(what=f"no good release served members before {serving}", remedy="ue release list, then ue deploy start with the version that was good")
    return before


def _with_steps(env: Environment, plan: RollBackReleasePlan) -> RollBackReleasePlan:
    start = env.replicas.describe_start(plan.colour, version=plan.version, count=plan.replicas, configuration=plan.configuration)
    told = account("RUN", bad=plan.away_from, good=plan.version, reason=plan.reason, deployment=None)
    steps = (
        note_order.planned(),
        check_colour.planned(),
        start_previous.planned(commands=start, undo=env.replicas.describe_stop(plan.colour)),
        smoke_previous.planned(commands=env.service.describe_smoke(plan.colour)),
        shift_traffic_back.planned(commands=env.traffic.describe_shift(Weights.all_to(plan.colour))),
        end_maintenance.planned(commands=env.traffic.describe_maintenance(on=False)),
        verify_serving.planned(commands=(f"curl {env.service.url()}/api/health",)),
        stop_bad_replicas.planned(commands=env.replicas.describe_stop(plan.colour.other)),
        *planned_afterwards(env, told),
    )
    return replace(plan, steps=steps)


def _shown(revision: Revision) -> str:
    settings = ", ".join(f"{name}={value}" for name, value in sorted(revision.configuration.items()))
    state = "serves now" if revision.until is None else "was rolled back" if revision.bad else "served before"
    return f"{revision.version}, {revision.replicas} replicas, {settings or 'no settings'}; {state}"
