"""A plan of PostgreSQL as a list of nodes in the order of reading, each with its own share of the whole. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from unioneyes.kernel.problems import Problem

EXPENSIVE = 0.2
"""Share of the whole, 0-1, from which on a node is worth a look."""
_LARGEST_SPILL = 2**40
"""KiB: no disk holds more."""
_LONGEST_MS = 1e14
"""3,000 years: no statement runs longer, and a `timedelta` holds it."""
_LARGEST = 1e60
"""What no server counts to: the product of a few of these is a number still."""
_JOINS = {"Nested Loop"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNode:
    """One step of a plan, with what it does by itself."""

    depth: int
    """0 of the one that gives the answer; those below it are one deeper."""
    kind: str
    """`Seq Scan`, `Hash Join`, ..."""
    on: str
    """What it reads: `public.members`, `members_pkey of public.members`; empty where only other nodes."""
    condition: str
    """What it keeps rows by, with `?` in place of each value; empty where it keeps all."""
    filtered: bool
    """True where rows are read first and thrown away by the condition then, and not found by it."""
    share: float
    """Its own part, without those below it, 0-1: of the time where the statement was carried out, else of the cost."""
    rows_expected: float
    """Of each time that it is run."""
    rows_seen: float | None
    """The same, where the statement was carried out; None where not, or where it was never run."""
    loops: int | None
    """How often it was run; with parallel workers, by all of them."""
    took: timedelta | None
    """With those below it, in all loops."""
    thrown_away: float | None
    """Rows that the condition threw away, each time."""
    spilled: int
    """KiB that it wrote to disk, for it had no room in memory; 0 where it did not, or nobody knows."""
    workers: int
    """How many were planned to help."""
    never: bool
    """True where the statement was carried out, and this was not needed."""

    @property
    def expensive(self) -> bool:
        """True where it is worth a look."""
        return self.share >= EXPENSIVE


class UnreadablePlan(Problem):
    """The server answered with something that is no plan."""


def read_plan(document: JsonValue) -> tuple[PlanNode, ...]:
    """Return the nodes of what `EXPLAIN (FORMAT JSON)` answered, each before those below it; their shares add up to 1. Raises: UnreadablePlan."""
    root = document[0].get("Plan") if isinstance(document, list) and document and isinstance(document[0], dict) else None
    if not isinstance(root, dict):
        raise UnreadablePlan(what="PostgreSQL's answer holds no plan", remedy="try again; ue db psql asks it directly")
    analyzed = "Actual Loops" in root
    return tuple(_nodes(root, depth=0, allotted=1.0, analyzed=analyzed))


def _nodes(node: Mapping[str, JsonValue], *, depth: int, allotted: float, analyzed: bool) -> Iterator[PlanNode]:
    """Yield a node and those below it, of which each gets as much of `allotted` as its part of the weight; what is left is the node's own."""
    below = [each for each in _list(node, "Plans") if isinstance(each, dict)]
    mine, theirs = _weight(node, analyzed=analyzed), _weights(node, below, analyzed=analyzed)
    whole = max(mine, sum(theirs))  # a LIMIT costs less than what it stops in its middle
    parts = [allotted * each / whole if whole > 0 else 0.0 for each in theirs]
    yield _node(node, depth=depth, share=max(allotted - sum(parts), 0.0), analyzed=analyzed)
    for each, part in zip(below, parts, strict=True):
        yield from _nodes(each, depth=depth + 1, allotted=part, analyzed=analyzed)


def _weight(node: Mapping[str, JsonValue], *, analyzed: bool) -> float:
    """Return the time of all loops of a node with those below it, or its cost of one."""
    return _number(node, "Actual Total Time") * _number(node, "Actual Loops") if analyzed else _number(node, "Total Cost")


def _weights(node: Mapping[str, JsonValue], below: list[dict[str, JsonValue]], *, analyzed: bool) -> list[float]:
    """Return the weights of those below: the inner side of a nested loop is run once for each row of the outer one."""
    weights = [_weight(each, analyzed=analyzed) for each in below]
    if not analyzed and node.get("Node Type") in _JOINS:
        outer = max((_number(each, "Plan Rows") for each in below if each.get("Parent Relationship") == "Outer"), default=1.0)
        weights = [weight * max(outer, 1.0) if each.get("Parent Relationship") == "Inner" else weight for each, weight in zip(below, weights, strict=True)]
    return weights


def _node(node: Mapping[str, JsonValue], *, depth: int, share: float, analyzed: bool) -> PlanNode:
    loops = _number(node, "Actual Loops")
    filters = _text(node, "Filter") or _text(node, "Join Filter")
    ran = analyzed and loops > 0
    return PlanNode(
        depth=depth,
        kind=_kind(node),
        on=_on(node),
        condition=filters or next((_text(node, name) for name in node if name.endswith(" Cond")), ""),
        filtered=bool(filters),
        share=share,
        rows_expected=_number(node, "Plan Rows"),
        rows_seen=_number(node, "Actual Rows") if ran else None,
        loops=int(loops) if analyzed else None,
        took=timedelta(milliseconds=min(_number(node, "Actual Total Time") * loops, _LONGEST_MS)) if ran and "Actual Total Time" in node else None,
        thrown_away=_number(node, "Rows Removed by Filter") + _number(node, "Rows Removed by Join Filter") if ran and filters else None,
        spilled=_spilled(node),
        workers=int(_number(node, "Workers Planned")),
        never=analyzed and loops == 0,
    )


def _kind(node: Mapping[str, JsonValue]) -> str:
    """Return what a node is, as EXPLAIN's text says it: `Parallel Seq Scan`, `Hash Left Join`, `Partial HashAggregate`."""
    kind, join = _text(node, "Node Type"), _text(node, "Join Type")
    if kind == "Aggregate":
        kind = {"Hashed": "HashAggregate", "Sorted": "GroupAggregate", "Mixed": "MixedAggregate"}.get(_text(node, "Strategy"), kind)
    elif kind == "ModifyTable":
        kind = _text(node, "Operation") or kind
    if join and join != "Inner":
        kind = f"{kind.removesuffix(' Join')} {join} Join"
    partial = _text(node, "Partial Mode")
    parallel = "Parallel " if node.get("Parallel Aware") is True else ""
    return f"{parallel}{f'{partial} ' if partial in {'Partial', 'Finalize'} else ''}{kind}"


def _on(node: Mapping[str, JsonValue]) -> str:
    relation = ".".join(part for part in (_text(node, "Schema"), _text(node, "Relation Name")) if part)
    other = _text(node, "CTE Name") or _text(node, "Function Name") or _text(node, "Subplan Name")
    index = _text(node, "Index Name")
    return f"{index} of {relation}" if index and relation else index or relation or other


def _spilled(node: Mapping[str, JsonValue]) -> int:
    """Return the KiB that a sort or a hash wrote to disk: that of the workers too."""
    workers = [each for each in _list(node, "Workers") if isinstance(each, dict)]
    sorts = sum(_number(each, "Sort Space Used") for each in (node, *workers) if each.get("Sort Space Type") == "Disk")
    hashes = sum(_number(each, "Disk Usage") for each in (node, *workers))
    batched = _number(node, "Peak Memory Usage") * _number(node, "Hash Batches") if _number(node, "Hash Batches") > 1 else 0.0
    return int(min(sorts + hashes + batched, _LARGEST_SPILL))


def _number(node: Mapping[str, JsonValue], name: str) -> float:
    value = node.get(name)
    return float(min(max(value, 0), _LARGEST)) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _text(node: Mapping[str, JsonValue], name: str) -> str:
    value = node.get(name)
    return value if isinstance(value, str) else ""


def _list(node: Mapping[str, JsonValue], name: str) -> list[JsonValue]:
    value = node.get(name)
    return value if isinstance(value, list) else []
