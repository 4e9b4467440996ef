"""The receipt: only what was measured, and nothing that was taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.model import DeployPlan, Receipt, Started, Switched
from unioneyes.operations.deployment.receipt import began, receipt
from unioneyes.ports.database import MigrationsApplied
from unioneyes.ports.traffic import Colour, ColourCounters, Counters
from unioneyes.runbook.codec import encode
from unioneyes.runbook.views import EntryKind, JournalEntry

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
RUN = "deployment-20260209-143000-k7m2q"
PLAN = DeployPlan(
    summary="deploy 1.1.0 to green",
    steps=(),
    readings=(),
    version="1.1.0",
    previous="1.0.0",
    colour=Colour.GREEN,
    replicas=2,
    ready_within=timedelta(seconds=60),
    configuration={},
    migrations=(),
    backup=True,
    maintenance=False,
    bake=timedelta(minutes=10),
    auto_rollback=True,
    gates=(),
)
NOTHING = ColourCounters(answers_2xx=0, answers_3xx=0, answers_4xx=0, answers_5xx=0, active=0, healthy=2, replicas=2, latency=((50.0, 0), (100.0, 0)), timed=0)


def counted(at: datetime, *, blue: ColourCounters, green: ColourCounters) -> Counters:
    return Counters(at=at, blue=blue, green=green, preview_blue=NOTHING, preview_green=NOTHING)


STARTED = Started(at=AT, counters=counted(AT, blue=replace(NOTHING, answers_2xx=1000), green=NOTHING))
SWITCHED = Switched(at=AT, took=timedelta(milliseconds=12), before=STARTED.counters, revision="1")
LATER = counted(
    AT + timedelta(minutes=1),
    blue=replace(NOTHING, answers_2xx=1300),
    green=replace(NOTHING, answers_2xx=80, answers_5xx=20, latency=((50.0, 90), (100.0, 100)), timed=100),
)
APPLIED = MigrationsApplied(tags=("0001_claim_deadlines",), took=timedelta(milliseconds=20), waited_for_locks=timedelta(0), ledger=())


def entry(kind: EntryKind, step: str, result: JsonValue = None, *, run_id: str = RUN) -> JournalEntry:
    return JournalEntry(seq=1, run_id=run_id, at=AT, kind=kind, step=step, message="", data={"took_s": 0.5, "result": result})


BEGAN = entry(EntryKind.STEP_DONE, "check_world", encode(STARTED, Started))
MIGRATED = entry(EntryKind.STEP_DONE, "apply_migrations", encode(APPLIED, MigrationsApplied))
SHIFTED = entry(EntryKind.STEP_DONE, "shift_traffic", encode(SWITCHED, Switched))


def written(*story: JournalEntry, counters: Counters | None = LATER) -> Receipt:
    return receipt(PLAN, story, RUN, started=STARTED, counters=counters, ends_as=RunStatus.UNDONE, outcome="")


def test_a_deployment_that_did_not_look_at_the_world_has_nothing_to_show() -> None:
    assert began((), RUN) is None
    assert began((BEGAN,), RUN) == STARTED


def test_each_version_is_counted_from_where_the_deployment_began() -> None:
    seen = written(BEGAN)
    assert [(one.version, one.answers, one.errors) for one in seen.served_by] == [("1.0.0", 300, 0), ("1.1.0", 100, 20)]
    assert (seen.requests, seen.lost, seen.slowest_ms) == (400, 20, 100.0)


def test_what_a_version_answered_is_not_forgotten_where_its_counters_end_with_it() -> None:
    before = counted(AT + timedelta(seconds=30), blue=replace(NOTHING, answers_2xx=1290, answers_5xx=2), green=NOTHING)
    switched = entry(EntryKind.STEP_DONE, "shift_traffic", encode(replace(SWITCHED, before=before), Switched))
    seen = written(BEGAN, switched, counters=replace(LATER, blue=NOTHING))
    assert [(one.version, one.answers, one.errors) for one in seen.served_by] == [("1.0.0", 292, 2), ("1.1.0", 100, 20)]
    assert (seen.lost, seen.slowest_ms) == (22, 100.0)


def test_what_the_data_plane_does_not_say_is_unknown_and_not_zero() -> None:
    seen = written(BEGAN, counters=None)
    assert (seen.requests, seen.lost, seen.slowest_ms, seen.served_by) == (None, None, None, ())


def test_a_deployment_that_ended_before_the_switch_shows_no_switch() -> None:
    assert written(BEGAN).switch_took is None
    assert written(BEGAN, SHIFTED).switch_took == timedelta(milliseconds=12)


def test_only_migrations_that_stand_are_shown() -> None:
    assert written(BEGAN, MIGRATED).migrations == ("0001_claim_deadlines",)
    assert written(BEGAN, MIGRATED, entry(EntryKind.UNDO_DONE, "apply_migrations")).migrations == ()


def test_a_step_that_was_done_twice_counts_by_its_last_result() -> None:
    again = entry(EntryKind.STEP_DONE, "shift_traffic", encode(replace(SWITCHED, took=timedelta(milliseconds=40)), Switched))
    assert written(BEGAN, SHIFTED, again).switch_took == timedelta(milliseconds=40)


def test_the_steps_of_a_child_run_are_not_phases_of_the_deployment() -> None:
    child = entry(EntryKind.STEP_DONE, "shift_traffic_back", run_id=f"{RUN}.1")
    assert [phase.step for phase in written(BEGAN, child).phases] == ["check_world"]
