"""Whose yes counts, for how long, and what is not any more as it was approved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.kernel.access import Role
from unioneyes.ports.checklist import ApprovalRule, Override
from unioneyes.runbook.approvals import approved_since, counted, drift, escalates, overdue
from unioneyes.runbook.plan import Effect, Plan, PlannedStep, Reading
from unioneyes.runbook.views import Answer, Verdict

ASKED = datetime(2026, 2, 9, 14, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def rule(gate: str = "security", *, needed: int = 1) -> ApprovalRule:
    return ApprovalRule(
        gate=gate,
        title=gate.title(),
        roles=(Role.SECURITY_APPROVER,),
        needed=needed,
        lasts=HOUR,
        begins_within=15 * MINUTE,
        escalates_after=30 * MINUTE,
    )


def said(minute: float, *, by: str = "jane", gate: str = "security", verdict: Verdict = Verdict.GRANTED) -> Answer:
    return Answer(gate=gate, verdict=verdict, by=by, note="looked", at=ASKED + minute * MINUTE)


def test_the_time_runs_from_the_yes_that_was_still_missing() -> None:
    rules = (rule(needed=2), rule("product"))
    given_ = [said(1), said(2, gate="product"), said(7, by="joe"), said(9, by="sam")]
    assert approved_since(rules, given_[:2], ASKED + 10 * MINUTE) is None
    assert approved_since(rules, given_, ASKED + 10 * MINUTE) == ASKED + 7 * MINUTE


@given(st.lists(st.floats(0, 200), max_size=6), st.floats(0, 200), st.integers(1, 3))
def test_only_a_yes_that_is_young_enough_counts(minutes: list[float], at: float, needed: int) -> None:
    answers = [said(minute, by=f"p{number}") for number, minute in enumerate(minutes) if minute <= at]
    moment = ASKED + at * MINUTE
    one = rule(needed=needed)
    young = [each for each in answers if moment - each.at < HOUR]
    assert counted(one, answers, moment) == tuple(young)
    assert (approved_since((one,), answers, moment) is not None) == (len(young) >= needed)


def test_a_no_and_another_gate_s_yes_count_for_nothing() -> None:
    answers = [said(1, verdict=Verdict.REFUSED), said(2, gate="product")]
    assert approved_since((rule(),), answers, ASKED + 3 * MINUTE) is None


def test_two_overrides_open_every_gate_and_one_opens_none() -> None:
    forced = [said(1, gate="", verdict=Verdict.OVERRIDDEN), said(4, gate="", by="joe", verdict=Verdict.OVERRIDDEN)]
    assert approved_since((rule(), rule("product")), forced[:1], ASKED + 5 * MINUTE) is None
    assert approved_since((rule(), rule("product")), forced, ASKED + 5 * MINUTE) == ASKED + 4 * MINUTE


def test_an_override_opens_no_gate_that_nobody_may_override() -> None:
    rules = (replace(rule(), override=Override.NEVER), rule("product"))
    forced = [said(1, gate="", verdict=Verdict.OVERRIDDEN), said(4, gate="", by="joe", verdict=Verdict.OVERRIDDEN)]
    assert approved_since(rules, forced, ASKED + 5 * MINUTE) is None
    assert approved_since(rules, [*forced, said(7)], ASKED + 8 * MINUTE) == ASKED + 7 * MINUTE
    assert approved_since(rules, [said(2), *forced], ASKED + 8 * MINUTE) == ASKED + 4 * MINUTE


@pytest.mark.parametrize(("minute", "why"), [(59, None), (61, "nobody said yes within 1 h")])
def test_nobody_is_waited_for_for_ever(minute: float, why: str | None) -> None:
    assert overdue((rule(),), [], asked=ASKED, at=ASKED + minute * MINUTE) == why


def test_a_run_that_lacks_one_of_two_yeses_ends_and_says_so() -> None:
    assert overdue((rule(), rule("product")), [said(1)], asked=ASKED, at=ASKED + 61 * MINUTE) == "a yes that it needs did not come within 1 h"


@pytest.mark.parametrize(("minute", "late"), [(24, False), (26, True)])
def test_what_was_approved_must_begin_soon(minute: float, late: bool) -> None:  # noqa: FBT001 - a table
    assert (overdue((rule(),), [said(10)], asked=ASKED, at=ASKED + minute * MINUTE) is not None) == late


def test_a_gate_that_was_answered_is_not_asked_again() -> None:
    rules = (rule(), rule("product"))
    assert escalates(rules, [], asked=ASKED, at=ASKED + 29 * MINUTE) == ()
    assert [each.gate for each in escalates(rules, [said(3)], asked=ASKED, at=ASKED + 31 * MINUTE)] == ["product"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy(Plan):
    version: str
    gates: tuple[str, ...] = ()


PLAN = Deploy(
    summary="deploy 1.1.0",
    steps=(PlannedStep(step="shift", does="It serves.", effect=Effect.CHANGE, commands=("ue shift green",)),),
    readings=(Reading(name="green-1", value="ready"),),
    version="1.1.0",
)


def test_readings_may_change_and_nothing_else() -> None:
    assert drift(PLAN, replace(PLAN, readings=())) is None
    assert drift(PLAN, replace(PLAN, version="1.1.1")) == "version: 1.1.0 then, 1.1.1 now"
    other = replace(PLAN, steps=(replace(PLAN.steps[0], commands=("ue shift blue",)),))
    assert drift(PLAN, other) == "steps.1.commands.1: ue shift green then, ue shift blue now"


def test_what_came_and_what_went_is_named() -> None:
    assert drift(PLAN, replace(PLAN, gates=("frozen",))) == "gates.1: nothing then, frozen now"
    assert drift(replace(PLAN, gates=("frozen",)), PLAN) == "gates.1: frozen then, nothing now"


def test_content_is_told_by_what_people_call_it_and_before_all_that_follows_from_it() -> None:
    back, release = "the rollback file of 0007_x.sql", "release 1.1.0"
    then = replace(PLAN, content={back: "a" * 64, release: "b" * 64})
    assert drift(then, replace(then, content={back: "c" * 64, release: "b" * 64})) == f"{back} changed since it was approved ({'a' * 12} then, {'c' * 12} now)"
    assert drift(then, replace(then, content={release: "b" * 64})) == f"{back} is gone since it was approved"
    assert drift(then, replace(then, content={**then.content, "0008_y.sql": "d" * 64})) == "0008_y.sql is new since it was approved"
    told = drift(then, replace(then, version="1.1.1", content={back: "a" * 64, release: "e" * 64}))
    assert told == f"{release} changed since it was approved ({'b' * 12} then, {'e' * 12} now); version: 1.1.0 then, 1.1.1 now"


@given(st.text(max_size=300), st.text(max_size=300))
def test_there_is_a_drift_exactly_where_the_hashes_differ(then: str, now: str) -> None:
    old, new = replace(PLAN, summary=then), replace(PLAN, summary=now)
    assert (drift(old, new) is None) == (old.hash() == new.hash())


def planned(effect: Effect, *undo: str, no_return: bool = False) -> PlannedStep:
    return PlannedStep(step=effect.value, does="It is so.", effect=effect, undo=undo, no_return=no_return)


@pytest.mark.parametrize(
    ("steps", "confirm", "destroys"),
    [
        ((planned(Effect.READ), planned(Effect.CHANGE, "back")), None, False),
        ((planned(Effect.CHANGE, no_return=True),), None, False),
        ((planned(Effect.DESTROY, "swap it back"),), None, False),
        ((planned(Effect.CHANGE, "back"), planned(Effect.DESTROY)), None, True),
        ((planned(Effect.DESTROY, "make the table anew"),), "unioneyes_prod", True),
    ],
)
def test_a_plan_destroys_for_good_what_no_undo_brings_back_or_what_must_be_named_first(
    steps: tuple[PlannedStep, ...], confirm: str | None, *, destroys: bool
) -> None:
    assert Plan(summary="it", steps=steps, confirm=confirm).destroys is destroys
