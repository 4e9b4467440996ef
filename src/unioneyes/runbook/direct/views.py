"""A break-glass run as the engine would show it, from its journal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import JsonValue

from unioneyes.kernel.problems import ProblemDocument
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.direct.journal import DirectLine
from unioneyes.runbook.views import EntryKind, RunView


def direct_run(lines: Sequence[DirectLine]) -> RunView:
    """Return the run that the lines tell; one that was left in the middle is `running`."""
    first, last = lines[0].entry, lines[-1].entry
    ended = last.data if last.kind is EntryKind.RUN_ENDED else {}
    status = RunStatus(str(ended.get("status", RunStatus.RUNNING.value)))
    problem = ended.get("problem")
    return RunView(
        id=first.run_id,
        runbook=str(first.data["runbook"]),
        summary=first.message,
        status=status,
        requested_by=lines[0].by,
        created_at=first.at,
        started_at=first.at,
        ended_at=last.at if status.ended else None,
        step=next((line.entry.step for line in reversed(lines) if line.entry.kind is EntryKind.STEP_STARTED), None),
        choices=(),
        worker=None,
        parent=None,
        request=first.data["request"],
        plan_hash=str(first.data["plan_hash"]),
        result=ended.get("result"),
        problem=cast("ProblemDocument", problem) if isinstance(problem, dict) else None,
    )


def has_ended(lines: Sequence[DirectLine]) -> bool:
    """Return whether the run came to its end, well or not."""
    return bool(lines) and lines[-1].entry.kind is EntryKind.RUN_ENDED


def plan_of(lines: Sequence[DirectLine]) -> JsonValue:
    """Return the plan that the run carries out, as it was kept."""
    return lines[0].entry.data["plan"]
