"""The flow of a limit: how much each client's address may ask."""

from __future__ import annotations

from unioneyes.kernel.access import Right
from unioneyes.operations.security.model import Limited, LimitPlan, LimitRequest
from unioneyes.operations.security.rules import read_limit, readings, spoken_limit
from unioneyes.operations.security.steps import limit_requests
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook


@runbook(name="edge.limit", chapter='Security Procedures, "DDoS Attack"', mends=True, right=Right.RESPOND)
class LimitRequests:
    """Let each client's address make so many requests, and answer 429 to more."""

    def plan(self, env: Environment, request: LimitRequest) -> LimitPlan:
        """Read what the limit is now. Raises: BadLimit, NoEdgeHere, EdgeUnavailable."""
        wanted, view = read_limit(request.limit), env.edge.view()
        return LimitPlan(
            summary=f"limit requests: {spoken_limit(view.limit)} becomes {spoken_limit(wanted)}",
            steps=(limit_requests.planned(commands=env.edge.describe_limit(wanted), undo=env.edge.describe_limit(view.limit)),),
            readings=readings(view),
            before=view.limit,
            wanted=wanted,
        )

    def run(self, env: Environment, plan: LimitPlan) -> Limited:
        """Set the limit."""
        done = limit_requests(env.edge, wanted=plan.wanted, before=plan.before)
        return Limited(before=plan.before, now=done.now.limit, took=done.took)
