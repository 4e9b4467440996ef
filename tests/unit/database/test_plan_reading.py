"""Plans as they were captured from PostgreSQL 18.4, and any others that look like them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

from unioneyes.operations.database.plan_findings import Finding, findings, indexed
from unioneyes.operations.database.plan_reading import PlanNode, UnreadablePlan, read_plan
from unioneyes.ports.plans import TableSize

FOLDER = Path(__file__).with_name("plans")
SIZES = (TableSize(name="public.members", rows=60_000), TableSize(name="public.claims", rows=90_000))


def captured(name: str) -> JsonValue:
    document: JsonValue = json.loads((FOLDER / f"{name}.json").read_text())
    return document


def read(name: str) -> tuple[PlanNode, ...]:
    return read_plan(captured(name))


def found(name: str) -> tuple[Finding, ...]:
    return findings(read(name), SIZES)


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.json")))
def test_shares_of_every_captured_plan_add_up_to_one(name: str) -> None:
    nodes = read(name)
    assert math.isclose(sum(node.share for node in nodes), 1.0, abs_tol=1e-9)
    assert all(node.share >= 0 for node in nodes)
    assert nodes[0].depth == 0
    assert any(node.expensive for node in nodes)


def test_a_table_that_is_read_whole_for_a_few_rows_lacks_an_index_equal_columns_first() -> None:
    (node,) = read("seq-scan")
    assert (node.kind, node.on, node.filtered, node.rows_seen, node.loops) == ("Seq Scan", "public.members", True, None, None)
    (one,) = found("seq-scan")
    assert one.suggestion == "CREATE INDEX CONCURRENTLY ON public.members (union_no, joined);"
    assert one.what.startswith("all of public.members is read (60,000 rows) for ")


def test_a_generic_plan_and_one_that_was_carried_out_lack_the_same_index() -> None:
    for name in ("seq-scan-generic", "seq-scan-analyzed"):
        assert [each.suggestion for each in found(name)] == ["CREATE INDEX CONCURRENTLY ON public.members (union_no);"]
    assert found("seq-scan-analyzed")[0].what == "all of public.members is read (60,000 rows) for 12 that are kept"


def test_an_index_that_is_used_is_not_missing_and_neither_is_one_on_a_small_table() -> None:
    (node,) = read("index-scan")
    assert (node.kind, node.on, node.filtered) == ("Index Scan", "members_pkey of public.members", False)
    assert "members.id" in node.condition
    assert found("index-scan") == ()
    assert findings(read("seq-scan"), (TableSize(name="public.members", rows=900),)) == ()
    assert findings(read("seq-scan"), ()) == (), "nobody knows how large it is"


def test_the_inner_side_of_a_nested_loop_costs_as_often_as_it_is_run() -> None:
    nodes = read("nested-loop")
    assert [node.kind for node in nodes] == ["Nested Loop", "Index Scan", "Index Scan"]
    assert nodes[2].share > nodes[1].share
    seen = read("nested-loop-analyzed")
    assert (seen[2].loops, seen[2].rows_seen) == (49, 1.0)
    assert found("nested-loop-analyzed") == ()


def test_what_went_to_disk_is_found_in_sorts_hashes_and_workers() -> None:
    for name in ("sort-spill", "sort-spill-parallel", "hash-join-spill"):
        spilled = [node for node in read(name) if node.spilled]
        assert spilled, name
        assert [each.suggestion for each in found(name) if "work_mem" in each.suggestion], name
    (one,) = [each for each in found("sort-spill") if "work_mem" in each.suggestion]
    assert one.what.startswith("it had no room in memory, and wrote ")
    sort = next(node for node in read("sort-spill") if node.kind == "Sort")
    assert int(one.suggestion.split("'")[1].removesuffix("MB")) * 1024 >= 2 * sort.spilled


def test_a_wrong_estimate_is_found_where_it_begins() -> None:
    nodes, found_here = read("bad-estimate"), found("bad-estimate")
    wrong = [each for each in found_here if "were expected" in each.what]
    assert len(wrong) == 1
    assert nodes[wrong[0].node].on == "public.members"
    assert wrong[0].suggestion == "ANALYZE public.members;  -- if it stays wrong: CREATE STATISTICS ON city, region FROM public.members;"
    assert "1,200 rows came where 23 were expected, 52 times more" in wrong[0].what


def test_a_limit_costs_less_than_what_it_stops() -> None:
    limit, below = read("limit")
    assert limit.kind == "Limit"
    assert below.share > 0.9


def test_parallel_scans_are_counted_over_all_workers() -> None:
    nodes = read("parallel")
    scan = next(node for node in nodes if node.kind == "Parallel Seq Scan")
    assert scan.loops is not None
    assert scan.loops > 1
    assert scan.rows_seen is not None
    assert scan.thrown_away is not None
    assert round((scan.rows_seen + scan.thrown_away) * scan.loops) == pytest.approx(60_000, abs=scan.loops)
    assert "Finalize Aggregate" in {node.kind for node in nodes}
    assert [each.suggestion for each in found("parallel") if "CREATE INDEX" in each.suggestion] == [], "no plain index finds what ends with 9"


def test_what_was_not_needed_was_never_run() -> None:
    nodes = read("never-run")
    assert [node.never for node in nodes].count(True) >= 1
    assert all(node.rows_seen is None and node.took is None for node in nodes if node.never)
    assert found("never-run") == ()


def test_writes_subplans_and_ctes_are_read_too() -> None:
    assert read("update")[0].kind == "Update"
    assert any(each.suggestion == "CREATE INDEX CONCURRENTLY ON public.claims (member);" for each in found("subplan"))
    assert any(node.on == "w" for node in read("cte-append"))


CONDITIONS = {
    "(members.union_no = ?)": ("union_no",),
    "((members.joined > ?::date) AND (members.union_no = $1))": ("union_no", "joined"),
    "(((m.city)::text = ?::text) AND (m.amount >= ?) AND (m.amount < ?))": ("city", "amount"),
    '(("Claim"."unionNo" = ?) AND ("Claim"."deletedAt" IS NULL))': ('"unionNo"', '"deletedAt"'),
    "((a = ?) OR (b = ?))": (),
    "(name ~~ ?::text)": (),
    "(lower(members.name) = ?::text)": (),
    "(members.id = ANY (?::integer[]))": ("id",),
    "(members.id <> ?)": (),
    "((members.amount + ?) > ?)": (),
    "(NOT members.open)": (),
    "((c.member = m.id) AND (c.paid = c.due))": ("member",),
    '("a AND b" = ?)': (),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_columns_of_a_condition(condition: str) -> None:
    assert indexed(condition) == CONDITIONS[condition]


NUMBERS = st.one_of(st.none(), st.integers(-5, 10**12), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3), st.booleans())
KEYS = st.sampled_from(
    [
        *("Total Cost", "Plan Rows", "Actual Total Time", "Actual Rows", "Actual Loops", "Rows Removed by Filter", "Sort Space Used", "Hash Batches"),
        *("Peak Memory Usage", "Disk Usage", "Workers Planned", "Startup Cost"),
    ]
)
TEXTS = st.dictionaries(
    st.sampled_from(["Filter", "Index Cond", "Relation Name", "Schema", "Sort Space Type", "Parent Relationship", "Strategy", "Join Type"]),
    st.sampled_from(["Disk", "Outer", "Inner", "members", "(a = ?)", "Hashed", "Left", ""]),
)
KINDS = st.sampled_from(["Seq Scan", "Nested Loop", "Sort", "Hash", "Aggregate", "ModifyTable", ""])


def nodes_of(below: st.SearchStrategy[dict[str, JsonValue]]) -> st.SearchStrategy[dict[str, JsonValue]]:
    return st.builds(
        lambda kind, numbers, texts, plans: {"Node Type": kind, **numbers, **texts, "Plans": plans},
        KINDS,
        st.dictionaries(KEYS, NUMBERS),
        TEXTS,
        st.lists(below, max_size=3),
    )


LEAVES: st.SearchStrategy[dict[str, JsonValue]] = st.builds(lambda kind, numbers: {"Node Type": kind, **numbers}, KINDS, st.dictionaries(KEYS, NUMBERS))


@example({"Actual Loops": 1e300, "Actual Total Time": 1e300, "Plans": [{"Actual Loops": 1e300, "Actual Total Time": 1e300}]})
@given(st.recursive(LEAVES, nodes_of, max_leaves=12))
def test_any_plan_is_read_with_shares_that_add_up_to_one(root: dict[str, JsonValue]) -> None:
    nodes = read_plan([{"Plan": root}])
    assert math.isclose(sum(node.share for node in nodes), 1.0, abs_tol=1e-6)
    assert all(0 <= node.share <= 1 + 1e-9 for node in nodes)
    for each in findings(nodes, SIZES):
        assert 0 <= each.node < len(nodes)
        assert each.suggestion


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=8))
def test_what_is_no_plan_says_so(document: JsonValue) -> None:
    with pytest.raises(UnreadablePlan):
        read_plan(document)


@given(st.text())
def test_any_condition_has_columns_or_none(condition: str) -> None:
    columns = indexed(condition)
    assert len(set(columns)) == len(columns)
    assert all(column in condition for column in columns)
