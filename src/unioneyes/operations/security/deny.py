"""The flow of the deny list: who is kept out, and let in again."""

from __future__ import annotations

from unioneyes.kernel.access import Right
from unioneyes.operations.security.model import DenyPlan, DenyRequest, KeptOut
from unioneyes.operations.security.rules import readings, spoken_networks, wanted_networks
from unioneyes.operations.security.steps import keep_out
from unioneyes.ports.edge import Network
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook


@runbook(name="edge.deny", chapter='Security Procedures, "Block attacker IP"', mends=True, right=Right.RESPOND)
class KeepOut:
    """Keep addresses out of the service, or let them in again; never our own."""

    def plan(self, env: Environment, request: DenyRequest) -> DenyPlan:
        """Read who is kept out now. Raises: NoNetwork, NotKeptOut, OwnNetwork, NoEdgeHere, EdgeUnavailable."""
        view = env.edge.view()
        wanted = wanted_networks(view.denied, request)
        env.edge.require_others(wanted)
        return DenyPlan(
            summary=_summary(view.denied, wanted),
            steps=(keep_out.planned(commands=env.edge.describe_deny(wanted), undo=env.edge.describe_deny(view.denied)),),
            readings=readings(view),
            before=view.denied,
            wanted=wanted,
        )

    def run(self, env: Environment, plan: DenyPlan) -> KeptOut:
        """Make the list what it should be."""
        done = keep_out(env.edge, wanted=plan.wanted, before=plan.before)
        return KeptOut(before=plan.before, now=done.now.denied, took=done.took)


def _summary(before: tuple[Network, ...], wanted: tuple[Network, ...]) -> str:
    return f"keep out {spoken_networks(wanted)}; before: {spoken_networks(before)}"
