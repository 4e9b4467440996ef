"""What a runbook does is read from its code: the steps that its plan names, and from where on one is not undone any more."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from unioneyes.environments.chapters import CHAPTERS
from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import Definition, collect, run_child, runbook
from unioneyes.runbook.pages.reading import Settled, named_steps, settled_steps, source_of, taken_steps
from unioneyes.runbook.pages.writing import built_in
from unioneyes.runbook.plan import Effect, Plan, PlannedStep
from unioneyes.runbook.steps import settle, step


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Nothing."""

    careful: bool = False


@step(effect=Effect.READ)
def look(*, closely: bool) -> None:
    """It was looked at.

    Source: somewhere, "Look
    twice".
    """
    del closely


@step(effect=Effect.CHANGE)
def take(*, closely: bool) -> None:
    """It was taken."""
    del closely


@step(effect=Effect.CHANGE)
def tell(*, whom: str) -> None:
    """It is known."""
    del whom


def load() -> None:
    @runbook(name="sample.run", chapter="0. Samples")
    class Sample:
        """Do a little."""

        def plan(self, env: Environment, request: Asked) -> Plan:
            del env
            first = (look.planned(),) if request.careful else ()
            return _named(Plan(summary="a sample", steps=first))

        def run(self, env: Environment, plan: Plan) -> Plan:
            del env
            look(closely=True)
            take(closely=True)
            for taken in (look, take):
                settle(taken)
            _told()
            return plan


def _named(plan: Plan) -> Plan:
    steps = (take.planned(), PlannedStep(step="sample.other", does="More.", effect=Effect.CHANGE, when="it is needed"), tell.planned(when="somebody is there"))
    return replace(plan, steps=(*plan.steps, *steps))


def _told() -> None:
    run_child("sample.other", Asked(), Plan)
    tell(whom="everybody")


@pytest.fixture(scope="module")
def sample() -> Definition:
    return collect(load)["sample.run"]


def test_the_steps_of_a_plan_stand_in_the_order_of_its_text_with_those_of_its_functions(sample: Definition) -> None:
    assert [(each.name, each.always) for each in named_steps(sample)] == [("look", False), ("take", True), ("sample.other", False), ("tell", False)]


def test_what_is_settled_is_so_from_the_next_step_on(sample: Definition) -> None:
    assert settled_steps(sample) == (Settled(begins="sample.other", steps=("look", "take")),)


def test_a_source_is_read_from_the_docstring() -> None:
    assert source_of(look) == 'somewhere, "Look twice"'
    assert source_of(take) == ""


@pytest.mark.parametrize("known", built_in().values(), ids=lambda known: known.name)
def test_a_runbook_s_plan_names_every_step_that_its_run_takes_and_no_other(known: Definition) -> None:
    assert CHAPTERS
    assert {each.name for each in named_steps(known)} == set(taken_steps(known)) != set()
