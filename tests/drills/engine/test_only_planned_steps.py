"""A run takes no step that its plan does not name, whatever it tries, and however it ends; nor does a part of it that its own plan does not name."""

from __future__ import annotations

from collections import Counter
from itertools import takewhile

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.drills.engine.conftest import Drill
from tests.drills.engine.runbooks import STEPS, Behaviour, Move, Script
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.views import EntryKind, RunView

PART = "drill.part"
LOOK, CHANGE = Move(key="a", step="look"), Move(key="b")
UNPLANNED = "urn:unioneyes:problem:unplanned-step"
MOVES = [(step, behaviour) for step in ("change", "change_for_good", "look") for behaviour in (Behaviour.WORKS, Behaviour.BREAKS, Behaviour.CRASHES)]
MOVES += [(step, Behaviour.REFUSES) for step in ("change", "look")]


def moves(letter: str, most: int) -> st.SearchStrategy[tuple[Move, ...]]:
    """Return a few moves, most of which work."""
    working = st.sampled_from([each for each in MOVES if each[1] is Behaviour.WORKS])
    one = st.one_of(working, working, st.sampled_from(MOVES))
    return st.lists(one, min_size=1, max_size=most).map(
        lambda found: tuple(Move(key=f"{letter}{number}", step=step, behaviour=behaviour) for number, (step, behaviour) in enumerate(found))
    )


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Return a script, one move of which its plan may leave out; perhaps with a part of its own, which it may leave out too, and whose plan may do the same."""
    whole, part = draw(moves("k", 4)), draw(st.none() | moves("c", 3))
    left_out = draw(st.sampled_from([None, *(move.key for move in whole), *(["child"] if part else [])]))
    left_out_by_part = draw(st.sampled_from([None, *(move.key for move in part or ())]))
    return Script(moves=whole, child=part, unplanned=left_out, child_unplanned=left_out_by_part)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(script=scripts())
@example(script=Script(moves=(LOOK, CHANGE), unplanned=CHANGE.key))
@example(script=Script(moves=(LOOK, CHANGE), child=(LOOK, CHANGE), child_unplanned=CHANGE.key))
@example(script=Script(moves=(CHANGE,), child=(CHANGE, LOOK), child_unplanned=LOOK.key))
@example(script=Script(moves=(CHANGE, LOOK), child=(LOOK,), unplanned="child"))
def test_every_step_that_a_run_begins_stands_in_its_plan(drill: Drill, script: Script) -> None:
    with drill.side.connect() as connection:
        connection.execute("TRUNCATE effects, marks")
    run = drill.ended(drill.start_script(script).id)
    part_began = hold_to_plan(drill, run, script.moves, part=script.child is not None)
    lines = drill.engine.journal(run.id)
    assert {line.run_id for line in lines} == {run.id, *([f"{run.id}.1"] if part_began else [])}, "somebody else took steps"
    if part_began and script.child is not None:
        hold_to_plan(drill, drill.ended(f"{run.id}.1"), script.child, part=False)


def hold_to_plan(drill: Drill, run: RunView, moves: tuple[Move, ...], *, part: bool) -> bool:
    """The run, or part of one, took what it wanted in its order, each once, up to the first step that failed or that its own plan does not name.

    What it took back is what it had changed, each once, the last first. Return whether it began its part.
    """
    named = {planned.step for planned in drill.engine.planned(run.id).steps}
    own = [line for line in drill.engine.journal(run.id) if line.run_id == run.id]
    begun, undone = ([str(line.step) for line in own if line.kind is kind] for kind in (EntryKind.STEP_STARTED, EntryKind.UNDO_STARTED))
    wanted = [*(move.step for move in moves), *([PART] if part else [])]
    allowed = list(takewhile(named.__contains__, wanted))
    failed = [line for line in own if line.kind is EntryKind.STEP_FAILED]
    assert begun == allowed[: len(begun)]
    assert Counter(line.step for line in own if line.kind is EntryKind.STEP_DONE) == Counter(begun[: len(begun) - len(failed)])
    if not failed:
        assert begun == allowed
        assert (None if run.problem is None else run.problem["type"]) == (None if allowed == wanted else UNPLANNED)
        assert (run.status is RunStatus.DONE) is (allowed == wanted)
    changed = [move.step for move in moves[: len(begun)] if STEPS[move.step].undo is not None and move.behaviour is not Behaviour.REFUSES]
    assert undone == ([] if run.status is RunStatus.DONE else changed[::-1])
    return PART in begun
