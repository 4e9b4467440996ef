"""`ue db explain`: how the database gets the rows of a statement, what that costs, and what would help."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import JsonValue

from unioneyes.cli.client import Api
from unioneyes.cli.confirm import asked_reason
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Ink, cut, result
from unioneyes.kernel.problems import BadInput, ExitCode
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_bytes, format_duration, format_share
from unioneyes.operations.database.explaining import PlanShown
from unioneyes.operations.database.plan_findings import Finding
from unioneyes.operations.database.plan_reading import PlanNode
from unioneyes.ports.environment import Facts

_QUERY_SHOWN, _CONDITION_SHOWN = 96, 80
_QUERY_ID = re.compile(r"-?\d{4,20}")


def explain(
    statement: Annotated[
        str, Parameter(allow_leading_hyphen=True, help="A query's id, as ue db slow shows it; a file with one statement; or - for what is piped in.")
    ],
    /,
    *,
    analyze: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Carry it out, once, and say what happened: only what reads, within 10 s, rolled back.")
    ] = False,
    reason: Annotated[str | None, Parameter(help="With --analyze: why, for the audit log. Asked for in production.")] = None,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Show a statement's plan, what costs most and what would help; with --analyze, how it ran.

    Without --analyze the statement is not carried out. Values are shown by neither. The plan is the one that the service's role gets.
    """
    if reason is not None and not analyze:
        raise NothingIsCarriedOut(what="nothing is carried out, so nobody asks why", remedy="add --analyze, or leave --reason out")
    body = _body(statement)
    api = Api(where)
    if analyze:
        body["reason"] = reason or _asked_reason(api)
    found = api.post("database/analyze" if analyze else "database/explain", body, PlanShown)
    result(output, found.document, lambda ink: plan_text(ink, found.value))
    return ExitCode.DONE


def plan_text(ink: Ink, shown: PlanShown) -> str:
    """Return the plan as a tree, and what is wrong with it."""
    how = f"it took {format_duration(shown.took)}, and was rolled back" if shown.took is not None else "not carried out"
    values = ", for any values" if shown.generic else ""
    tree = "\n".join(line for number, node in enumerate(shown.nodes) for line in _node(ink, node, number, shown))
    head = f"{ink.quiet(cut(shown.query, _QUERY_SHOWN))}\nas {shown.role}{values}; {how}; shares are of the {'time' if shown.analyzed else 'cost'}"
    return f"{head}\n\n{tree}\n\n{_findings(ink, shown)}"


def _node(ink: Ink, node: PlanNode, number: int, shown: PlanShown) -> Iterator[str]:
    """Yield a node's line, and one below it for what it keeps rows by."""
    indent, mark = "   " * node.depth, "└─ " if node.depth else ""
    share = f"{format_share(node.share):>7}"
    on = f" on {node.on}" if node.on else ""
    found = f" [{_numbered(shown, number)}]" if _numbered(shown, number) else ""
    line = f"{share} {'●' if node.expensive else ' '} {indent}{mark}{ink.bold(node.kind)}{on}  {_rows(node)}{found}"
    yield ink.tone(Tone.WARN, line) if node.expensive else line
    if node.condition:
        yield f"{'':10}{indent}{'   ' if node.depth else ''}{ink.quiet(('keeps ' if node.filtered else 'by ') + cut(node.condition, _CONDITION_SHOWN))}"


def _rows(node: PlanNode) -> str:
    """Return how many rows a node gives, and what else is to be known of it."""
    if node.never:
        return "never run"
    expected = f"{node.rows_expected:,.0f} rows"
    said = expected if node.rows_seen is None else f"{node.rows_seen:,.0f} rows ({node.rows_expected:,.0f} expected)"
    times = f" x {node.loops:,}" if node.loops is not None and node.loops > 1 else ""
    took = "" if node.took is None else f", {format_duration(node.took)}"
    spilled = f", {format_bytes(node.spilled * 1024)} on disk" if node.spilled else ""
    workers = f", {node.workers} workers" if node.workers else ""
    return f"{said}{times}{took}{spilled}{workers}"


def _numbered(shown: PlanShown, node: int) -> str:
    return ", ".join(str(number) for number, each in enumerate(shown.findings, start=1) if each.node == node)


def _findings(ink: Ink, shown: PlanShown) -> str:
    if not shown.findings:
        more = "" if shown.analyzed else "; --analyze also tells wrong estimates and what went to disk"
        return f"no index is seen to be missing{more}" if not shown.analyzed else "nothing is seen that would help"
    return "\n".join(_finding(ink, number, each) for number, each in enumerate(shown.findings, start=1))


def _finding(ink: Ink, number: int, found: Finding) -> str:
    return f"{ink.tone(Tone.WARN, f'[{number}] {found.what}')}\n    {found.suggestion}"


def _body(statement: str) -> dict[str, JsonValue]:
    """Return what is meant: a file where there is one of that name. Raises: NoStatement."""
    if statement == "-":
        return {"statement": _some(sys.stdin.read(), "what was piped in")}
    file = Path(statement)
    if file.is_file():
        try:
            return {"statement": _some(file.read_text(encoding="utf-8"), statement)}
        except (OSError, UnicodeDecodeError) as error:
            raise NoStatement(what=f"{statement} can't be read: {error}", remedy="name a file with one statement, in UTF-8") from None
    if _QUERY_ID.fullmatch(statement):
        return {"query_id": statement}
    raise NoStatement(
        what=f"{statement!r} is neither a file nor a query's id", remedy="ue db slow shows ids; or pipe a statement in: echo 'SELECT ...' | ue db explain -"
    )


def _some(text: str, where: str) -> str:
    if not text.strip():
        raise NoStatement(what=f"there is no statement in {where}", remedy="write one statement, such as SELECT ...")
    return text


def _asked_reason(api: Api) -> str | None:
    """Return why, from whoever types in production; None elsewhere, where nobody asks. Without a terminal the server refuses."""
    facts = api.get("environment", Facts).value
    if not facts.production or not sys.stdin.isatty():
        return None
    return asked_reason(facts, "why is it carried out") or None


class NoStatement(BadInput):
    """There is nothing to explain."""


class NothingIsCarriedOut(BadInput):
    """What was asked for carries nothing out."""
