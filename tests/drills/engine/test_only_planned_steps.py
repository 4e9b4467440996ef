"""A run takes no step that its plan does not name, whatever it tries, and however it ends."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.drills.engine.conftest import Drill
from tests.drills.engine.runbooks import Behaviour, Move, Script
from unioneyes.runbook.views import EntryKind

BEHAVIOURS = [Behaviour.WORKS, Behaviour.BREAKS, Behaviour.CRASHES, Behaviour.REFUSES]
BEGUN = {EntryKind.STEP_STARTED, EntryKind.UNDO_STARTED}


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Return a script of a few moves, one of which its plan may leave out; perhaps with a part of its own, which it may leave out too."""
    behaviour = st.sampled_from(BEHAVIOURS)
    moves = tuple(
        Move(key=f"k{number}", step=draw(st.sampled_from(["change", "change_for_good", "look"])), behaviour=draw(behaviour))
        for number in range(draw(st.integers(1, 4)))
    )
    child = tuple(Move(key=f"c{number}", behaviour=draw(behaviour)) for number in range(draw(st.integers(1, 2)))) if draw(st.booleans()) else None
    left_out = draw(st.sampled_from([None, *(move.key for move in moves), *(["child"] if child else [])]))
    return Script(moves=moves, child=child, unplanned=left_out)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(script=scripts())
def test_every_step_that_a_run_begins_stands_in_its_plan(drill: Drill, script: Script) -> None:
    with drill.side.connect() as connection:
        connection.execute("TRUNCATE effects, marks")
    run = drill.ended(drill.start_script(script).id)
    named = {step.step for step in drill.engine.planned(run.id).steps}
    lines = [line for line in drill.engine.journal(run.id) if line.run_id == run.id and line.kind in BEGUN]
    assert {line.step for line in lines} <= named
    refused = run.problem is not None and run.problem["type"] == "urn:unioneyes:problem:unplanned-step"
    wanted = [move.step for move in script.moves] + (["drill.part"] if script.child else [])
    if refused:
        assert set(wanted) - named, "a step was refused that the plan names"
    undone = {line.step for line in lines if line.kind is EntryKind.UNDO_STARTED}
    assert undone <= {line.step for line in lines if line.kind is EntryKind.STEP_STARTED}
