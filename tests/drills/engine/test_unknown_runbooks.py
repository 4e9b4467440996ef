"""A worker starts again while the file of a run's runbook is broken or gone: the run waits for it, and is not ended as one that nobody can undo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drills.engine.conftest import Drill
from tests.drills.engine.runbooks import Behaviour, Move, Script
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.own import OwnRunbooks
from unioneyes.runbook.views import Decision, RunView

BROKEN = Move(key="z", behaviour=Behaviour.BREAKS)


def own(name: str) -> str:
    return (
        "from tests.drills.engine.runbooks import RunScript\nfrom unioneyes.runbook.definition import runbook\n"
        f"runbook(name={name!r}, chapter='Ours')(RunScript)\n"
    )


@pytest.fixture
def file(fresh: Drill) -> Iterator[Path]:
    """The file of the runbook `own.script`, as the API's process knows it too."""
    path = fresh.runbooks / "script.py"
    path.write_text(own("own.script"))
    here = OwnRunbooks(fresh.runbooks)
    here.refresh()
    yield path
    path.unlink(missing_ok=True)
    here.refresh()


def parked(drill: Drill, *moves: Move) -> RunView:
    """Return a run that waits for a person, and whose worker has ended."""
    drill.work()
    run = drill.start(*moves, BROKEN, runbook="own.script", park=True)
    drill.until(lambda: drill.engine.run(run.id).status, lambda status: status is RunStatus.PARKED)
    drill.end_workers()
    return run


def told(drill: Drill, run: RunView, words: str) -> None:
    drill.until(lambda: drill.engine.journal(run.id), lambda lines: any(words in line.message for line in lines))


def test_a_parked_run_waits_until_its_file_is_mended(fresh: Drill, file: Path) -> None:
    run = parked(fresh, Move(key="a"))
    code = file.read_text()
    file.write_text("def x(:\n")
    fresh.work()
    told(fresh, run, "the run waits: there is no runbook called 'own.script' here; put its file in order, or cancel the run")
    assert fresh.engine.run(run.id).status is RunStatus.PARKED
    fresh.engine.decide(run.id, Decision.UNDO, by="officer-1@example.org", reason="enough")
    file.write_text(code)

    ended = fresh.ended(run.id)

    assert ended.status is RunStatus.UNDONE
    assert fresh.effects("did", "undid") == ["did a", "undid z", "undid a"]
    told(fresh, run, "its runbook is there; the run goes on")


def test_a_run_whose_file_is_gone_for_good_can_be_cancelled(fresh: Drill, file: Path) -> None:
    run = parked(fresh, Move(key="a"))
    file.unlink()
    fresh.work()
    told(fresh, run, "the run waits")
    fresh.engine.cancel(run.id, by="officer-1@example.org", reason="nobody has the file")

    ended = fresh.ended(run.id)

    assert ended.status is RunStatus.UNDO_FAILED
    assert ended.problem is not None
    assert "cancelled by officer-1@example.org: nobody has the file; what it had changed was not taken back" in ended.problem["detail"]
    assert fresh.engine.lock() is None


def test_one_that_changed_nothing_is_simply_cancelled(fresh: Drill, file: Path) -> None:
    run = fresh.start(Move(key="a"), runbook="own.script")
    file.unlink()
    fresh.work()
    told(fresh, run, "the run waits")
    fresh.engine.cancel(run.id, by="officer-1@example.org", reason="nobody has the file")
    assert fresh.ended(run.id).status is RunStatus.CANCELLED


def test_a_rollback_takes_the_service_from_a_run_that_waits_for_its_file(fresh: Drill, file: Path) -> None:
    run = parked(fresh, Move(key="a"))
    file.unlink()
    fresh.work()
    told(fresh, run, "the run waits")
    rollback = fresh.start(Move(key="r"), runbook="drill.rescue")
    assert fresh.ended(rollback.id).status is RunStatus.DONE
    assert fresh.ended(run.id).status is RunStatus.SUPERSEDED


def test_a_run_waits_for_the_runbook_of_its_part_too(fresh: Drill, file: Path) -> None:
    fresh.work()
    run = fresh.start_script(Script(moves=(Move(key="a"),), child=(Move(key="b"), BROKEN), child_is_own=True), park=True)
    part = f"{run.id}.1"
    fresh.until(lambda: [run.id for run in fresh.engine.runs(status=RunStatus.PARKED)], lambda runs: part in runs)
    fresh.end_workers()
    code = file.read_text()
    file.unlink()
    fresh.work()
    told(fresh, run, "the run waits: there is no runbook called 'own.script' here")
    file.write_text(code)
    told(fresh, run, "its runbook is there; the run goes on")
    fresh.engine.decide(part, Decision.UNDO, by="officer-1@example.org", reason="enough")
    fresh.until(lambda: fresh.engine.run(run.id).status, lambda status: status is RunStatus.PARKED or status.ended)
    assert fresh.engine.run(part).status is RunStatus.UNDONE
    assert "undid b" in fresh.effects("undid")
