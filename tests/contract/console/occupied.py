"""Copied into the folder of a stack's own runbooks: it holds the service, whatever would take it over, until a person says so, and touches nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Effect, Plan
from unioneyes.runbook.steps import ask, pause, step
from unioneyes.runbook.views import Decision

_LONGER_THAN_ANY_TEST = timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupy:
    """Hold the service."""

    service: str = "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupation(Plan):
    """That it is held."""

    service: str


@step(effect=Effect.READ, time_limit=_LONGER_THAN_ANY_TEST, asks=True)
def hold_it(service: str) -> str:
    """A person has let it go."""
    while ask(f"shall {service} be free again?", (Decision.GO,)) is None:
        pause(timedelta(seconds=0.2))
    return service


@runbook(name="occupied.drill", chapter="Ours", takes_over=True)
class OccupyIt:
    """Hold the service; no rollback takes it over, as from another rollback."""

    def plan(self, env: Environment, request: Occupy) -> Occupation:
        """Return that it is held."""
        del env
        return Occupation(summary=f"hold {request.service}", steps=(hold_it.planned(),), service=request.service)

    def run(self, env: Environment, plan: Occupation) -> str:
        """Hold it."""
        del env
        return hold_it(plan.service)
