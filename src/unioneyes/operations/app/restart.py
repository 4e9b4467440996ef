"""The flow of a restart: pod by pod, and nobody notices."""

from __future__ import annotations

from dataclasses import replace

from unioneyes.kernel.access import Right
from unioneyes.operations.app.model import Restarted, RestartPlan, RestartRequest
from unioneyes.operations.app.rules import chosen_colour, health_command, spoken
from unioneyes.operations.app.steps import check_health, note_order, restart_pods
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading


@runbook(name="app.restart", chapter='Appendix: Emergency Commands, "Restart all pods (rolling)"', mends=True, right=Right.RESPOND)
class RestartApp:
    """Start each pod of the service anew, one by one, without a lost request."""

    def plan(self, env: Environment, request: RestartRequest) -> RestartPlan:
        """Find the pods. Raises: NothingServes."""
        replicas = env.replicas.all()
        colour, version = chosen_colour(env.traffic.view().weights, replicas, request.colour)
        size = env.pods.size(colour)
        return RestartPlan(
            summary=f"restart {version} on {colour}, pod by pod",
            steps=(
                note_order.planned(),
                restart_pods.planned(
                    commands=env.pods.describe_restart(colour), undo=env.pods.describe_resize(colour, before=replace(size, count=size.count + 1), size=size)
                ),
                check_health.planned(commands=(health_command(env, colour),)),
            ),
            readings=(
                Reading(name="size", value=spoken(size)),
                *(Reading(name=each.name, value="ready" if each.ready else "not ready") for each in replicas if each.colour is colour),
            ),
            colour=colour,
            version=version,
            size=size,
            within=env.facts.ready_within,
        )

    def run(self, env: Environment, plan: RestartPlan) -> Restarted:
        """Restart, and look whether the colour is well."""
        ordered = note_order()
        done = restart_pods(env.pods, colour=plan.colour, size=plan.size, ordered=ordered, within=plan.within)
        check_health(env.service, colour=plan.colour, version=plan.version)
        return Restarted(colour=plan.colour, version=plan.version, pods=done.pods, took=done.took)
