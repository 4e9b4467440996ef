"""Taking a run up: it is carried out once this process knows its runbook, and those of its parts."""

from __future__ import annotations

import logging
from functools import partial

from pydantic import ValidationError

from unioneyes.runbook.codec import decode, keep_problem
from unioneyes.runbook.definition import UnknownRunbook, definition
from unioneyes.runbook.execution import EngineClosed, Equipment, Execution, stopped_by
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.problems import ControlDatabaseUnavailable, UndoFailed
from unioneyes.runbook.rules import Undoing, ends_as
from unioneyes.runbook.steps import Stop
from unioneyes.runbook.store.database import patiently
from unioneyes.runbook.store.journal import Line
from unioneyes.runbook.store.runs import Claim, Ending, StoredRun
from unioneyes.runbook.views import EntryKind

LOOK_AGAIN_SECONDS = 1.0
"""How often a run that waits for its runbook looks whether it is there."""

_logger = logging.getLogger(__name__)


def take_up(equipment: Equipment, run_id: str, worker: str) -> Execution | None:
    """Return the run as `worker` carries it out from now on; None when it has ended.

    Where a runbook is not known here, as after a restart with its file broken or gone, nobody could take back what the run did. So it waits and says so,
    until the file is in order, or until the run is cancelled or superseded: then it has ended. Raises: EngineClosed.
    """
    try:
        run, claim = patiently(partial(equipment.runs.take_up, run_id, worker), give_up=equipment.closing)
        lacking, told = _lacking((run,) if claim.attempt == 1 else _family(equipment, run_id)), ""  # nothing is part of what was never begun
        while lacking is not None:
            if run.view.ended_at is not None:
                return None
            if lacking != told:
                _tell(equipment, claim, f"the run waits: {lacking}; put its file in order, or cancel the run")
                told = lacking
            why = _must_stop(equipment, claim)
            if why is not None:
                _end(equipment, claim, why, lacking)
                return None
            if equipment.closing.wait(LOOK_AGAIN_SECONDS):
                raise EngineClosed
            equipment.look_again()
            lacking = _lacking(_family(equipment, run_id))
        if run.view.ended_at is not None and run.view.started_at is None:
            return None  # it was refused before it began
        if told:
            _tell(equipment, claim, "its runbook is there; the run goes on")
        return Execution(equipment, run, claim)
    except ControlDatabaseUnavailable:
        raise EngineClosed from None


def _family(equipment: Equipment, run_id: str) -> tuple[StoredRun, ...]:
    return patiently(partial(equipment.runs.family, run_id), give_up=equipment.closing)


def _lacking(family: tuple[StoredRun, ...]) -> str | None:
    """Return what is missing to carry out these runs; None when nothing is."""
    for each in family:
        try:
            decode(each.plan, definition(each.view.runbook).plan_type)
        except UnknownRunbook:
            return f"there is no runbook called {each.view.runbook!r} here"
        except ValidationError:
            return f"the runbook {each.view.runbook!r} does not understand its plan any more"
    return None


def _must_stop(equipment: Equipment, claim: Claim) -> Stop | None:
    """Return why the run must stop; None when it may wait. What holds the service is the innermost part that has not ended."""
    family = _family(equipment, claim.root)
    innermost = next((each.view.id for each in family if each.view.ended_at is None), claim.root)
    return patiently(partial(equipment.runs.stop, claim, innermost, cancellable=True), give_up=equipment.closing)


def _tell(equipment: Equipment, claim: Claim, message: str) -> None:
    _logger.warning("%s: %s", claim.root, message)
    line = Line(kind=EntryKind.STEP_PROGRESS, message=message)
    patiently(partial(equipment.runs.note, claim, claim.root, line), give_up=equipment.closing)


def _end(equipment: Equipment, claim: Claim, why: Stop, lacking: str) -> None:
    """The run has ended where it stands."""
    run = patiently(partial(equipment.runs.get, claim.root), give_up=equipment.closing)
    left = why is Stop.CANCELLED and _changed(equipment, run)
    problem = stopped_by(run, why)
    if left:
        problem = UndoFailed(what=f"{problem.what}; what it had changed was not taken back: {lacking}", remedy="ue run logs says what it changed")
    status = ends_as(why, changed=left, undoing=Undoing.FAILED if left else Undoing.NOTHING_TO_DO)
    kept = keep_problem(problem, equipment.redactor)
    ending = Ending(status=status, message=kept.reported["detail"], problem=kept.reported)
    patiently(partial(equipment.runs.end_family, claim, ending), give_up=equipment.closing)


def _changed(equipment: Equipment, run: StoredRun) -> bool:
    """Return True when a step that changes something was begun, by the run or a part of it."""
    after = 0
    while page := patiently(partial(equipment.runs.journal, run.view.id, after=after, limit=5000), give_up=equipment.closing):
        if any(entry.kind is EntryKind.STEP_STARTED and entry.data.get("effect", Effect.READ) != Effect.READ for entry in page):
            return True
        after = page[-1].seq
    return False
