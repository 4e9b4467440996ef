"""Plans, receipts and statuses as people read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import JsonValue, TypeAdapter

from unioneyes.cli.approval import approval_text
from unioneyes.cli.options import Where
from unioneyes.cli.output import Ink
from unioneyes.cli.plans import blockers, plan_text
from unioneyes.cli.receipts import ledger_text, result_text
from unioneyes.cli.runs import next_command, request_text, run_text, runs_table
from unioneyes.cli.status import deployments_table, status_text
from unioneyes.kernel.access import Role
from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.model import Figures, Phase, Receipt, RollBack, ServedBy, Verified, Watched
from unioneyes.operations.deployment.status import ColourStatus, DeploymentStatus, DeploymentView
from unioneyes.operations.rollback.model import Afterwards, MigrationsTakenBack, Restored
from unioneyes.ports.checklist import ApprovalRule, Gate, GateState, Override
from unioneyes.ports.database import Difference, LedgerRow, Loss, LossKind, TableDifference
from unioneyes.ports.runs import RolledBack
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.freshness import Undrilled
from unioneyes.runbook.phases import PhaseState, PhaseView
from unioneyes.runbook.plan import Effect, PlannedStep, Reading
from unioneyes.runbook.views import ApprovalView, Decision, EntryKind, GateAsked, JournalEntry, PlanView, RunView

PLAIN = Ink(colour=False)
AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
GATE = Gate(name="staging-health", title="Verify staging deployment", state=GateState.WAIVED, detail="no staging; waived: a rehearsal")

PLAN = PlanView(
    runbook="deployment.start",
    summary="deploy 1.1.0 to green, blue-green",
    hash="0123abcd",
    steps=(
        PlannedStep(step="check_world", does="Nothing drifted.", effect=Effect.READ),
        PlannedStep(step="shift_traffic", does="All requests reach green.", effect=Effect.CHANGE, commands=("one \\\n  two",), undo=("back",)),
        PlannedStep(step="erase", does="Nothing is left.", effect=Effect.DESTROY, no_return=True, when="the verdict is keep"),
    ),
    readings=(Reading(name="blue-1", value="1.0.0, ready"),),
    content={"release 1.1.0": "ab" * 32},
    details={"gates": [TypeAdapter(Gate).dump_python(GATE, mode="json")], "version": "1.1.0"},
)

AFTERWARDS = Afterwards(
    incident="docs/incidents/2026-02-09-incident.md", post_mortem_due=AT + timedelta(days=1), announced=None, not_announced="the chat does not answer"
)


def run(status: RunStatus, *, runbook: str = "deployment.start", result: JsonValue = None, choices: tuple[Decision, ...] = ()) -> RunView:
    return RunView(
        id="deployment-20260209-143000-k7m2q",
        runbook=runbook,
        summary="deploy 1.1.0 to green",
        status=status,
        requested_by="engineer",
        created_at=AT,
        started_at=AT,
        ended_at=AT + timedelta(seconds=42) if status.ended else None,
        step="watch_release",
        choices=choices,
        worker="worker-1",
        parent=None,
        request={"version": "1.1.0", "migrate": False, "bake": None, "maintenance": True},
        plan_hash="0123abcd",
        result=result,
        problem=None,
    )


def receipt() -> Receipt:
    back = RolledBack(
        colour=Colour.BLUE,
        version="1.0.0",
        reason="errors: 15 %",
        deployment="deployment-20260209-143000-k7m2q",
        shifted_in=timedelta(milliseconds=9),
        healthy_in=timedelta(milliseconds=91),
        incident="docs/incidents/2026-02-09-incident.md",
        post_mortem_due=AT + timedelta(days=1),
        announced=None,
        not_announced="the chat does not answer",
    )
    return Receipt(
        version="1.1.0",
        previous="1.0.0",
        colour=Colour.GREEN,
        ends_as=RunStatus.UNDONE,
        outcome="FAILED - ROLLED BACK: errors: 15 %",
        requests=1421,
        lost=26,
        slowest_ms=75,
        served_by=(ServedBy(version="1.1.0", colour=Colour.GREEN, answers=181, errors=26),),
        switch_took=timedelta(milliseconds=13),
        watched=Watched(
            verdict=RollBack(reason="errors: 15 %"),
            new=Figures(answers=181, errors=26, slow=0, p99_ms=20),
            old=Figures(answers=0, errors=0, slow=0, p99_ms=None),
            took=timedelta(seconds=4.5),
            detected_at=AT,
        ),
        verified=Verified(checks=(GATE,)),
        rolled_back=back,
        backup=None,
        migrations=(),
        waived=("staging-health: no staging",),
        phases=(Phase(step="shift_traffic", took=timedelta(milliseconds=13)),),
    )


def test_a_dry_run_prints_steps_commands_undo_conditions_and_the_point_of_no_return() -> None:
    text = plan_text(PLAIN, PLAN)
    assert "deploy 1.1.0 to green, blue-green" in text
    assert "Verify staging deployment  ⊘ waived" in text
    assert "blue-1  1.0.0, ready" in text
    assert f"Content (SHA-256; what is carried out is this, or nothing)\n  release 1.1.0  {'ab' * 32}" in text
    assert "  2. shift_traffic  change\n     All requests reach green.\n     $ one \\\n         two\n     undo $ back" in text
    assert "  3. erase  destroy  when the verdict is keep" in text
    assert "point of no return" in text
    assert text.endswith("Nothing was changed.")


def test_a_plan_says_what_nobody_may_override_and_that_its_start_would_be_refused() -> None:
    rule = ApprovalRule(
        gate="privacy",
        title="Privacy officer agrees",
        roles=(Role.SECURITY_APPROVER,),
        needed=2,
        lasts=timedelta(hours=24),
        begins_within=timedelta(minutes=15),
        escalates_after=None,
        override=Override.NEVER,
    )
    undrilled = Undrilled(what="deployment.start was never drilled", remedy="drill it")
    text = plan_text(PLAIN, replace(PLAN, approvals=(rule,), refused=undrilled.document()))
    assert "Privacy officer agrees  2 of security-approver; counts for 1 d, begins within 15 min; never overridden" in text
    assert "✘ the start would be refused: deployment.start was never drilled\n  drill it" in text
    assert "would be refused" not in plan_text(PLAIN, PLAN)


def test_whose_yes_is_needed_is_shown_with_what_nobody_may_override() -> None:
    gate = GateAsked(gate="privacy", title="Privacy officer agrees", roles=(Role.SECURITY_APPROVER,), needed=1, granted=0, override=Override.NEVER)
    view = ApprovalView(run=run(RunStatus.AWAITING_APPROVAL), gates=(gate,), answers=(), until=AT, approved=False)
    line = next(line for line in approval_text(PLAIN, view).splitlines() if "Privacy" in line)
    assert line.split()[-1] == "never"


def test_a_checklist_that_blocks_is_shown_with_the_blockers_and_their_remedies() -> None:
    failed = Gate(name="staging-health", title="Verify staging deployment", state=GateState.FAILED, detail="staging is unhealthy", remedy="mend staging")
    unknown = Gate(name="security-sign-off", title="Security team sign-off", state=GateState.UNAVAILABLE, detail="nobody can be asked")
    gates = TypeAdapter(tuple[Gate, ...]).dump_python((GATE, failed, unknown), mode="json")
    plan = PlanView(runbook="deployment.start", summary="deploy 1.1.0", hash="", steps=(), readings=(), details={"gates": gates})
    text = plan_text(PLAIN, plan)
    assert blockers(plan) == (failed, unknown)
    assert "Verify staging deployment  ✘ failed       staging is unhealthy" in text
    assert "2 of them block: the start would be refused" in text
    assert "  Verify staging deployment  mend staging" in text
    assert "  Security team sign-off     nobody can be asked" in text


def test_a_checklist_whose_gates_are_waived_blocks_nothing() -> None:
    assert blockers(PLAN) == ()
    assert "the start would be refused" not in plan_text(PLAIN, PLAN)


def test_a_plan_without_a_checklist_is_shown_without_one() -> None:
    bare = PlanView(runbook="x", summary="x", hash="", steps=(), readings=(), details={"gates": "something else"})
    assert "Checklist" not in plan_text(PLAIN, bare)


def test_a_receipt_shows_what_was_measured_beside_what_was_promised() -> None:
    text = result_text(PLAIN, "deployment.start", TypeAdapter(Receipt).dump_python(receipt(), mode="json"))
    assert text.startswith("FAILED - ROLLED BACK: errors: 15 %")
    assert "1,421 answered, 26 lost" in text
    assert "roll-back, errors: 15 % (14.4 % of 181 failed, P99 20 ms; beside it no answers)" in text
    assert "traffic back in  9 ms (promised: 5 min)" in text
    assert "not announced: the chat does not answer" in text
    assert "shift_traffic  13 ms  -" in text
    assert "all of them    13 ms  30 min" in text


def test_each_phase_stands_beside_its_promise() -> None:
    took = timedelta(seconds=4)
    whole = replace(receipt(), phases=tuple(Phase(step=step, took=took) for step in ("smoke_test", "watch_release", "rollback.traffic")))
    document = TypeAdapter(Receipt).dump_python(whole, mode="json")
    asked = [line.split(maxsplit=3)[-1] for line in result_text(PLAIN, "deployment.start", document, request={"bake": "PT30S"}).splitlines()[-4:]]
    usual = [line.split(maxsplit=3)[-1] for line in result_text(PLAIN, "deployment.start", document).splitlines()[-4:]]
    assert asked == ["-", "30 s", "5 min", "12 s   30 min"]
    assert usual == ["-", "10 min", "5 min", "12 s   30 min"]


def applied(ledger: JsonValue) -> JournalEntry:
    data: dict[str, JsonValue] = {"result": {"tags": ["0001_claim_deadlines"], "ledger": ledger}}
    return JournalEntry(seq=3, run_id="deployment-1", at=AT, kind=EntryKind.STEP_DONE, step="apply_migrations", message="", data=data)


def test_after_migrations_the_last_rows_of_the_ledger_are_shown() -> None:
    rows: list[JsonValue] = [
        {"id": number, "tag": f"{number:04}_step", "sha256": "ab" * 32, "created_at": "2026-02-09T14:30:00Z"} for number in range(7, 0, -1)
    ]
    lines = ledger_text(PLAIN, [applied(rows)]).splitlines()
    assert lines[0] == "Migration ledger, its last rows"
    assert [line.split()[1] for line in lines[2:]] == ["0007_step", "0006_step", "0005_step", "0004_step", "0003_step"]
    assert run_text(PLAIN, run(RunStatus.UNDONE), [applied(rows)]).endswith(lines[-1])


TAKEN_BACK = JournalEntry(seq=4, run_id="deployment-1", at=AT, kind=EntryKind.UNDO_DONE, step="apply_migrations", message="", data={})


@pytest.mark.parametrize("journal", [[], [applied(None)], [applied([])], [applied([{"id": 1, "tag": "0001_step"}]), TAKEN_BACK]])
def test_without_migrations_no_ledger_is_shown(journal: list[JournalEntry]) -> None:
    assert ledger_text(PLAIN, journal) == ""


@pytest.mark.parametrize(
    ("status", "choices", "command"),
    [
        (RunStatus.PARKED, (Decision.RETRY, Decision.UNDO), 'ue run resume {id} --retry|--undo --reason "..."'),
        (
            RunStatus.HELD,
            (Decision.GO, Decision.SKIP, Decision.UNDO),
            'ue deploy promote {id}, or back: ue rollback traffic --reason "..."',
        ),
        (RunStatus.HELD, (Decision.GO, Decision.UNDO), 'ue run resume {id} --go|--undo --reason "..."'),
        (RunStatus.HELD, (), "ue freeze list"),
    ],
)
def test_a_run_that_waits_offers_only_the_choices_that_it_has(status: RunStatus, choices: tuple[Decision, ...], command: str) -> None:
    waiting = run(status, choices=choices)
    assert next_command(waiting, Where()) == command.format(id=waiting.id)


def test_a_result_of_another_runbook_is_shown_as_it_is() -> None:
    assert result_text(PLAIN, "your.own", {"found": 3}) == '{\n  "found": 3\n}'
    assert result_text(PLAIN, "deployment.start", None) == ""


def test_a_run_says_where_it_is_and_how_long_it_took() -> None:
    text = run_text(PLAIN, run(RunStatus.FAILED))
    assert "status   ✘ failed" in text
    assert "took     42 s" in text
    assert "step     watch_release" in text


def test_many_runs_are_one_line_each() -> None:
    lines = runs_table(PLAIN, [run(RunStatus.DONE), run(RunStatus.RUNNING)]).splitlines()
    assert len(lines) == 3
    assert "✔ done" in lines[1]
    assert "watch_release" not in lines[1]
    assert "watch_release" in lines[2]


def test_of_a_request_only_what_was_said_is_shown() -> None:
    assert request_text({"version": "1.1.0", "migrate": False, "bake": None, "maintenance": True}) == "version=1.1.0, maintenance=true"


@pytest.mark.parametrize(
    ("status", "command"),
    [
        (RunStatus.DONE, "ue deploy status"),
        (RunStatus.RUNNING, "ue run watch"),
        (RunStatus.PARKED, "ue run resume"),
        (RunStatus.UNDONE, "ue run logs"),
        (RunStatus.UNDO_FAILED, "ue run logs"),
    ],
)
def test_every_end_names_the_next_command(status: RunStatus, command: str) -> None:
    assert next_command(run(status), Where(env="staging")).startswith(command)
    assert next_command(run(status), Where(env="staging")).endswith("--env staging")


def deployment() -> DeploymentView:
    return DeploymentView(
        run_id="deployment-20260209-143000-k7m2q",
        version="1.1.0",
        previous="1.0.0",
        colour=Colour.GREEN,
        status=RunStatus.RUNNING,
        words="DEPLOYING",
        outcome="",
        requested_by="engineer",
        created_at=AT,
        started_at=AT,
        ended_at=None,
        phases=(PhaseView(step="watch_release", does="There is a verdict.", when="", state=PhaseState.RUNNING, took=None, message="446 answers"),),
        rollback_takes=timedelta(milliseconds=34),
        watch_left=timedelta(seconds=29),
        problem=None,
    )


def colour(name: Colour, *, known: bool) -> ColourStatus:
    return ColourStatus(
        colour=name,
        version="1.0.0" if known else None,
        replicas=2 if known else None,
        ready=1 if known else None,
        weight=100 if known else None,
        requests_per_s=0.0 if known else None,
        error_rate=None,
        p99_ms=None,
    )


def test_the_status_names_the_time_that_a_rollback_takes_and_no_data_as_no_data() -> None:
    status = DeploymentStatus(
        environment="local",
        service="unioneyes-web",
        at=AT,
        serving="1.0.0",
        maintenance=True,
        colours=(colour(Colour.BLUE, known=True), colour(Colour.GREEN, known=False)),
        current=deployment(),
        lock=None,
        unavailable=("the data plane does not answer",),
    )
    text = status_text(PLAIN, status)
    assert "local: 1.0.0 serves  ‖ maintenance" in text
    assert "rollback  now takes about 34 ms" in text
    assert "watch     29 s left" in text
    assert "? the data plane does not answer" in text
    blue, green = (line.split() for line in text.splitlines() if line.startswith(("blue", "green")))
    assert blue == ["blue", "1.0.0", "1/2", "100", "%", "0.0", "-", "-", *["no", "data"], "-", "-"]
    assert green == ["green", "-", *["no", "data"] * 3, "-", "-", *["no", "data"], "-", "-"]


def test_deployments_are_one_line_each() -> None:
    assert "▶ DEPLOYING" in deployments_table(PLAIN, [deployment()])
    assert deployments_table(PLAIN, []) == "nothing was deployed yet"


def test_a_migration_that_was_taken_back_shows_the_ledger_s_last_rows_and_what_was_lost() -> None:
    done = MigrationsTakenBack(
        tags=("0001_claim_deadlines",),
        stays="0000_initial",
        losses=(Loss(migration="0001_claim_deadlines", kind=LossKind.COLUMN, what="claims.deadline", rows=1204),),
        backup="before_rollback_20260209_143000",
        ledger=(LedgerRow(id=1, tag="0000_initial", sha256="ab" * 32, created_at=AT),),
        healthy_in=timedelta(seconds=9),
        afterwards=AFTERWARDS,
    )
    text = result_text(PLAIN, "rollback.migration", TypeAdapter(MigrationsTakenBack).dump_python(done, mode="json"))
    assert "claims.deadline: 1,204 rows held a value" in text
    assert "1   0000_initial  abababababab" in text
    assert "promised: 5 min" in text


def test_a_restore_shows_what_is_kept_aside_and_how_it_is_dropped() -> None:
    done = Restored(
        backup="backup_1",
        taken_at=AT,
        database="unioneyes",
        kept="unioneyes_before_restore_20260209_143000",
        difference=Difference(tables=(TableDifference(table="claims", only_live=1204, only_backup=3),), columns=("claims.deadline",)),
        drop="dropdb unioneyes_before_restore_20260209_143000",
        closed_for=timedelta(seconds=4),
        healthy_in=timedelta(seconds=20),
        afterwards=AFTERWARDS,
    )
    text = result_text(PLAIN, "rollback.restore", TypeAdapter(Restored).dump_python(done, mode="json"))
    assert "claims  1,204            3" in text
    assert "dropdb unioneyes_before_restore_20260209_143000" in text
    assert "claims.deadline is in unioneyes_before_restore_20260209_143000 only" in text
    assert "not announced: the chat does not answer" in text


def test_a_plan_that_can_not_be_undone_says_which_name_to_type() -> None:
    assert "--confirm unioneyes" in plan_text(PLAIN, replace(PLAN, confirm="unioneyes"))
    assert "--confirm" not in plan_text(PLAIN, PLAN)
