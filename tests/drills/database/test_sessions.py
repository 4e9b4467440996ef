"""Too many connections: what is idle ends under load, and no member notices; what holds the others up is found and ended."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread

import psycopg
import pytest
from pydantic import JsonValue, TypeAdapter

from tests.drills.kills.scenario import members_at_work
from tests.drills.main_job.main_job import MainJob
from unioneyes.kernel.problems import ExitCode
from unioneyes.operations.database.connections import Locks
from unioneyes.operations.database.sessions_model import SessionsEnded
from unioneyes.operations.database.status import DatabaseStatus, LagStatus
from unioneyes.ports.activity import Outcome
from unioneyes.runbook.views import PlanView, RunView

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FORGOTTEN, AT_WORK = "forgotten report", "drill worker"
IDLE_SECONDS = 1.5
_PLAN, _RUN, _ENDED = TypeAdapter(PlanView), TypeAdapter(RunView), TypeAdapter(SessionsEnded)


@contextmanager
def connected(job: MainJob, application: str) -> Iterator[psycopg.Connection]:
    """A session of the service's own role that says another name."""
    url = job.parts.database_url("claims_app").get_secret_value()
    with psycopg.connect(url, autocommit=True, application_name=application) as opened:
        yield opened


@contextmanager
def always_at_work(job: MainJob, count: int) -> Iterator[list[str]]:
    """So many sessions that query, rest for less than what counts as idle, and query again; what went wrong is given."""
    over, wrong = Event(), list[str]()

    def work() -> None:
        try:
            with connected(job, AT_WORK) as opened:
                while not over.is_set():
                    opened.execute("SELECT pg_sleep(0.05)")
                    over.wait(0.02)
        except psycopg.Error as error:
            wrong.append(str(error))

    threads = [Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        over.set()
        for thread in threads:
            thread.join(timeout=30)


def said(job: MainJob, *words: str, ends_with: ExitCode = ExitCode.DONE) -> JsonValue:
    answer = job.stack.ue(*words, "-o", "json")
    assert answer.code == ends_with, answer.err
    found: JsonValue = json.loads(answer.out)
    return found


def ended(job: MainJob, *words: str) -> SessionsEnded:
    return _ENDED.validate_python(_RUN.validate_python(said(job, *words, "--reason", "a drill")).result)


def test_what_is_idle_ends_under_load_and_no_query_of_anybody_is_lost(serving: MainJob) -> None:
    with members_at_work(serving) as members, always_at_work(serving, 4) as wrong, ExitStack() as idle:
        forgotten = [idle.enter_context(connected(serving, FORGOTTEN)) for _ in range(12)]
        pids = {each.info.backend_pid for each in forgotten}
        time.sleep(IDLE_SECONDS)
        idle_for = ("db", "connections", "--kill-idle", "--older-than", "1s")

        plan = _PLAN.validate_python(said(serving, *idle_for, "--app", FORGOTTEN, "--dry-run"))
        named = {reading.name: reading.value for reading in plan.readings}
        assert {name for name in named if name.endswith(" ends")} == {f"{pid} ends" for pid in pids}
        assert all(named.values()), "each that stays has its reason"
        for each in forgotten:
            each.execute("SELECT 1")

        time.sleep(IDLE_SECONDS)
        first = ended(serving, *idle_for, "--app", FORGOTTEN)
        assert {(each.pid, each.outcome) for each in first.sent} == {(pid, Outcome.ENDED) for pid in pids}
        everybody = ended(serving, *idle_for) if _anybody_idle(serving) else None
        report, lost = members.finish(), list(wrong)

    assert lost == [], "no active query"
    assert everybody is None or not [each for each in everybody.sent if each.outcome not in {Outcome.ENDED, Outcome.CHANGED, Outcome.GONE}]
    assert report.lost == 0, "the service's own idle connections too are ended without an error for anybody"
    assert report.sent > 20


def test_whoever_holds_the_others_up_is_found_and_ended(serving: MainJob) -> None:
    waited = list[str]()

    def wait() -> None:
        with connected(serving, AT_WORK) as opened:
            opened.execute("SELECT pg_advisory_lock(4711)")
            waited.append("came through")

    with connected(serving, FORGOTTEN) as holder:
        holder.execute("BEGIN")
        holder.execute("SELECT pg_advisory_xact_lock(4711), 'a member'")
        pid = holder.info.backend_pid
        waiting = Thread(target=wait)
        waiting.start()
        _eventually_waits(serving, pid)
        status = TypeAdapter(DatabaseStatus).validate_python(said(serving, "db", "status", ends_with=ExitCode.FAILED))
        assert f"1 session waits for {pid}" in [each.what for each in status.troubles]
        assert "a member" not in json.dumps(TypeAdapter(DatabaseStatus).dump_python(status, mode="json"))
        done = ended(serving, "db", "kill", str(pid))
        assert [(each.pid, each.outcome) for each in done.sent] == [(pid, Outcome.ENDED)]
        holder.close()  # before it would commit what was ended
        waiting.join(timeout=30)
    assert waited == ["came through"]
    said(serving, "db", "locks")


def test_where_all_connections_are_in_use_whoever_ends_what_is_idle_still_comes_in(serving: MainJob) -> None:
    with ExitStack() as leaked:
        with suppress(psycopg.OperationalError):
            while True:
                leaked.enter_context(connected(serving, FORGOTTEN))
        status = TypeAdapter(DatabaseStatus).validate_python(said(serving, "db", "status", ends_with=ExitCode.FAILED))
        assert [each.urgent for each in status.troubles if each.where == "connections"] == [True]
        time.sleep(IDLE_SECONDS)
        done = ended(serving, "db", "connections", "--kill-idle", "--older-than", "1s", "--app", FORGOTTEN)
        assert {each.outcome for each in done.sent} == {Outcome.ENDED}
        assert len(done.sent) > 50
    with connected(serving, FORGOTTEN) as again:
        again.execute("SELECT 1")


def test_one_that_was_told_to_end_and_does_not_is_a_failure_and_never_done(serving: MainJob) -> None:
    with connected(serving, FORGOTTEN) as stuck:
        pid = stuck.info.backend_pid
        idle = serving.stack.ue("db", "kill", str(pid), "--cancel", "--reason", "a drill")
        assert (idle.code, "runs no query: it is idle" in idle.err) == (ExitCode.REFUSED, True)
        os.kill(pid, signal.SIGSTOP)
        try:
            answer = serving.stack.ue("db", "kill", str(pid), "--reason", "a drill")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert (answer.code, f"session {pid} is still there" in answer.err) == (ExitCode.FAILED, True)


def test_our_own_sessions_and_a_superuser_s_stay_whoever_names_them(serving: MainJob) -> None:
    with psycopg.connect(serving.parts.administrative_url("unioneyes").get_secret_value()) as superuser:
        answer = serving.stack.ue("db", "kill", str(superuser.info.backend_pid), "--reason", "a drill")
        assert (answer.code, "is a superuser" in answer.err) == (ExitCode.REFUSED, True)
        superuser.execute("SELECT 1")
    nobody = serving.stack.ue("db", "kill", "1", "--reason", "a drill")
    assert (nobody.code, "no session has the number 1 now" in nobody.err) == (ExitCode.REFUSED, True)


def test_the_lag_is_told_in_seconds_by_a_commit_that_arrived(serving: MainJob) -> None:
    lag = TypeAdapter(LagStatus).validate_python(said(serving, "db", "lag"))
    assert lag.lag.heartbeat is not None
    assert lag.lag.heartbeat.arrived
    assert lag.lag.copy is not None
    assert lag.lag.copy.receiver == "streaming"


def _anybody_idle(job: MainJob) -> bool:
    return _PLAN.validate_python(said(job, "db", "connections", "--kill-idle", "--older-than", "1s", "--dry-run")).refused is None


def _eventually_waits(job: MainJob, pid: int) -> None:
    until = time.monotonic() + 30
    while True:
        answer = job.stack.ue("db", "locks", "-o", "json")
        links = TypeAdapter(Locks).validate_json(answer.out).links
        if links and links[0].pid == pid:
            assert (answer.code, links[0].holds_up) == (ExitCode.FAILED, 1)
            return
        assert time.monotonic() < until, answer
        time.sleep(0.2)
