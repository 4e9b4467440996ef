"""A run from its start to its end: steps, retries, results, the journal."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import JsonValue

from tests.drills.engine.conftest import Drill
from tests.drills.engine.runbooks import Behaviour, Closed, Move, Script
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.definition import UnknownRunbook
from unioneyes.runbook.problems import RequestMalformed, ServiceLocked, UnknownRun
from unioneyes.runbook.views import EntryKind, JournalEntry


def test_a_run_does_what_its_plan_says_and_the_journal_tells_it(drill: Drill) -> None:
    started = drill.start(Move(key="a"), Move(key="b", step="look"))
    assert started.status is RunStatus.PENDING

    run = drill.ended(started.id)

    assert run.status is RunStatus.DONE
    assert run.result == {"did": ["a", "b"], "ends_as": "done", "took_over_from": None, "story": 1}
    assert drill.effects() == ["began a", "did a"]
    assert drill.kinds(run.id) == ["run-started", "step-started change", "step-done change", "step-started look", "step-done look", "run-ended"]
    done = drill.line(run.id, EntryKind.STEP_DONE)
    assert done.data["result"] == {"key": "a", "took": "PT1.5S"}
    assert isinstance(done.data["took_s"], float)
    assert run.worker is not None
    assert drill.engine.lock() is None


def test_a_plan_says_how_long_its_steps_took_in_runs_that_were_done(drill: Drill) -> None:
    moves: JsonValue = {"moves": [{"key": "a"}, {"key": "b", "step": "look"}]}
    for key in ("a", "b", "c"):
        drill.ended(drill.start(Move(key=key), Move(key=f"{key}2", behaviour=Behaviour.DAWDLES)).id)
    plan = drill.engine.plan("drill.script", moves)
    assert timedelta(0) < plan.took["change"] < timedelta(seconds=1), "the median of three quick ones and three slow ones, the lower one"
    assert "never taken" not in plan.took
    change, look = plan.steps
    assert (plan.expected(change), plan.expected(look)) == (plan.took["change"], plan.took.get("look"))


def test_a_dry_run_shows_the_plan_without_secrets_and_changes_nothing(drill: Drill) -> None:
    plan = drill.engine.plan("drill.script", {"moves": [{"key": "a"}]})

    assert [(step.step, step.commands) for step in plan.steps] == [("change", ("do a --password=[redacted]",))]
    assert plan.readings[0].name == "weather"
    assert isinstance(plan.details, dict)
    assert list(plan.details) == ["script"]
    assert drill.effects() == []
    assert drill.engine.lock() is None


def test_the_plan_that_is_carried_out_is_the_one_that_was_shown(drill: Drill) -> None:
    shown = drill.engine.plan("drill.script", {"moves": [{"key": "a"}]})
    run = drill.start(Move(key="a"))
    assert drill.engine.planned(run.id) == shown
    assert run.plan_hash == shown.hash
    drill.ended(run.id)


@pytest.mark.parametrize("request_", [{}, {"moves": "all"}, {"moves": [], "surprise": 1}, None])
def test_a_request_that_makes_no_sense_is_refused_with_what_is_wrong(drill: Drill, request_: JsonValue) -> None:
    with pytest.raises(RequestMalformed, match=r"this is no request for drill\.script"):
        drill.engine.start("drill.script", request_, by="member-1@example.org")


def test_what_the_plan_refuses_starts_no_run(drill: Drill) -> None:
    before = drill.engine.runs(limit=1)
    with pytest.raises(Closed, match="the plan is refused"):
        drill.start(Move(key="a", step="plan", behaviour=Behaviour.REFUSES))
    assert drill.engine.runs(limit=1) == before
    assert drill.engine.lock() is None


def test_unknown_runbooks_and_runs_are_named(drill: Drill) -> None:
    with pytest.raises(UnknownRunbook, match=r"drill\.nothing"):
        drill.engine.plan("drill.nothing", {})
    with pytest.raises(UnknownRun, match="drill-never"):
        drill.engine.run("drill-never")
    with pytest.raises(UnknownRun, match="drill-never"):
        drill.engine.journal("drill-never")


def test_a_problem_that_passes_is_tried_again(drill: Drill) -> None:
    run = drill.ended(drill.start(Move(key="a", behaviour=Behaviour.FLICKERS)).id)

    assert run.status is RunStatus.DONE
    assert [kind for kind in drill.kinds(run.id) if "retried" in kind] == ["step-retried change"] * 2
    assert drill.effects("did") == ["did a"]


def test_a_problem_that_the_run_catches_undoes_nothing(drill: Drill) -> None:
    script = Script(moves=(Move(key="a"), Move(key="b", behaviour=Behaviour.BREAKS), Move(key="c")), catches="b")
    run = drill.ended(drill.start_script(script).id)

    assert run.status is RunStatus.DONE
    assert drill.effects("did", "undid") == ["did a", "did c"]


def test_a_result_may_say_how_its_run_ended(drill: Drill) -> None:
    script = Script(moves=(Move(key="a"),), ends_as=RunStatus.UNDONE)
    assert drill.ended(drill.start_script(script).id).status is RunStatus.UNDONE


def test_a_step_that_the_plan_does_not_name_is_refused(drill: Drill) -> None:
    script = Script(moves=(Move(key="a"), Move(key="b", step="look")), unplanned="b")
    run = drill.ended(drill.start_script(script).id)

    assert run.status is RunStatus.UNDONE
    assert run.problem is not None
    assert run.problem["type"] == "urn:unioneyes:problem:unplanned-step"
    assert drill.effects("did", "undid") == ["did a", "undid a"]


def test_a_value_that_could_not_be_kept_fails_its_step_at_once(drill: Drill) -> None:
    run = drill.ended(drill.start(Move(key="a", step="answer_wrongly")).id)

    assert run.status is RunStatus.FAILED
    assert run.problem is not None
    assert "answer_wrongly failed unexpectedly: NotKeepable" in run.problem["detail"]


def test_the_journal_can_be_followed_line_by_line_and_waited_for(drill: Drill) -> None:
    run = drill.start(Move(key="a", behaviour=Behaviour.WAITS))
    drill.until(lambda: drill.engine.journal(run.id), lambda lines: any(line.kind is EntryKind.STEP_PROGRESS for line in lines))
    drill.side.mark("go a")
    drill.ended(run.id)

    whole = drill.engine.journal(run.id)
    read: list[JournalEntry] = []
    after = 0
    while page := drill.engine.journal(run.id, after=after, limit=2):
        read += page
        after = page[-1].seq
    assert tuple(read) == whole
    assert drill.engine.journal(run.id, after=after, wait=timedelta(milliseconds=150)) == ()
    assert drill.engine.journal(None, after=whole[0].seq - 1)[: len(whole)] == whole


def test_runs_are_listed_newest_first_and_page_by_page(drill: Drill) -> None:
    made = [drill.ended(drill.start(Move(key=key)).id).id for key in "abc"]
    aside = drill.ended(drill.start(Move(key="d"), runbook="drill.aside").id)

    assert [run.id for run in drill.engine.runs(limit=2)] == [aside.id, made[2]]
    assert [run.id for run in drill.engine.runs(limit=2, before=made[2])] == [made[1], made[0]]
    assert drill.engine.runs(limit=1, runbook="drill.aside") == (aside,)
    assert drill.engine.runs(limit=1, status=RunStatus.PARKED) == ()


def test_secrets_reach_neither_journal_nor_run(drill: Drill) -> None:
    run = drill.ended(drill.start(Move(key="a", behaviour=Behaviour.CRASHES)).id)

    assert run.problem is not None
    assert "ValueError: no foresight, password=[redacted]" in run.problem["detail"]
    assert "topsecret" not in str(drill.engine.journal(run.id))
    assert "topsecret" not in str(run.problem)


def test_a_second_run_is_told_who_holds_the_service_and_why(drill: Drill) -> None:
    first = drill.start(Move(key="a", behaviour=Behaviour.WAITS))
    lock = drill.engine.lock()
    assert lock is not None
    assert (lock.run_id, lock.reason) == (first.id, "drill a")

    with pytest.raises(ServiceLocked, match=f"drilled is held by {first.id} since .*: drill a"):
        drill.start(Move(key="b"))
    aside = drill.ended(drill.start(Move(key="c"), runbook="drill.aside").id)
    assert aside.status is RunStatus.DONE

    drill.side.mark("go a")
    drill.ended(first.id)
    assert drill.ended(drill.start(Move(key="d")).id).status is RunStatus.DONE
