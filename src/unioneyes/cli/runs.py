"""Runs, as people read them: one, or many, and what came of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue

from unioneyes.cli.options import Where
from unioneyes.cli.output import Ink, facts, status_cell, table
from unioneyes.cli.receipts import ledger_text, outputs_text, result_text
from unioneyes.kernel.clock import now, rfc3339
from unioneyes.kernel.status import RunStatus
from unioneyes.kernel.units import format_duration
from unioneyes.runbook.views import Decision, JournalEntry, RunView

LONGEST_VALUE = 200
"""Characters of a request's value that are shown; a reason fits."""


def runs_table(ink: Ink, runs: Sequence[RunView]) -> str:
    """Return many runs, one line each."""
    rows = (
        (run.id, run.summary, status_cell(run.status.look), (run.step or "") if not run.status.ended else "", run.requested_by, ago(run.created_at), took(run))
        for run in runs
    )
    return table(ink, ("run", "what", "status", "step", "by", "started", "took"), rows, empty="no runs yet")


def run_text(ink: Ink, run: RunView, journal: Sequence[JournalEntry] = ()) -> str:
    """Return one run, and what it came to; what its journal knows beyond that, where it was read."""
    told = facts(
        ink,
        (
            ("run", run.id),
            ("status", ink.look(run.status.look)),
            ("runbook", run.runbook),
            ("step", (run.step or "") if run.status is not RunStatus.DONE else ""),
            ("by", run.requested_by),
            ("part of", run.parent or ""),
            ("started", rfc3339(run.started_at) if run.started_at else "not yet"),
            ("took", took(run)),
            ("worker", run.worker or ""),
        ),
    )
    shown = result_text(ink, run.runbook, run.result, request=run.request)
    ledger = ledger_text(ink, journal) or outputs_text(ink, run.runbook, journal)
    return "\n".join(part for part in (ink.bold(run.summary), told, f"\n{shown}" if shown else "", f"\n{ledger}" if ledger else "") if part)


def request_text(request: JsonValue) -> str:
    """Return what was asked for, in one line: only what was said."""
    said = {name: value for name, value in request.items() if value not in (None, False, [], {})} if isinstance(request, dict) else {}
    return ", ".join(f"{name}={_in_short(value)}" for name, value in said.items())


def _in_short(value: JsonValue) -> str:
    """Return a value in one line; a whole document by its size."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_VALUE and "\n" not in value else f"({len(value):,} characters)"
    return json.dumps(value)


def took(run: RunView) -> str:
    """Return how long the run took, or has taken so far."""
    return format_duration((run.ended_at or now()) - run.started_at) if run.started_at else ""


def ago(moment: datetime) -> str:
    """Return how long ago that was."""
    return f"{format_duration(max(now() - moment, timedelta(0)))} ago"


def next_command(run: RunView, where: Where) -> str:
    """Return what a person would type next; empty when nothing suggests itself."""
    match run.status:
        case RunStatus.DONE if run.runbook.startswith("app."):
            command = "ue app status"
        case RunStatus.DONE if run.runbook.startswith("edge."):
            command = "ue edge status"
        case RunStatus.DONE if run.runbook.startswith("database.end_"):
            command = "ue db status"
        case RunStatus.DONE:
            command = "ue deploy status" if run.runbook == "deployment.start" or run.runbook.startswith("rollback.") else ""
        case RunStatus.AWAITING_APPROVAL:
            command = f"ue approval show {run.id}"
        case RunStatus.HELD if not run.choices:
            command = "ue freeze list"
        case RunStatus.HELD if Decision.SKIP in run.choices:
            command = f'ue deploy promote {run.id}{where.flags}, or back: ue rollback traffic --reason "..."'
        case RunStatus.PARKED | RunStatus.HELD:
            choices = "|".join(f"--{choice}" for choice in run.choices)
            command = f'ue run resume {run.id} {choices} --reason "..."'
        case RunStatus.PENDING | RunStatus.RUNNING | RunStatus.UNDOING:
            command = f"ue run watch {run.id}"
        case _:
            command = f"ue run logs {run.id}"
    return f"{command}{where.flags}" if command else ""
