"""Two plans of the same request, compared line by line; and how long a plan's steps take."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from unioneyes.cli.output import Ink
from unioneyes.cli.plan import differences
from unioneyes.cli.plans import kept_plan_text
from unioneyes.runbook.plan import Effect, PlannedStep, Reading
from unioneyes.runbook.views import PlanView

SHIFT = PlannedStep(step="shift_traffic", does="All requests reach green.", effect=Effect.CHANGE, commands=("to green",), undo=("to blue",))
WATCH = PlannedStep(step="watch_release", does="It was watched.", effect=Effect.READ, lasts=timedelta(minutes=10))
BACK = PlannedStep(step="rollback.traffic", does="All requests reach blue.", effect=Effect.CHANGE, when="the verdict is roll back")
PLAN = PlanView(
    runbook="deployment.start",
    summary="deploy 1.1.0 to green",
    hash="0" * 64,
    steps=(SHIFT, WATCH, BACK),
    readings=(Reading(name="blue-1", value="ready"),),
    details={"version": "1.1.0", "gates": [{"name": "staging", "state": "passed"}], "migrations": []},
    took={"shift_traffic": timedelta(milliseconds=20), "rollback.traffic": timedelta(seconds=4)},
)


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        (replace(PLAN, summary="deploy 1.1.0 to blue"), ["-deploy 1.1.0 to green", "+deploy 1.1.0 to blue"]),
        (replace(PLAN, confirm="unioneyes"), ["-type: nothing", "+type: unioneyes"]),
        (replace(PLAN, steps=(replace(SHIFT, commands=("to green, all",)), WATCH, BACK)), ["-     $ to green", "+     $ to green, all"]),
        (replace(PLAN, details={**PLAN.details, "migrations": ["0001"]}), ["-migrations: []", '+migrations.1: "0001"']),  # type: ignore[dict-item]  # an object
        (replace(PLAN, details={**PLAN.details, "gates": [{"name": "staging", "state": "failed"}]}), ['-gates.1.state: "passed"', '+gates.1.state: "failed"']),  # type: ignore[dict-item]  # an object
    ],
)
def test_whatever_the_hash_covers_and_differs_is_named(now: PlanView, lines: list[str]) -> None:
    said = differences(PLAN, replace(now, hash="1" * 64))
    assert [line for line in said if line[0] in "+-" and not line.startswith(("+++", "---"))] == lines


def test_what_the_hash_does_not_cover_is_no_difference() -> None:
    assert differences(PLAN, replace(PLAN, readings=(), took={})) == ()


def test_a_plan_says_how_long_its_steps_take_and_the_whole_without_what_a_verdict_decides() -> None:
    text = kept_plan_text(Ink(colour=False), PLAN)
    assert "Steps (about 10 min)" in text
    assert "1. shift_traffic  change  about 20 ms" in text
    assert "2. watch_release  read  about 10 min" in text
    assert "3. rollback.traffic  change  about 4.0 s  when the verdict is roll back" in text
    assert "Nothing was changed" not in text


def test_a_plan_that_nobody_ran_before_says_so() -> None:
    assert "Steps (about 10 min, and what no run took before)" in kept_plan_text(Ink(colour=False), replace(PLAN, took={}))
