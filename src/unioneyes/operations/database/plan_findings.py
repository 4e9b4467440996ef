"""What is wrong with a plan, and what a person does about it: an index that is missing, an estimate that is wrong, a disk where memory would do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from unioneyes.kernel.units import format_bytes
from unioneyes.operations.database.plan_reading import PlanNode
from unioneyes.ports.plans import TableSize

LARGE = 10_000
"""Rows of a table from which on reading all of it for a few is slow."""
FEW = 0.1
"""Share of a table's rows, 0-1, up to which an index finds them faster than reading all does."""
WRONG, MANY = 10.0, 100.0
"""How many times more or fewer rows than expected are a wrong estimate, and from how many on that matters."""
_NAME = r'(?:[A-Za-z_][\w$]*|"(?:[^"]|"")+")'
_COMPARED = re.compile(
    rf"[\s(]*(?:(?P<table>{_NAME})\.)?(?P<column>{_NAME})\)*(?:::[\w \[\]]+(?:\(\d+\))?)?\)* (?P<operator>=|<=|>=|<|>|IS NULL)(?P<other>[\s)].*|)$", re.DOTALL
)
"""A bare column at the beginning of what is compared. What a function is called with is none."""
_EQUAL = {"=", "IS NULL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that makes the statement slow, or may."""

    node: int
    """Which of the plan's nodes, from 0."""
    what: str
    suggestion: str
    """What a person would do; it is not done."""


def findings(nodes: Sequence[PlanNode], tables: Iterable[TableSize]) -> tuple[Finding, ...]:
    """Return what is found in the nodes of a plan, whose tables have these sizes; in the order of the nodes."""
    sizes = {each.name: each.rows for each in tables}
    found = (*_missing_indexes(nodes, sizes), *_wrong_estimates(nodes), *_spills(nodes))
    return tuple(sorted(found, key=lambda each: each.node))


def _missing_indexes(nodes: Sequence[PlanNode], sizes: Mapping[str, int]) -> Iterator[Finding]:
    for number, node in enumerate(nodes):
        if not node.kind.endswith("Seq Scan") or not node.filtered or node.never:
            continue
        read, kept = _read_and_kept(node, sizes.get(node.on, 0))
        if read < LARGE or kept > FEW * read:
            continue
        said = f"all of {node.on} is read ({read:,.0f} rows) for {kept:,.0f} that are kept"
        columns = indexed(node.condition)
        suggestion = (
            f"CREATE INDEX CONCURRENTLY ON {node.on} ({', '.join(columns)});"
            if columns
            else f"an index on {node.on} by the expression of its condition, or by another column that tells as much"
        )
        yield Finding(node=number, what=said, suggestion=suggestion)


def _read_and_kept(node: PlanNode, rows: int) -> tuple[float, float]:
    """Return how many rows a scan reads, and how many it keeps: as it was, or else as it is expected."""
    if node.rows_seen is not None and node.thrown_away is not None:
        loops = node.loops or 1
        times = loops if node.kind.startswith("Parallel") else 1  # of which each read its part
        return (node.rows_seen + node.thrown_away) * times, node.rows_seen * times
    return float(rows), node.rows_expected


def indexed(condition: str) -> tuple[str, ...]:
    """Return the columns by which an index would find what the condition keeps: those that must be equal, and then one that is in a range.

    None where it holds an OR or a NOT, which one index does not help, or compares no bare column.
    """
    if re.search(r"\b(?:OR|NOT)\b", condition):
        return ()
    found: dict[str, bool] = {}
    for term in re.split(r"\bAND\b", condition):
        match = _COMPARED.match(term)
        if match is not None and not (match["table"] and f"{match['table']}." in match["other"]):  # compared with another column of the same row
            found[match["column"]] = found.get(match["column"], False) or match["operator"] in _EQUAL
    ranges = [column for column, equal in found.items() if not equal]
    return (*(column for column, equal in found.items() if equal), *ranges[:1])


def _wrong_estimates(nodes: Sequence[PlanNode]) -> Iterator[Finding]:
    """Yield where it begins: a node above one whose estimate is wrong is wrong because of it."""
    for number, node in enumerate(nodes):
        if (times := _off(node)) is None or any(_off(each) is not None for each in _below(nodes, number)):
            continue
        table = node.on.rpartition(" of ")[2]
        seen = node.rows_seen or 0.0
        said = f"{seen:,.0f} rows came where {node.rows_expected:,.0f} were expected, {times:,.0f} times {'more' if seen > node.rows_expected else 'fewer'}"
        columns = indexed(node.condition)
        of_columns = f"  -- if it stays wrong: CREATE STATISTICS ON {', '.join(columns)} FROM {table};" if len(columns) > 1 and "." in table else ""
        suggestion = (
            f"ANALYZE {table};{of_columns}" if "." in table else "ANALYZE the tables below it, or rewrite the condition so that its columns stand alone"
        )
        yield Finding(node=number, what=said, suggestion=suggestion)


def _off(node: PlanNode) -> float | None:
    """Return how many times a node's rows are off; None where that does not matter, or is not known."""
    if node.rows_seen is None:
        return None
    more, less = max(node.rows_seen, node.rows_expected), max(min(node.rows_seen, node.rows_expected), 1.0)
    return more / less if more >= MANY and more / less >= WRONG else None


def _below(nodes: Sequence[PlanNode], number: int) -> Iterator[PlanNode]:
    for each in nodes[number + 1 :]:
        if each.depth <= nodes[number].depth:
            return
        yield each


def _spills(nodes: Sequence[PlanNode]) -> Iterator[Finding]:
    for number, node in enumerate(nodes):
        if node.spilled > 0:
            room = 1 << max((node.spilled * 2 // 1024), 1).bit_length()
            said = f"it had no room in memory, and wrote {format_bytes(node.spilled * 1024)} to disk"
            yield Finding(
                node=number, what=said, suggestion=f"SET work_mem = '{room}MB';  -- for this statement's session; each sort and hash may take as much"
            )
