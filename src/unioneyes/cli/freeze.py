"""`ue freeze`: when nothing is deployed, by the calendar or because somebody stopped the line."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from unioneyes.cli.client import Api
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Cell, Ink, result, say, table
from unioneyes.kernel.calendar import Freeze
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.status import Tone
from unioneyes.runbook.views import Freezes, LineStop

Reason = Annotated[str, Parameter(help="Why; everybody who is held by it reads it.")]


def list_freezes(*, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show what holds changes now, and what the calendar will hold."""
    found = Api(where).get("freezes", Freezes)
    result(output, found.document, lambda ink: _freezes_table(ink, found.value))
    return ExitCode.DONE


def start(*, reason: Reason, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Stop the line: no run but a rollback changes the service, from its next step on.

    What is being deployed is held before its next change, and goes on when the line is open again. Nothing new is begun.
    """
    stopped = Api(where).post("line/stop", {"reason": reason}, LineStop)
    result(output, stopped.document, lambda ink: ink.tone(Tone.WARN, f"◇ stopped {stopped.value}"))
    say(f"rollbacks are not held; next: ue freeze end --reason WHY{where.flags}")
    return ExitCode.DONE


def end(*, reason: Reason, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Let what was stopped go on."""
    lifted = Api(where).post("line/lift", {"reason": reason}, LineStop)
    result(output, lifted.document, lambda ink: ink.tone(Tone.GOOD, f"✔ open again; it was stopped {lifted.value}"))
    say(f"next: ue run list{where.flags}")
    return ExitCode.DONE


def _freezes_table(ink: Ink, found: Freezes) -> str:
    rows: list[tuple[str | Cell, ...]] = []
    if found.line is not None:
        rows.append((Cell("◇ holds", Tone.WARN), f"stopped by {found.line.by}", rfc3339(found.line.since), "ue freeze end", found.line.reason))
    if found.current is not None:
        rows.append((Cell("◇ holds", Tone.WARN), *_told(found.current)))
    rows += [(Cell("○ ahead", Tone.QUIET), *_told(freeze)) for freeze in found.ahead]
    return table(ink, ("state", "freeze", "begins", "ends", "reason"), rows, empty="nothing is frozen, and the calendar names nothing")


def _told(freeze: Freeze) -> tuple[str, ...]:
    return freeze.name, rfc3339(freeze.begins), rfc3339(freeze.ends), freeze.reason
