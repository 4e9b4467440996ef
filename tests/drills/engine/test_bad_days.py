"""Workers that are killed, restarted or stopped in the middle of a step, and a PostgreSQL that restarts under a run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from tests.drills.engine.conftest import Drill, drill_on, running_server, url
from tests.drills.engine.runbooks import Behaviour, Move, Script
from tests.drills.engine.wire import wire_to
from unioneyes.adapters.postgres.server import PostgresServer
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.audit.entry import Action
from unioneyes.runbook.problems import ControlDatabaseUnavailable
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.views import Decision, EntryKind, RunView

WAITING = Move(key="w", behaviour=Behaviour.WAITS)


def waiting(drill: Drill, run: RunView) -> RunView:
    drill.until(drill.effects, lambda told: "began w" in told)
    return run


def kill(worker: subprocess.Popen[str]) -> None:
    worker.send_signal(signal.SIGKILL)
    worker.wait()


def test_a_killed_workers_run_is_finished_by_another_and_every_effect_happened_once(fresh: Drill) -> None:
    first = fresh.work()
    fresh.work()
    run = fresh.start_script(Script(moves=(Move(key="a"), WAITING, Move(key="b")), child=(Move(key="c"),)))
    waiting(fresh, run)
    fresh.until(lambda: fresh.engine.run(run.id).worker, lambda worker: worker is not None)
    holder = holder_of(fresh, "began w")
    victim = next(worker for worker in fresh.workers if worker.pid == holder)
    kill(victim)
    fresh.until(lambda: fresh.effects("began w"), lambda told: len(told) == 2, within=10)
    fresh.side.mark("go w")

    ended = fresh.ended(run.id)

    assert ended.status is RunStatus.DONE
    assert fresh.effects("did") == ["did a", "did w", "did b", "did c"]
    taken_over = fresh.line(run.id, EntryKind.TAKEN_OVER)
    assert taken_over.data["to"] == ended.worker
    assert taken_over.data["from"] != ended.worker
    assert [(each.actor, each.data) for each in fresh.audited(Action.RUN_TAKEN_OVER, run=run.id)] == [(ended.worker, taken_over.data)]
    assert first in fresh.workers


def test_a_run_that_was_undoing_when_its_worker_was_killed_is_undone_by_the_next(fresh: Drill) -> None:
    worker = fresh.work()
    run = fresh.start(Move(key="a"), Move(key="b"), Move(key="z", behaviour=Behaviour.BREAKS), park=True)
    fresh.until(lambda: fresh.engine.run(run.id).status, lambda status: status is RunStatus.PARKED)
    kill(worker)
    fresh.engine.decide(run.id, Decision.UNDO, by="officer-1@example.org", reason="while nobody works")
    fresh.work()

    assert fresh.ended(run.id).status is RunStatus.UNDONE
    assert fresh.effects("did", "undid") == ["did a", "did b", "undid z", "undid b", "undid a"]
    assert [kind for kind in fresh.kinds(run.id) if "parked" in kind] == ["parked change"]


def test_a_child_run_survives_its_worker(fresh: Drill) -> None:
    worker = fresh.work()
    run = fresh.start_script(Script(moves=(Move(key="a"),), child=(WAITING, Move(key="b")), child_takes_over=True))
    waiting(fresh, run)
    kill(worker)
    fresh.work()
    fresh.side.mark("go w")

    assert fresh.ended(run.id).status is RunStatus.DONE
    assert fresh.engine.run(f"{run.id}.1").status is RunStatus.DONE
    assert fresh.effects("did") == ["did a", "did w", "did b"]
    assert fresh.engine.lock() is None


def test_a_step_that_looks_now_and_then_has_a_moment_to_end_when_its_worker_does(fresh: Drill) -> None:
    worker = fresh.work()
    run = fresh.start(Move(key="w", behaviour=Behaviour.WORKS_ON), Move(key="b"))
    waiting(fresh, run)
    worker.terminate()
    assert worker.wait(20) == 0
    assert fresh.effects() == ["began w", "did w"]
    fresh.work()
    assert fresh.ended(run.id).status is RunStatus.DONE
    assert fresh.effects() == ["began w", "did w", "began b", "did b"]


def test_a_worker_that_is_told_to_end_leaves_its_run_to_the_next(fresh: Drill) -> None:
    worker = fresh.work()
    run = waiting(fresh, fresh.start(Move(key="a"), WAITING, Move(key="b")))
    worker.terminate()
    assert worker.wait(20) == 0
    assert not fresh.engine.run(run.id).status.ended
    fresh.work()
    fresh.side.mark("go w")

    assert fresh.ended(run.id).status is RunStatus.DONE
    assert fresh.effects("did", "undid") == ["did a", "did w", "did b"]


def test_a_run_that_was_started_while_nobody_worked_is_carried_out_by_the_first_who_does(fresh: Drill) -> None:
    run = fresh.start(Move(key="a"))
    fresh.work()
    assert fresh.ended(run.id).status is RunStatus.DONE


def test_a_worker_that_lost_its_claim_leaves_its_run_to_whoever_took_it_over(fresh: Drill) -> None:
    fresh.work()
    fresh.work()
    run = waiting(fresh, fresh.start(Move(key="a"), WAITING, Move(key="b")))
    holder = holder_of(fresh, "began w")

    def cut() -> bool:
        """Cut its worker's sign of life, so that it looks dead to the other for a moment; return True once the run changed hands."""
        fresh.in_control("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", f"ue-{holder}-liveness")
        return any(line.kind is EntryKind.TAKEN_OVER for line in fresh.engine.journal(run.id))

    fresh.until(cut, bool, within=60)
    fresh.side.mark("go w")

    assert fresh.ended(run.id).status is RunStatus.DONE
    assert fresh.effects("did", "undid") == ["did a", "did w", "did b"]
    assert [kind for kind in fresh.kinds(run.id) if kind == "run-ended"] == ["run-ended"]


def test_a_run_that_slipped_from_its_living_worker_is_begun_again(fresh: Drill) -> None:
    fresh.work()
    run = waiting(fresh, fresh.start(Move(key="a"), WAITING, Move(key="b")))
    assert fresh.in_control("UPDATE dbos.workflow_status SET owner_xid = 'nobody'") == 1  # DBOS lets go of a run whose mark is another's
    fresh.side.mark("go w")

    assert fresh.ended(run.id).status is RunStatus.DONE
    assert fresh.effects("did", "undid") == ["did a", "did w", "did b"]


def test_a_run_that_nobody_will_carry_on_is_ended_and_calls_for_a_person(fresh: Drill) -> None:
    fresh.work()
    run = waiting(fresh, fresh.start(Move(key="a"), WAITING))
    fresh.in_control("UPDATE dbos.workflow_status SET status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED'")

    ended = fresh.ended(run.id)

    assert ended.status is RunStatus.UNDO_FAILED
    assert ended.problem is not None
    assert ended.problem["type"] == "urn:unioneyes:problem:executor-gave-up"
    assert fresh.engine.lock() is None


def test_a_worker_that_hangs_loses_its_run_and_what_it_would_write_late_is_refused(fresh: Drill) -> None:
    workers = (fresh.work(), fresh.work())
    run = fresh.start(Move(key="a"), Move(key="h", behaviour=Behaviour.HANGS), Move(key="b"))

    ended = fresh.ended(run.id, within=60)

    zombie = holder_of(fresh, "hangs h")
    assert ended.status is RunStatus.DONE
    assert fresh.line(run.id, EntryKind.TAKEN_OVER).data["to"] == ended.worker
    assert fresh.effects("did", "refused") == ["did a", "did h", "did b"]

    os.kill(zombie, signal.SIGCONT)

    fresh.until(lambda: fresh.effects("refused"), lambda told: told == ["refused h"])
    assert fresh.effects("did", "undid") == ["did a", "did h", "did b"]
    assert [kind for kind in fresh.kinds(run.id) if kind == "run-ended"] == ["run-ended"]
    kill(next(worker for worker in workers if worker.pid != zombie))
    assert fresh.ended(fresh.start(Move(key="c")).id).status is RunStatus.DONE, "it is a worker like before"
    assert holder_of(fresh, "did c") == zombie


def test_a_worker_that_reaches_its_database_no_more_loses_its_run_and_finds_back(fresh: Drill) -> None:
    with wire_to(fresh.server.port) as wire:
        behind = fresh.work(through=wire.port)
        run = waiting(fresh, fresh.start(Move(key="a"), WAITING, Move(key="b")))
        other = fresh.work()
        wire.hold()
        fresh.until(lambda: fresh.effects("began w"), lambda told: len(told) == 2, within=40)
        fresh.side.mark("go w")
        ended = fresh.ended(run.id)
        wire.heal()

        assert ended.status is RunStatus.DONE
        assert fresh.effects("did", "undid") == ["did a", "did w", "did b"]
        kill(other)
        assert fresh.ended(fresh.start(Move(key="c")).id, within=60).status is RunStatus.DONE
        assert holder_of(fresh, "did c") == behind.pid
        assert fresh.effects("did", "undid") == ["did a", "did w", "did b", "did c"]
        fresh.end_workers()


def test_a_worker_whose_connections_are_cut_goes_on_with_its_run(fresh: Drill) -> None:
    with wire_to(fresh.server.port) as wire:
        fresh.work(through=wire.port)
        run = waiting(fresh, fresh.start(Move(key="a"), WAITING, Move(key="b")))
        wire.cut()
        time.sleep(2)
        wire.heal()
        fresh.side.mark("go w")

        assert fresh.ended(run.id, within=60).status is RunStatus.DONE
        assert fresh.effects("did", "undid") == ["did a", "did w", "did b"]
        fresh.end_workers()


def test_a_worker_that_hangs_in_the_middle_of_a_transaction_holds_nobody_up(fresh: Drill) -> None:
    fresh.work()
    run = waiting(fresh, fresh.start(Move(key="a"), WAITING))
    with closing(ControlDatabase(SecretStr(url(fresh.server, fresh.control)), name="hung")) as database, pytest.raises(ControlDatabaseUnavailable):
        finish_in_a_transaction(fresh, run, database)


def finish_in_a_transaction(drill: Drill, run: RunView, database: ControlDatabase) -> None:
    with database.transaction() as connection:
        connection.execute(text("UPDATE ue.runs SET step = step"))
        drill.side.mark("go w")
        assert drill.ended(run.id).status is RunStatus.DONE


@pytest.fixture
def alone(server: PostgresServer) -> Iterator[Drill]:
    """A drill whose control plane has a PostgreSQL of its own, which may be restarted."""
    with running_server() as own, drill_on(own, beside=server) as drill:
        yield drill


def test_runs_outlive_a_restart_of_the_control_planes_postgresql(alone: Drill) -> None:
    worker = alone.work()
    run = waiting(alone, alone.start(Move(key="a"), WAITING, Move(key="b")))
    alone.server.stop(how=signal.SIGQUIT)
    with ThreadPoolExecutor() as people:
        asked = people.submit(alone.engine.run, run.id)  # who only reads waits a moment, too
        restarted = alone.server.start()
        assert asked.result(20).id == run.id
    try:
        alone.side.mark("go w")

        ended = alone.ended(run.id, within=60)

        assert ended.status is RunStatus.DONE
        assert alone.effects("did", "undid") == ["did a", "did w", "did b"]
        assert alone.ended(alone.start(Move(key="c")).id, within=60).status is RunStatus.DONE
        assert worker.poll() is None
        alone.end_workers()
    finally:
        alone.server.stop()
        restarted.wait()


def test_nobody_is_held_for_dead_because_postgresql_lost_one_of_its_processes(alone: Drill) -> None:
    alone.work()
    alone.work()
    run = waiting(alone, alone.start(Move(key="a"), WAITING, Move(key="b")))
    with psycopg.connect(url(alone.server, alone.control)) as crashing:
        os.kill(crashing.info.backend_pid, signal.SIGKILL)  # as when memory runs out: PostgreSQL ends every session, and starts anew
        time.sleep(4)
    alone.side.mark("go w")

    assert alone.ended(run.id, within=60).status is RunStatus.DONE
    assert [line for line in alone.engine.journal(run.id) if line.kind is EntryKind.TAKEN_OVER and line.data["from"] != line.data["to"]] == []
    assert alone.effects("did", "undid") == ["did a", "did w", "did b"]


def test_a_step_that_was_left_behind_writes_nothing_once_it_was_taken_back(fresh: Drill) -> None:
    fresh.work()
    run = fresh.ended(fresh.start(Move(key="a"), Move(key="s", step="change_soon", behaviour=Behaviour.LINGERS)).id)
    assert run.status is RunStatus.UNDONE
    fresh.until(lambda: fresh.effects("refused"), lambda told: told == ["refused s"])
    assert fresh.effects("did", "undid") == ["did a", "undid s", "undid a"]


def test_a_run_that_comes_back_to_its_worker_is_begun_again_once(fresh: Drill) -> None:
    fresh.work()
    run = waiting(fresh, fresh.start(Move(key="a"), WAITING, Move(key="b")))
    assert fresh.in_control("UPDATE dbos.workflow_status SET status = 'ENQUEUED', owner_xid = NULL") == 1  # as after a sign of life that was lost for a moment
    fresh.until(lambda: fresh.effects("began w"), lambda told: len(told) == 2)
    time.sleep(6)  # long enough for another one
    assert len(fresh.effects("began w")) == 2
    fresh.side.mark("go w")
    assert fresh.ended(run.id).status is RunStatus.DONE
    assert fresh.effects("did", "undid") == ["did a", "did w", "did b"]


def test_a_worker_ends_while_its_database_is_away(fresh: Drill) -> None:
    with wire_to(fresh.server.port) as wire:
        worker = fresh.work(through=wire.port)
        waiting(fresh, fresh.start(WAITING))
        wire.cut()
        time.sleep(2)
        worker.terminate()
        assert worker.wait(45) == 0


def holder_of(drill: Drill, what: str) -> int:
    """Return the process that did `what`."""
    with drill.side.connect() as connection:
        row = connection.execute("SELECT worker FROM effects WHERE what = %s ORDER BY id DESC", (what,)).fetchone()
    assert row is not None
    return int(row[0])
