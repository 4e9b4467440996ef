"""The flow of scaling: more or fewer of what serves, and an autoscaler that is held meanwhile."""

from __future__ import annotations

from unioneyes.kernel.access import Right
from unioneyes.operations.app.model import ScaledTo, ScalePlan, ScaleRequest
from unioneyes.operations.app.rules import chosen_colour, health_command, spoken, wanted_size
from unioneyes.operations.app.steps import check_health, resize_pods
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Reading


@runbook(name="app.scale", chapter='Appendix: Emergency Commands, "Scale up immediately"', mends=True, right=Right.RESPOND)
class ScaleApp:
    """Run more or fewer pods of what serves, without a lost request."""

    def plan(self, env: Environment, request: ScaleRequest) -> ScalePlan:
        """Find what serves, and how many it has. Raises: NothingServes, NoNumber, NoSuchAutoscaler."""
        replicas = env.replicas.all()
        colour, version = chosen_colour(env.traffic.view().weights, replicas, None)
        before = env.pods.size(colour)
        wanted = wanted_size(before, request)
        return ScalePlan(
            summary=f"scale {version} on {colour} from {spoken(before)} to {spoken(wanted)}",
            steps=(
                resize_pods.planned(
                    commands=env.pods.describe_resize(colour, before=before, size=wanted), undo=env.pods.describe_resize(colour, before=wanted, size=before)
                ),
                check_health.planned(commands=(health_command(env, colour),)),
            ),
            readings=tuple(Reading(name=each.name, value="ready" if each.ready else "not ready") for each in replicas if each.colour is colour),
            colour=colour,
            version=version,
            before=before,
            wanted=wanted,
            within=env.facts.ready_within,
        )

    def run(self, env: Environment, plan: ScalePlan) -> ScaledTo:
        """Scale, and look whether the colour is well."""
        done = resize_pods(env.pods, colour=plan.colour, size=plan.wanted, before=plan.before, within=plan.within)
        check_health(env.service, colour=plan.colour, version=plan.version)
        return ScaledTo(colour=plan.colour, version=plan.version, before=plan.before, now=done.size, took=done.took)
