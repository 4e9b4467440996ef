"""Cancelling stops the step that is running: its program, its statement, its wait. So does a rollback that takes the service over, and a time limit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.drills.engine.conftest import Drill
from tests.drills.engine.runbooks import STATEMENT, Behaviour, Move, program_file
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.views import RunView

AT_ONCE = 5.0
"""Seconds within which what is under way has ended; by itself it would go on for a minute."""
LASTING = [Behaviour.RUNS_A_PROGRAM, Behaviour.RUNS_A_STATEMENT, Behaviour.WAITS_FOR_SOMETHING]


def statements(drill: Drill) -> int:
    """Return how many of the drills' statements are under way."""
    with drill.side.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND query LIKE 'SELECT pg_sleep%%' AND state = 'active'"
        row = connection.execute(query, (STATEMENT,)).fetchone()
        return int(row[0]) if row else 0


def program(drill: Drill, key: str) -> Path | None:
    """Return where the kernel shows the program that `key` runs; None before it runs."""
    file = program_file(drill.runbooks, key)
    number = file.read_text().strip() if file.exists() else ""
    return Path("/proc", number) if number else None


def under_way(drill: Drill, key: str, behaviour: Behaviour) -> bool:
    match behaviour:
        case Behaviour.RUNS_A_PROGRAM:
            found = program(drill, key)
            return found is not None and _lives(found)
        case Behaviour.RUNS_A_STATEMENT:
            return statements(drill) > 0
        case _:
            return f"began {key}" in drill.effects()


def _lives(process: Path) -> bool:
    try:
        return (process / "stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except FileNotFoundError:
        return False


def begun(drill: Drill, key: str, behaviour: Behaviour, *, step: str = "change") -> RunView:
    program_file(drill.runbooks, key).unlink(missing_ok=True)
    run = drill.start(Move(key="a"), Move(key=key, behaviour=behaviour, step=step), Move(key="c"))
    drill.until(lambda: under_way(drill, key, behaviour), bool)
    return run


@pytest.mark.parametrize("behaviour", LASTING)
def test_a_cancelled_run_ends_what_its_step_has_under_way_and_takes_it_back(drill: Drill, behaviour: Behaviour) -> None:
    run = begun(drill, "b", behaviour)
    told = time.monotonic()
    drill.engine.cancel(run.id, by="officer-1@example.org", reason="wrong day")
    ended = drill.ended(run.id, within=AT_ONCE)

    assert time.monotonic() - told < AT_ONCE
    assert ended.status is RunStatus.CANCELLED
    assert ended.problem is not None
    assert ended.problem["detail"] == "cancelled by officer-1@example.org: wrong day"
    assert behaviour is Behaviour.WAITS_FOR_SOMETHING or not under_way(drill, "b", behaviour)
    assert drill.effects() == ["began a", "did a", "began b", "undid b", "undid a"], "what the statement had written is not there"
    assert [kind for kind in drill.kinds(run.id) if "retried" in kind] == [], "what was ended has not failed, and is not tried again"
    assert drill.engine.lock() is None


@pytest.mark.parametrize("behaviour", [Behaviour.RUNS_A_PROGRAM, Behaviour.RUNS_A_STATEMENT])
def test_a_rollback_that_takes_over_does_not_wait_for_what_is_under_way(drill: Drill, behaviour: Behaviour) -> None:
    run = begun(drill, "b", behaviour)
    rescue = drill.ended(drill.start(Move(key="r"), runbook="drill.rescue").id)

    assert rescue.status is RunStatus.DONE
    assert drill.engine.run(run.id).status is RunStatus.SUPERSEDED
    assert not under_way(drill, "b", behaviour)
    assert not [line for line in drill.engine.journal(rescue.id) if "going on without waiting" in line.message]


@pytest.mark.parametrize("behaviour", [Behaviour.RUNS_A_PROGRAM, Behaviour.RUNS_A_STATEMENT])
def test_a_step_that_takes_too_long_ends_what_it_has_under_way(drill: Drill, behaviour: Behaviour) -> None:
    program_file(drill.runbooks, "b").unlink(missing_ok=True)
    run = drill.ended(drill.start(Move(key="b", behaviour=behaviour, step="change_soon")).id)

    assert run.problem is not None
    assert run.problem["type"] == "urn:unioneyes:problem:step-timed-out"
    assert run.status is RunStatus.UNDONE
    drill.until(lambda: under_way(drill, "b", behaviour), lambda goes_on: not goes_on, within=AT_ONCE)


def test_a_worker_that_ends_takes_its_program_with_it(fresh: Drill) -> None:
    worker = fresh.work()
    begun(fresh, "b", Behaviour.RUNS_A_PROGRAM)
    left = program(fresh, "b")
    assert left is not None
    worker.terminate()
    worker.wait(20)
    fresh.until(lambda: _lives(left), lambda lives: not lives, within=AT_ONCE)


def test_what_a_dead_worker_was_in_the_middle_of_is_taken_back_where_the_run_was_cancelled_meanwhile(fresh: Drill) -> None:
    worker = fresh.work()
    run = begun(fresh, "b", Behaviour.WAITS_FOR_SOMETHING)
    worker.kill()
    worker.wait()
    fresh.engine.cancel(run.id, by="officer-1@example.org", reason="wrong day")
    fresh.work()

    assert fresh.ended(run.id).status is RunStatus.CANCELLED
    assert fresh.effects() == ["began a", "did a", "began b", "undid b", "undid a"]
