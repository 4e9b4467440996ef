"""Plans, steps and the registry of runbooks, as values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from unioneyes.ports.environment import Environment
from unioneyes.runbook.definition import UnknownRunbook, definition, definitions, runbook
from unioneyes.runbook.plan import Effect, Plan, Reading
from unioneyes.runbook.steps import progress, step, story


@step(effect=Effect.CHANGE)
def close_door(*, which: str) -> None:
    """The door is closed."""
    del which


@step(effect=Effect.CHANGE, undo=close_door, time_limit=timedelta(seconds=5), retries=0)
def open_door(*, which: str) -> None:
    """The door is open. Source: the manual, page 3.

    More of it.
    """
    del which


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A request."""

    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WayPlan(Plan):
    """A plan."""

    to: str


@runbook(name="test.way", chapter="0. Tests", promise=timedelta(minutes=1), locks=False)
class GoAway:
    """A runbook."""

    def plan(self, env: Environment, request: Way) -> WayPlan:
        del env
        return WayPlan(summary=f"go to {request.to}", steps=(open_door.planned(commands=(f"open {request.to}",)),), to=request.to)

    def run(self, env: Environment, plan: WayPlan) -> bool:
        del env
        return plan.to == "away"


PLAN = WayPlan(summary="go", steps=(open_door.planned(),), readings=(Reading(name="door", value="closed"),), to="away")


def test_a_plans_hash_covers_everything_but_its_readings() -> None:
    assert replace(PLAN, readings=()).hash() == PLAN.hash()
    assert replace(PLAN, to="home").hash() != PLAN.hash()
    assert replace(PLAN, steps=(open_door.planned(commands=("open it",)),)).hash() != PLAN.hash()


def test_a_step_says_of_itself_what_its_plan_shows() -> None:
    planned = open_door.planned(undo=("close it",), when="the sun shines", no_return=True)
    assert (planned.step, planned.does) == ("open_door", "The door is open. Source: the manual, page 3.")
    assert (planned.effect, planned.undo, planned.when, planned.no_return) == (Effect.CHANGE, ("close it",), "the sun shines", True)
    assert open_door.undo is close_door
    assert open_door.returns is type(None)


def test_a_step_can_not_be_taken_outside_a_run() -> None:
    with pytest.raises(LookupError):
        open_door(which="front")


def test_progress_and_story_are_silent_outside_a_run() -> None:
    progress("nobody hears it", figure=1)
    assert story("deployment-1") == ()


def test_a_runbook_is_registered_with_its_types() -> None:
    found = definition("test.way")
    assert (found.request_type, found.plan_type, found.result_type) == (Way, WayPlan, bool)
    assert (found.promise, found.locks, found.takes_over) == (timedelta(minutes=1), False, False)
    assert found in definitions()


def test_an_unknown_runbook_is_named_beside_those_that_exist() -> None:
    with pytest.raises(UnknownRunbook, match=r"'test\.road'") as raised:
        definition("test.road")
    assert "test.way" in raised.value.remedy
