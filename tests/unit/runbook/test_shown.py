"""Plans as they are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from unioneyes.kernel.redaction import BLOT, Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.codec import encode
from unioneyes.runbook.plan import Plan
from unioneyes.runbook.shown import ShownPlans
from unioneyes.runbook.store.runs import StoredRun
from unioneyes.runbook.views import RunView


def a_stored_run(run_id: str, *, summary: str) -> StoredRun:
    view = RunView(
        id=run_id,
        runbook="own.greet",
        summary="",
        status=RunStatus.DONE,
        requested_by="engineer@example.org",
        created_at=datetime(2026, 2, 9, tzinfo=UTC),
        started_at=None,
        ended_at=None,
        step=None,
        choices=(),
        worker=None,
        parent=None,
        request={},
        plan_hash="0" * 64,
        result=None,
        problem=None,
    )
    plan = encode(Plan(summary=summary, steps=()), Plan)
    return StoredRun(view=view, plan=plan, service="web", parks=False, took_over_from=None, superseded_by=None, cancelled_by=None, cancel_reason=None)


def test_a_plan_is_shown_without_secrets_however_often_and_with_what_its_steps_took_then() -> None:
    plans = ShownPlans(Redactor(["a-known-secret"]))
    run = a_stored_run("run-1", summary="uses a-known-secret")
    first, second = plans.of(run, took={}), plans.of(run, took={"greet": timedelta(seconds=2)})
    assert first.summary == second.summary == f"uses {BLOT}"
    assert (dict(first.took), dict(second.took)) == ({}, {"greet": timedelta(seconds=2)})


def test_each_run_is_shown_its_own_plan_also_when_more_are_asked_for_than_are_kept() -> None:
    plans = ShownPlans(Redactor())
    runs = [a_stored_run(f"run-{number}", summary=f"plan {number}") for number in range(200)]
    for _ in range(2):
        assert [plans.of(run, took={}).summary for run in runs] == [f"plan {number}" for number in range(200)]
