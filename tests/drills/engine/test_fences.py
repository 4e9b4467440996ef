"""What an execution writes at each step, while somebody else changes what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest
from pydantic import SecretStr

from tests.drills.engine.conftest import Drill, url
from tests.drills.engine.runbooks import Move
from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.problems import ControlDatabaseUnavailable
from unioneyes.runbook.steps import Stop
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.journal import Line
from unioneyes.runbook.store.runs import Claim, ExecutionLost, Runs
from unioneyes.runbook.views import EntryKind

STARTED = Line(kind=EntryKind.STEP_STARTED, step="change", message="a change")
WAITS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'execution' AND wait_event_type = 'Lock'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A run that nobody carries out but the test, and the fences that it looks at."""

    drill: Drill
    runs: Runs
    claim: Claim

    def begin(self) -> Stop | None:
        """Return why the run must stop; None when it is in its step."""
        found = self.runs.begin_step(self.claim, self.claim.root, STARTED, cancellable=True, heeds_line=True)
        return found if isinstance(found, Stop) else None

    def note(self) -> None:
        self.runs.note(self.claim, self.claim.root, STARTED)

    def while_changed(self, statement: str, call: Callable[[], object]) -> object:
        """Return what `call` comes to, which has looked at the run while a change of it was not committed yet."""
        with psycopg.connect(url(self.drill.server, self.drill.control)) as other, ThreadPoolExecutor(1) as threads:
            other.execute(statement.encode(), (self.claim.root,))
            called = threads.submit(call)
            self.drill.until(self.waiting, lambda waiting: waiting == 1)
            other.commit()
            return called.result(10)

    def waiting(self) -> int:
        with psycopg.connect(url(self.drill.server, self.drill.control)) as looking:
            row = looking.execute(WAITS).fetchone()
            return 0 if row is None else row[0]


@pytest.fixture
def stand(fresh: Drill) -> Iterator[Stand]:
    run = fresh.start(Move(key="a"))
    with closing(ControlDatabase(SecretStr(url(fresh.server, fresh.control)), name="execution")) as database:
        yield Stand(drill=fresh, runs=Runs(database, Redactor()), claim=Claim(root=run.id, service="drilled", attempt=0))


TAKEN_UP = "UPDATE ue.runs SET attempt = attempt + 1 WHERE id = %s"


def test_a_step_is_not_begun_when_another_worker_took_the_run_up_meanwhile(stand: Stand) -> None:
    with pytest.raises(ExecutionLost):
        stand.while_changed(TAKEN_UP, stand.begin)
    assert stand.drill.kinds(stand.claim.root) == []


def test_no_line_is_written_when_another_worker_took_the_run_up_meanwhile(stand: Stand) -> None:
    with pytest.raises(ExecutionLost):
        stand.while_changed(TAKEN_UP, stand.note)
    assert stand.drill.kinds(stand.claim.root) == []


def test_a_step_is_not_begun_when_the_run_was_cancelled_meanwhile(stand: Stand) -> None:
    assert stand.while_changed("UPDATE ue.runs SET cancelled_by = 'somebody' WHERE id = %s", stand.begin) is Stop.CANCELLED
    assert stand.drill.kinds(stand.claim.root) == []


def test_a_step_is_not_begun_when_a_rollback_took_the_service_meanwhile(stand: Stand) -> None:
    assert stand.while_changed("UPDATE ue.runs SET superseded_by = id WHERE id = %s", stand.begin) is Stop.SUPERSEDED
    assert stand.drill.kinds(stand.claim.root) == []


def test_what_was_changed_meanwhile_and_stops_nothing_stays_changed_and_the_run_is_in_its_step(stand: Stand) -> None:
    assert stand.while_changed("UPDATE ue.runs SET summary = 'another' WHERE id = %s", stand.begin) is None
    run = stand.drill.engine.run(stand.claim.root)
    assert (run.summary, run.step) == ("another", "change")
    assert stand.drill.kinds(run.id) == ["step-started change"]


def test_a_line_stands_once_however_often_it_is_written(stand: Stand) -> None:
    stand.note()
    stand.note()
    assert stand.drill.kinds(stand.claim.root) == ["step-started change"]


def test_a_connection_that_was_cut_is_found_out_once(stand: Stand) -> None:
    stand.note()
    stand.drill.in_control("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'execution'")
    with pytest.raises(ControlDatabaseUnavailable):
        stand.begin()
    assert stand.begin() is None
