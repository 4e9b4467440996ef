"""`ue runbook lint`: what is dangerous or meaningless in a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from pydantic import JsonValue, TypeAdapter

from unioneyes.cli.options import EVERYWHERE, HERE, Format, Output, Where
from unioneyes.cli.output import Cell, Ink, result, table
from unioneyes.cli.own_files import read_file
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.status import Tone
from unioneyes.runbook.documents.lint.checks import lint
from unioneyes.runbook.documents.lint.finding import Finding, Severity
from unioneyes.runbook.documents.markdown import read_document
from unioneyes.runbook.documents.sarif import sarif

VERSION = 1
"""Of the JSON that is printed; another number when a field is gone, or means something else."""
_LOOKS = {Severity.ERROR: ("✘", Tone.BAD), Severity.WARNING: ("‖", Tone.WARN), Severity.NOTE: ("·", Tone.QUIET)}


class LintFormat(StrEnum):
    """How findings are printed."""

    TABLE = "table"
    """For people."""
    JSON = "json"
    JSONL = "jsonl"
    """One finding per line."""
    SARIF = "sarif"
    """SARIF 2.1.0, for code hosts and editors."""


@Parameter(name="*", group=EVERYWHERE)
@dataclass(frozen=True, slots=True, kw_only=True)
class LintOutput:
    """How and where findings are printed."""

    output: Annotated[LintFormat, Parameter(name=("--output", "-o"), group=EVERYWHERE)] = LintFormat.TABLE
    """Form of the result: a table for people, JSON or SARIF for programs."""
    to: Annotated[Path | None, Parameter(group=EVERYWHERE)] = None
    """Write the result to this file."""


PRINTED = LintOutput()


def lint_document(file: str, /, *, where: Where = HERE, output: LintOutput = PRINTED) -> ExitCode:
    """Find what is dangerous or meaningless in a document; needs no server.

    Ends with 0 when there is no error, with 1 when there is one that the document does not accept.

    Args:
        file: A Markdown file, or the name of one in the folder of the project's own runbooks.
    """
    path, content = read_file(file, where)
    document = read_document(content, path.name)
    findings = lint(document)
    listed: list[JsonValue] = TypeAdapter(tuple[Finding, ...]).dump_python(findings, mode="json")
    match output.output:
        case LintFormat.SARIF:
            result(Output(output=Format.JSON, to=output.to), sarif(findings, _uri(path)), str)
        case LintFormat.JSONL:
            result(Output(output=Format.JSONL, to=output.to), listed, str)
        case _:
            whole: JsonValue = {"version": VERSION, "document": document.name, "sha256": document.source.sha256, "findings": listed}
            result(Output(output=Format(output.output.value), to=output.to), whole, lambda ink: _text(ink, findings))
    return ExitCode.FAILED if any(finding.blocks for finding in findings) else ExitCode.DONE


def _uri(path: Path) -> str:
    """Return the path as code hosts know it: relative where it can be."""
    there = path.resolve()
    return there.relative_to(Path.cwd()).as_posix() if there.is_relative_to(Path.cwd()) else there.as_uri()


def _text(ink: Ink, findings: Sequence[Finding]) -> str:
    if not findings:
        return f"{ink.tone(Tone.GOOD, '✔')} nothing was found"
    rows = [(str(finding.line), _severity(finding), finding.rule, finding.what) for finding in findings]
    dos = {finding.rule: finding.do for finding in findings}
    counts = Counter(finding.severity for finding in findings if finding.accepted is None)
    counted = ", ".join(f"{counts[severity]} {severity.value}{'' if counts[severity] == 1 else 's'}" for severity in Severity)
    accepted = sum(finding.accepted is not None for finding in findings)
    to_do = "\n".join(f"  {ink.quiet(rule)}: {do}" for rule, do in dos.items())
    head = table(ink, ("line", "severity", "rule", "what is wrong"), rows, empty="")
    return f"{head}\n\n{ink.bold('To do')}\n{to_do}\n\n{counted}{f', {accepted} accepted' if accepted else ''}"


def _severity(finding: Finding) -> Cell:
    if finding.accepted is not None:
        return Cell("⊘ accepted", Tone.QUIET)
    icon, tone = _LOOKS[finding.severity]
    return Cell(f"{icon} {finding.severity.value}", tone)
