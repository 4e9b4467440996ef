"""A plan as people read it: its nodes, what is wrong with it; and which statements may be carried out for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from unioneyes.kernel.problems import Refused
from unioneyes.operations.database.plan_findings import Finding, findings
from unioneyes.operations.database.plan_reading import PlanNode, read_plan
from unioneyes.ports.plans import Explained
from unioneyes.runbook.documents.sql import read_statements, unended_at

_CARRIED_OUT = {"SELECT", "WITH", "TABLE", "VALUES"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanShown:
    """How the database would get the rows of a statement, or how it did."""

    query: str
    """With `?` or `$1` in place of each value."""
    role: str
    """Who would run it."""
    generic: bool
    """True where it is made for whatever values its parameters have."""
    analyzed: bool
    """True where the statement was carried out, and rolled back."""
    took: timedelta | None
    """How long that took; None where it was not."""
    nodes: tuple[PlanNode, ...]
    """In the order of reading: each before those below it."""
    findings: tuple[Finding, ...]
    """What makes it slow, or may."""


def plan_shown(explained: Explained) -> PlanShown:
    """Return what a plan says. Raises: UnreadablePlan."""
    nodes = read_plan(explained.document)
    return PlanShown(
        query=explained.query,
        role=explained.role,
        generic=explained.generic,
        analyzed=explained.analyzed,
        took=nodes[0].took,
        nodes=nodes,
        findings=findings(nodes, explained.tables),
    )


def require_reading(statement: str) -> None:
    """Return where the statement may be carried out: it is one, and by its words it only reads. Raises: MayWrite."""
    found = read_statements(statement)
    line = unended_at(statement)
    if line is not None:
        raise MayWrite(what=f"a quote or a comment that begins in line {line} is never ended", remedy="correct the statement")
    if len(found) != 1:
        raise MayWrite(what=f"there are {len(found)} statements, and exactly one is carried out", remedy="write one statement")
    if found[0].verb not in _CARRIED_OUT:
        raise MayWrite(what=f"{found[0].verb or 'this'} is not carried out: only SELECT, WITH, TABLE and VALUES are", remedy="explain it without --analyze")
    if not found[0].only_reads:
        raise MayWrite(
            what="it may change something: it holds a word that changes or locks, or calls a function that is not known to change nothing",
            remedy="explain it without --analyze",
        )


class MayWrite(Refused):
    """The statement may do more than read, and was not carried out."""
