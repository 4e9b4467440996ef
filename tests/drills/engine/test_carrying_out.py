"""A run from its start to its end: steps, retries, results, the journal."""

from __future__ import annotations

from tests.drills.engine.conftest import Drill
from tests.drills.engine.runbooks import Behaviour, Move, Script
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.views import EntryKind


def test_a_run_does_what_its_plan_says_and_the_journal_tells_it(drill: Drill) -> None:
    started = drill.start(Move(key="a"), Move(key="b", step="look"))
    assert started.status is RunStatus.PENDING

    run = drill.ended(started.id)

    assert run.status is RunStatus.DONE
    assert run.result == {"did": ["a", "b"], "ends_as": "done", "took_over_from": None, "story": 1}
    assert drill.effects() == ["began a", "did a"]
    assert drill.kinds(run.id) == ["run-started", "step-started change", "step-done change", "step-started look", "step-done look", "run-ended"]
    done = drill.line(run.id, EntryKind.STEP_DONE)
    assert done.data["result"] == {"key": "a", "took": "PT1.5S"}
    assert isinstance(done.data["took_s"], float)
    assert run.worker is not None
    assert drill.engine.lock() is None
