"""What several tests begin with."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.ports.environment import Facts

PRODUCTION = Facts(
    name="production",
    production=True,
    service="unioneyes-web",
    replicas=2,
    ready_within=timedelta(seconds=60),
    database="unioneyes",
    incidents_channel="#incidents",
    bake=timedelta(minutes=10),
)

_RUNBOOK = '''
"""Greets."""

from __future__ import annotations

from dataclasses import dataclass

from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Effect, Plan
from unioneyes.runbook.steps import step


@dataclass(frozen=True, slots=True, kw_only=True)
class Greet:
    whom: str = "everybody"
    times: int = 1


@step(effect=Effect.READ)
def greet(service: str, *, whom: str, times: int) -> str:
    """Whom it concerns was greeted."""
    return f"{service}: WORD {whom}, {times} times"


@dataclass(frozen=True, slots=True, kw_only=True)
class GreetPlan(Plan):
    whom: str
    times: int


@runbook(name="NAME", chapter="Ours", locks=False)
class Greeting:
    def plan(self, env: Environment, request: Greet) -> GreetPlan:
        return GreetPlan(summary="greet", steps=(greet.planned(),), whom=request.whom, times=request.times)

    def run(self, env: Environment, plan: GreetPlan) -> str:
        return greet(env.facts.service, whom=plan.whom, times=plan.times)
'''


def python_runbook(name: str, word: str = "hello") -> str:
    """Return a Python file that registers one runbook, which greets."""
    return _RUNBOOK.replace("NAME", name).replace("WORD", word)


def hanging(code: str, until: str) -> str:
    """Return the same file, which does not come to its end until there is a file called `until`."""
    return f"{code}\nimport time\nfrom pathlib import Path\nwhile not Path({until!r}).exists():\n    time.sleep(0.02)\n"
