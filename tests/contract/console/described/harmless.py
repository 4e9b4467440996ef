"""Copied into the folder of a stack's own runbooks: a runbook that touches nothing, and ends as it is asked to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from unioneyes.kernel.problems import Problem
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import runbook
from unioneyes.runbook.plan import Effect, Plan
from unioneyes.runbook.steps import ask, pause, step
from unioneyes.runbook.views import Decision


class Ends(StrEnum):
    """How it ends."""

    WELL = "well"
    BADLY = "badly"
    ASKED = "asked"
    """Not before a person says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmless:
    """Do nothing."""

    ends: Ends = Ends.WELL
    whom: str = "everybody"


class Wanted(Problem):
    """It was asked to fail."""


@step(effect=Effect.CHANGE)
def forget(whom: str) -> str:
    """Nobody is who they were."""
    return whom


@step(effect=Effect.CHANGE, undo=forget)
def remember(whom: str) -> str:
    """It is known who it is for."""
    return whom


@step(effect=Effect.READ, asks=True)
def wait_for_a_person(whom: str) -> str:
    """A person has looked."""
    while ask(f"shall {whom} go on?", (Decision.GO, Decision.UNDO)) is None:
        pause(timedelta(seconds=0.2))
    return whom


@step(effect=Effect.CHANGE, undo=forget)
def fail(whom: str) -> str:
    """It has failed."""
    raise Wanted(what=f"{whom} wanted it to fail", remedy="ask for something else")


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmlessPlan(Plan):
    """What is not done."""

    whom: str
    ends: Ends


@runbook(name="harmless.drill", chapter="Ours", locks=False)
class DoNothing:
    """Do nothing."""

    def plan(self, env: Environment, request: Harmless) -> HarmlessPlan:
        """Return what is not done."""
        del env
        last = {Ends.WELL: (), Ends.BADLY: (fail.planned(),), Ends.ASKED: (wait_for_a_person.planned(),)}[request.ends]
        return HarmlessPlan(summary=f"do nothing for {request.whom}", steps=(remember.planned(), *last), whom=request.whom, ends=request.ends)

    def run(self, env: Environment, plan: HarmlessPlan) -> str:
        """Do nothing."""
        del env
        remember(plan.whom)
        match plan.ends:
            case Ends.WELL:
                return plan.whom
            case Ends.BADLY:
                return fail(plan.whom)
            case Ends.ASKED:
                return wait_for_a_person(plan.whom)
