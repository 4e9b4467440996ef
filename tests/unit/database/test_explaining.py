"""Which statements may be carried out for their plan, and how a plan is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from unioneyes.cli.dbexplain import NoStatement, NothingIsCarriedOut, explain, plan_text
from unioneyes.cli.output import Ink
from unioneyes.operations.database.explaining import MayWrite, PlanShown, plan_shown, require_reading
from unioneyes.ports.plans import Explained, TableSize


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM members WHERE name = 'DELETE; DROP TABLE members'",
        "WITH few AS (SELECT id FROM members LIMIT 5) SELECT count(*) FROM few;",
        "TABLE members",
        "VALUES (1), (2)",
        "-- a comment; with a semicolon\nSELECT 1",
        'SELECT "update" FROM members',
    ],
)
def test_what_only_reads_may_be_carried_out(statement: str) -> None:
    require_reading(statement)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM members", "DELETE is not carried out"),
        ("EXPLAIN ANALYZE DELETE FROM members", "EXPLAIN is not carried out"),
        ("WITH gone AS (DELETE FROM members RETURNING *) SELECT * FROM gone", "may change something"),
        ("SELECT * INTO copy FROM members", "may change something"),
        ("SELECT * FROM members FOR UPDATE", "may change something"),
        ("SELECT * FROM members FOR KEY SHARE", "may change something"),
        ("SELECT pg_advisory_lock(1)", "may change something"),
        ("SELECT pg_notify('a', 'b')", "may change something"),
        ("SELECT pg_read_file('postgresql.conf')", "may change something"),
        ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "may change something"),
        ("SELECT nextval('numbers')", "may change something"),
        ("SELECT \"pg_notify\"('a', 'b')", "may change something"),
        ("SELECT 1; COMMIT; DELETE FROM members", "3 statements"),
        ("", "0 statements"),
        ("-- nothing", "0 statements"),
        ("SELECT 'unended", "never ended"),
    ],
)
def test_everything_else_may_not(statement: str, why: str) -> None:
    with pytest.raises(MayWrite, match=why):
        require_reading(statement)


def shown(*, analyzed: bool) -> PlanShown:
    times: dict[str, JsonValue] = {"Actual Total Time": 12.5, "Actual Rows": 3.0, "Actual Loops": 1, "Rows Removed by Filter": 49_997} if analyzed else {}
    scan: dict[str, JsonValue] = {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "members", "Filter": "(members.union_no = ?)", **times}
    scan |= {"Total Cost": 99.0, "Plan Rows": 10}
    root: JsonValue = {"Node Type": "Sort", "Total Cost": 100.0, "Plan Rows": 10, "Plans": [scan], **times}
    explained = Explained(
        query="SELECT ?",
        role="claims_app",
        generic=not analyzed,
        analyzed=analyzed,
        document=[{"Plan": root}],
        tables=(TableSize(name="public.members", rows=50_000),),
    )
    return plan_shown(explained)


def test_a_plan_is_shown_as_a_tree_whose_expensive_nodes_are_marked_and_say_what_would_help() -> None:
    text = plan_text(Ink(colour=False), shown(analyzed=False))
    assert text == (
        "SELECT ?\n"
        "as claims_app, for any values; not carried out; shares are of the cost\n"
        "\n"
        "  1.0 %   Sort  10 rows\n"
        " 99.0 % ●    └─ Seq Scan on public.members  10 rows [1]\n"
        "                keeps (members.union_no = ?)\n"
        "\n"
        "[1] all of public.members is read (50,000 rows) for 10 that are kept\n"
        "    CREATE INDEX CONCURRENTLY ON public.members (union_no);"
    )


def test_one_that_was_carried_out_says_how_long_it_took_and_what_came() -> None:
    text = plan_text(Ink(colour=False), shown(analyzed=True))
    assert "it took 12 ms, and was rolled back; shares are of the time" in text
    assert "Seq Scan on public.members  3 rows (10 expected), 12 ms [1]" in text


def test_what_is_no_statement_says_so_before_anybody_is_asked(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty.sql", tmp_path / "binary.sql"
    empty.write_text(" \n")
    binary.write_bytes(b"\xff\xfe")
    for named, why in ((str(empty), "no statement in"), (str(binary), "can't be read"), ("SELECT 1", "neither a file nor a query's id"), ("12", "neither")):
        with pytest.raises(NoStatement, match=why):
            explain(named)
    with pytest.raises(NothingIsCarriedOut):
        explain("4711", reason="to see")
