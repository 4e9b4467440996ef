"""What of a release's migrations may be done, and what is known of those that were."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, TypeAdapter

from unioneyes.cli.migratetexts import migrated_text, migrating_lines, standing_text
from unioneyes.cli.output import Ink
from unioneyes.kernel.status import RunStatus
from unioneyes.operations.database.migrating_lint import NO_ROLLBACK, LintBlocks, UnknownRule, lint_gate, require_accepted, require_found, without_way_back
from unioneyes.operations.database.migrating_model import AppliedBy, Migrated, MigrationLine, MigrationsView
from unioneyes.operations.database.migrating_rules import (
    NeedsMaintenance,
    TooFewApplied,
    applied_by,
    newest,
    require_served,
    size_readings,
    steps_back,
    tables_of,
    view,
)
from unioneyes.ports.checklist import GateState
from unioneyes.ports.database import Blocks, LedgerRow, LintFinding, Loss, LossKind, Migration, Risk, Standing, TableSize
from unioneyes.ports.releases import Release
from unioneyes.runbook.views import RunView

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
PLAIN = Ink(colour=False)
MIGRATION = Migration(tag="0001_more", sha256="0" * 64, when=1, sql="", rollback_sql="DROP TABLE t", transactional=True, needs_maintenance=False)
BLOCKING = LintFinding(tag="0001_more", rule="changing-column-type", line=3, message="It rewrites.", blocks=True)
WARNING = replace(BLOCKING, rule="prefer-text-field", blocks=False)
RISK = Risk(
    tag="0001_more",
    line=3,
    statement="ALTER TABLE claims ALTER COLUMN n TYPE bigint",
    table="claims",
    lock="ACCESS EXCLUSIVE",
    blocks=Blocks.ALL,
    rewrites=True,
    scans=True,
)


def run(name: str, *, at: datetime | None, migrations: list[str] | None) -> RunView:
    result: JsonValue = None if migrations is None else {"migrations": [*migrations]}
    return RunView(
        id=name,
        runbook="database.migrate",
        summary="",
        status=RunStatus.DONE,
        requested_by=f"by-{name}",
        created_at=AT,
        started_at=AT,
        ended_at=at,
        step=None,
        choices=(),
        worker=None,
        parent=None,
        request=None,
        plan_hash="",
        result=result,
        problem=None,
    )


def row(number: int, tag: str | None) -> LedgerRow:
    return LedgerRow(id=number, tag=tag, sha256=f"{number}" * 64, created_at=AT)


def seen(*tags: str | None) -> MigrationsView:
    lines = tuple(MigrationLine(row=row(number, tag), applied=None, ahead=False) for number, tag in enumerate(tags))
    return MigrationsView(version="1.1.0", serving=("1.0.0",), lines=lines, pending=(), drift=(), unfinished=None)


def test_what_blocks_holds_the_run_until_each_rule_of_it_is_accepted() -> None:
    require_accepted((WARNING,), ())
    with pytest.raises(LintBlocks, match=r"0001_more\.sql:3: It rewrites\. \(changing-column-type\) \(and 1 more\)") as caught:
        require_accepted((BLOCKING, WARNING, replace(BLOCKING, rule="ban-drop-database")), ())
    assert caught.value.remedy.endswith("--accept changing-column-type --accept ban-drop-database")
    require_accepted((BLOCKING, WARNING), ("changing-column-type",))


def test_the_gate_says_what_blocks_and_what_was_accepted() -> None:
    assert [lint_gate(found, ()).state for found in ((), (WARNING,), (BLOCKING,))] == [GateState.PASSED, GateState.PASSED, GateState.FAILED]
    assert "--accept changing-column-type" in lint_gate((BLOCKING,), ()).remedy
    assert lint_gate((BLOCKING,), ("changing-column-type",)).state is GateState.PASSED


def test_a_rule_that_nothing_breaks_is_not_accepted_in_vain() -> None:
    require_found((BLOCKING,), ("changing-column-type",))
    with pytest.raises(UnknownRule, match="nothing here breaks the rule changing-colum-type"):
        require_found((BLOCKING,), ("changing-colum-type",))


def test_a_migration_without_a_rollback_file_is_found() -> None:
    assert without_way_back((MIGRATION,)) == ()
    (found,) = without_way_back((MIGRATION, replace(MIGRATION, tag="0002_gone", rollback_sql=None)))
    assert (found.tag, found.rule, found.blocks) == ("0002_gone", NO_ROLLBACK, True)


def test_what_needs_maintenance_goes_by_a_deployment() -> None:
    require_served((MIGRATION,), "1.1.0")
    with pytest.raises(NeedsMaintenance, match="0001_more says that nobody may be served") as caught:
        require_served((replace(MIGRATION, needs_maintenance=True),), "1.1.0")
    assert "ue deploy start 1.1.0 --migrate" in caught.value.remedy


def test_the_run_that_ended_last_is_the_one_that_applied_it() -> None:
    runs = (
        run("later", at=AT + timedelta(hours=2), migrations=["0001_more"]),
        run("first", at=AT, migrations=["0000_initial", "0001_more"]),
        run("under-way", at=None, migrations=["0000_initial"]),
        run("failed", at=AT + timedelta(hours=3), migrations=None),
    )
    assert applied_by(runs) == {
        "0000_initial": AppliedBy(run="first", by="by-first", at=AT),
        "0001_more": AppliedBy(run="later", by="by-later", at=AT + timedelta(hours=2)),
    }


def test_the_newest_release_is_an_honest_one_where_there_is_one() -> None:
    good = Release(version="1.0.0", fault=None, migration=None, schema="0000")
    bad = replace(good, version="1.1.0-wrong", fault="wrong")
    assert [newest((good, bad)), newest((bad,)), newest((bad, good))] == ["1.0.0", "1.1.0-wrong", "1.0.0"]


@given(applied=st.integers(min_value=0, max_value=6), steps=st.integers(min_value=-2, max_value=8))
def test_steps_back_leave_so_many_less_and_at_least_one(applied: int, steps: int) -> None:
    tags = [f"{number:04d}_m" for number in reversed(range(applied))]
    if steps == 1:
        assert steps_back(seen(*tags), steps) is None
    elif 1 < steps < applied:
        assert steps_back(seen(*tags), steps) == f"{applied - steps - 1:04d}_m"
    else:
        with pytest.raises(TooFewApplied):
            steps_back(seen(*tags), steps)


def test_a_row_without_a_name_is_nothing_to_go_back_to() -> None:
    with pytest.raises(TooFewApplied):
        steps_back(seen("0002", "0001", None), 2)


def test_sizes_are_readings_where_the_table_is_there() -> None:
    risks = (RISK, replace(RISK, line=4), replace(RISK, table=None), replace(RISK, table="members"))
    assert tables_of(risks) == ("claims", "members")
    sizes = (
        TableSize(table="claims", rows=1_204_332, bytes=310 << 20),
        TableSize(table="nosuch", rows=None, bytes=0),
        TableSize(table="b", rows=None, bytes=1),
    )
    assert [(reading.name, reading.value) for reading in size_readings(sizes)] == [
        ("claims", "about 1,204,332 rows, 310.0 MiB"),
        ("b", "rows unknown (never analysed), 1 B"),
    ]


def test_the_standing_is_told_with_who_applied_what() -> None:
    standing = Standing(
        version="1.1.0", rows=(row(2, "0001_more"), row(1, None)), pending=("0002_next",), drift=("0001_more was edited",), ahead=(2,), unfinished="0002_next"
    )
    told = standing_text(PLAIN, view(standing, {"0001_more": AppliedBy(run="database-1", by="ann", at=AT - timedelta(minutes=3))}, ()), AT)
    assert told.splitlines() == [
        "ID  MIGRATION              WRITTEN     APPLIED    BY   RUN",
        "2   0001_more              2026-02-09  3 min ago  ann  database-1",
        "1   unknown, 111111111111  2026-02-09  -          -    -",
        "",
        "compared with  1.1.0; members get nothing",
        "pending        1: 0002_next",
        "ahead of it    1 migrations that 1.1.0 does not know",
        "unfinished     ✘ 0002_next: ue db migrate apply goes on with it",
        "✘ drift: 0001_more was edited",
    ]


def test_a_plan_tells_what_holds_members_up_and_counts_the_rest() -> None:
    quiet = replace(RISK, line=9, blocks=Blocks.NOBODY, rewrites=False, scans=False, note="the table is new")
    unknown = replace(RISK, line=5, statement="DO", table=None, lock=None, blocks=None, rewrites=None, scans=None, note="can't be told")
    details: JsonValue = {
        "risks": TypeAdapter(tuple[Risk, ...]).dump_python((RISK, unknown, quiet), mode="json"),
        "migrations": TypeAdapter(tuple[Migration, ...]).dump_python((MIGRATION,), mode="json"),
        "findings": TypeAdapter(tuple[LintFinding, ...]).dump_python((BLOCKING, WARNING), mode="json"),
        "losses": TypeAdapter(tuple[Loss, ...]).dump_python((Loss(migration="0001_more", kind=LossKind.TABLE, what="t", rows=None),), mode="json"),
        "accepted": ["prefer-text-field"],
    }
    assert list(migrating_lines(PLAIN, details))[1:] == [
        "\n0001_more.sql (has a rollback file)",
        (
            "LINE  STATEMENT                                 LOCK              WHO WAITS         TABLE IS\n"
            "3     ALTER TABLE claims ALTER COLUMN n TYPE …  ACCESS EXCLUSIVE  reads and writes  rewritten\n"
            "5     DO                                        unknown           unknown           unknown"
        ),
        "  1 more statement: nobody waits, and no table is read whole",
        "  line 5: can't be told",
        "  ✘ changing-column-type, line 3: It rewrites.",
        "  ! prefer-text-field, line 3: It rewrites. (accepted)",
        "  ! taking 0001_more back drops t: what members write there is lost",
    ]
    assert list(migrating_lines(PLAIN, {"risks": "of another runbook"})) == []
    assert list(migrating_lines(PLAIN, None)) == []


def test_a_run_says_what_it_applied_and_that_no_backup_was_taken() -> None:
    took = timedelta(seconds=2)
    done = Migrated(version="1.1.0", migrations=("0001_more",), backup=None, took=took, waited_for_locks=took, ledger=(row(1, "0001_more"),))
    assert migrated_text(PLAIN, done).splitlines() == [
        "applied  0001_more",
        "took     2.0 s, of which 2.0 s waiting for locks",
        "backup   none was taken before",
        "schema   0001_more",
    ]
    assert "nothing: the schema held all that 1.1.0 needs" in migrated_text(PLAIN, replace(done, migrations=()))
