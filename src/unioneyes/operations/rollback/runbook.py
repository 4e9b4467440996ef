"""The flow of a rollback, which reads like its chapter."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.operations.rollback.model import RollBackPlan, ServesAgain
from unioneyes.operations.rollback.report import POST_MORTEM_WITHIN
from unioneyes.operations.rollback.rules import NoWay, way_back
from unioneyes.operations.rollback.steps import (
    StillUnhealthy,
    announcement,
    end_maintenance,
    note_order,
    shift_traffic_back,
    stop_bad_replicas,
    tell_stakeholders,
    verify_serving,
    write_incident_report,
)
from unioneyes.ports.environment import Environment
from unioneyes.ports.runs import RollBackTrafficRequest, RolledBack
from unioneyes.ports.traffic import Weights
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading
from unioneyes.runbook.steps import current_run


class NoWayBack(Refused):
    """There is no warm colour to go back to."""


@runbook(name="rollback.traffic", chapter="2. Rollback Procedures, option A", promise=timedelta(minutes=5), takes_over=True)
class RollBackTraffic:
    """Send the members back to the colour that served before."""

    def plan(self, env: Environment, request: RollBackTrafficRequest) -> RollBackPlan:
        """Find the warm colour. Raises: NoWayBack."""
        replicas = env.replicas.all()
        found = way_back(env.traffic.view().weights, replicas)
        if isinstance(found, NoWay):
            raise NoWayBack(what=found.why, remedy=found.remedy)
        bad = next((replica.version for replica in replicas if replica.colour is found.colour.other), "unknown")
        good = found.version
        message = announcement(
            channel=env.facts.incidents_channel,
            run_id="RUN",
            bad_version=bad,
            good_version=good,
            reason=request.reason,
            took=timedelta(0),
            incident="docs/incidents/",
            post_mortem_due=now() + POST_MORTEM_WITHIN,
        )
        return RollBackPlan(
            summary=f"roll back from {bad} on {found.colour.other} to {good} on {found.colour}",
            steps=(
                note_order.planned(),
                shift_traffic_back.planned(commands=env.traffic.describe_shift(Weights.all_to(found.colour))),
                end_maintenance.planned(commands=env.traffic.describe_maintenance(on=False)),
                verify_serving.planned(commands=(f"curl {env.service.url()}/api/health",)),
                stop_bad_replicas.planned(commands=env.replicas.describe_stop(found.colour.other)),
                write_incident_report.planned(),
                tell_stakeholders.planned(commands=env.notifier.describe_announce(message)),
            ),
            readings=tuple(Reading(name=replica.name, value=f"{replica.version}, ready") for replica in found.replicas),
            back_to=found.colour,
            version=good,
            away_from=bad,
            reason=request.reason,
            deployment=request.deployment,
        )

    def run(self, env: Environment, plan: RollBackPlan) -> RolledBack:
        """Traffic first, everything else afterwards."""
        run = current_run.get()
        deployment = plan.deployment or run.took_over_from
        ordered = note_order()
        shifted = shift_traffic_back(env.traffic, to=plan.back_to)
        end_maintenance(env.traffic)
        try:
            healthy: ServesAgain | Problem = verify_serving(env.service, version=plan.version)
        except StillUnhealthy as problem:  # people are told all the more
            healthy = problem
        else:
            stop_bad_replicas(env.replicas, colour=plan.back_to.other)
        at = healthy.at if isinstance(healthy, ServesAgain) else None
        due = (at or ordered.at) + POST_MORTEM_WITHIN
        incident = write_incident_report(
            env.documents,
            run_id=run.run_id,
            deployment=deployment,
            bad_version=plan.away_from,
            good_version=plan.version,
            reason=plan.reason,
            ordered=ordered.at,
            healthy=at,
        )
        told = tell_stakeholders(
            env.notifier,
            channel=env.facts.incidents_channel,
            run_id=run.run_id,
            bad_version=plan.away_from,
            good_version=plan.version,
            reason=plan.reason,
            took=at - ordered.at if at else None,
            incident=incident,
            post_mortem_due=due,
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
            incident=incident,
            post_mortem_due=due,
            announced=told.reference,
            not_announced=told.trouble,
        )
