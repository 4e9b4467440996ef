"""A slow query is found, its plan is read, and a person goes in: what they do stands in the audit log, and what they typed nowhere."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from pydantic import TypeAdapter

from tests.stack import RunningStack, empty_stack, eventually
from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.problems import ExitCode
from unioneyes.operations.database.explaining import PlanShown
from unioneyes.operations.database.slow import QueryTimes, SlowQueries
from unioneyes.runbook.audit.entry import Action, AuditEntry, read_entry

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

UE = str(Path(sys.executable).with_name("ue"))
CLIENTS = 12
_SLOW, _PLAN = TypeAdapter(SlowQueries), TypeAdapter(PlanShown)


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    """A stack with a large table that the service reads."""
    with empty_stack() as made:
        assert made.start().code == ExitCode.DONE
        with connected(made, "claims_owner") as owner:
            owner.execute("GRANT USAGE ON SCHEMA public TO claims_app; CREATE TABLE members (id int PRIMARY KEY, union_no int, name text)")
            owner.execute("INSERT INTO members SELECT g, g % 5000, 'member ' || g FROM generate_series(1, 50000) AS g")
            owner.execute("ANALYZE members; GRANT SELECT ON members TO claims_app")
        yield made


def connected(stack: RunningStack, role: str) -> psycopg.Connection:
    return psycopg.connect(open_stack(stack.home).database_url(role).get_secret_value(), autocommit=True, application_name="drill")


def slow(stack: RunningStack, *words: str) -> tuple[int, SlowQueries]:
    answer = stack.ue("db", "slow", *words, "-o", "json")
    found = {name: value for name, value in json.loads(answer.out).items() if name != "api"}
    return answer.code, _SLOW.validate_python(found)


def audited(stack: RunningStack) -> list[AuditEntry]:
    with psycopg.connect(open_stack(stack.home).control_database_url.get_secret_value()) as connection:
        return [read_entry(str(row[0])) for row in connection.execute("SELECT entry FROM ue.audit_entries ORDER BY id")]


def analyzed_entries(stack: RunningStack) -> list[AuditEntry]:
    return [entry for entry in audited(stack) if entry.action == Action.QUERY_ANALYZED]


def test_what_is_slow_is_seen_while_it_runs_and_known_afterwards(stack: RunningStack) -> None:
    def wait() -> None:
        with connected(stack, "claims_app") as service:
            service.execute("SELECT pg_sleep(6), 'Jane Doe' AS patience")

    waiting = Thread(target=wait)
    waiting.start()
    try:
        assert eventually(lambda: slow(stack, "--over", "2s")[0] == ExitCode.FAILED)
    finally:
        waiting.join(timeout=60)
    assert eventually(lambda: any("patience" in each.query for each in slow(stack)[1].past))
    code, found = slow(stack)
    (times,) = [each for each in found.past if "patience" in each.query]
    assert (code, found.running, found.source) == (ExitCode.DONE, (), "log")
    assert times.longest.total_seconds() >= 6
    assert times.p95 is None, "one query tells no percentile"
    assert "Jane" not in stack.ue("db", "slow").out
    explained = stack.ue("db", "explain", times.query_id)
    assert explained.code == ExitCode.DONE, explained.err
    assert "Jane" not in explained.out


def test_the_p95_that_is_shown_lies_within_10_percent_of_what_a_load_generator_measured(stack: RunningStack) -> None:
    drawn = random.Random(11)
    lengths = [drawn.uniform(0.02, 0.08) for _ in range(2400)] + [drawn.uniform(1.0, 1.2) for _ in range(48)]
    drawn.shuffle(lengths)

    def client(mine: list[float]) -> list[float]:
        took = []
        with connected(stack, "claims_app") as service:
            for length in mine:
                began = time.perf_counter()
                service.execute("SELECT pg_sleep(%s) AS generated", (length,))
                took.append(time.perf_counter() - began)
        return took

    def shown() -> QueryTimes | None:
        return next((each for each in slow(stack, "--over", "1s")[1].past if "generated" in each.query), None)

    with ThreadPoolExecutor(CLIENTS) as clients:
        measured = sorted(each for took in clients.map(client, (lengths[at::CLIENTS] for at in range(CLIENTS))) for each in took)
    assert eventually(lambda: (found := shown()) is not None and (found.logged or 0) > 48 + 60)
    found = shown()
    assert found is not None
    assert found.p95 is not None
    assert found.p95.total_seconds() == pytest.approx(measured[int(0.95 * len(measured))], rel=0.10)


def test_a_plan_says_which_index_is_missing_and_is_carried_out_only_where_it_reads(stack: RunningStack, tmp_path: Path) -> None:
    file = tmp_path / "slow.sql"
    file.write_text("SELECT * FROM members WHERE union_no = 4711")
    explained = stack.ue("db", "explain", str(file), "-o", "json")
    plan = _PLAN.validate_python({name: value for name, value in json.loads(explained.out).items() if name != "api"})
    assert [each.suggestion for each in plan.findings] == ["CREATE INDEX CONCURRENTLY ON public.members (union_no);"]
    assert not plan.analyzed
    assert analyzed_entries(stack) == []

    analyzed = stack.ue("db", "explain", str(file), "--analyze", "--reason", "members wait for their list")
    assert "10 rows" in analyzed.out, analyzed.err
    assert "4711" not in analyzed.out
    file.write_text("DELETE FROM members")
    refused = stack.ue("db", "explain", str(file), "--analyze")
    assert refused.code == ExitCode.REFUSED
    assert "DELETE is not carried out" in refused.err
    assert [(entry.reason, entry.data["query_id"]) for entry in analyzed_entries(stack)] == [("members wait for their list", None)]
    with connected(stack, "claims_owner") as owner:
        assert owner.execute("SELECT count(*) FROM members").fetchone() == (50_000,)


def test_who_goes_in_stands_in_the_audit_log_with_how_long_and_never_what_they_typed(stack: RunningStack) -> None:
    command = [UE, "db", "psql", "--home", str(stack.home)]
    done = subprocess.run(
        command, input="SELECT current_user, 'Jane Doe';\nSELECT * FROM public.members;\n", capture_output=True, text=True, timeout=90, check=False
    )
    assert "ue_operator" in done.stdout, done.stderr
    assert "permission denied for schema public" in done.stderr
    assert "as ue_operator, reads only; this session stands in the audit log" in done.stderr
    assert "a statement ends after 30 s, the wait for a lock after 2.0 s, the session after 1 min idle in a transaction, or 15 min idle" in done.stderr

    refused = subprocess.run([*command, "--write"], input="SELECT 1;\n", capture_output=True, text=True, timeout=90, check=False)
    assert refused.returncode == ExitCode.USAGE
    assert "without saying why" in refused.stderr

    writes = [*command, "--write", "--reason", "a member's name is wrong"]
    written = subprocess.run(writes, input="UPDATE members SET name = 'right' WHERE id = 1;\n\\q 7\n", capture_output=True, text=True, timeout=90, check=False)
    assert "UPDATE 1" in written.stdout, written.stderr

    entries = [entry for entry in audited(stack) if entry.action in {Action.DATABASE_ENTERED, Action.DATABASE_LEFT}]
    assert [entry.action for entry in entries] == [Action.DATABASE_ENTERED, Action.DATABASE_LEFT] * 2
    assert [entry.data["session"] for entry in entries[::2]] == [entry.data["session"] for entry in entries[1::2]]
    assert [(entry.reason, entry.data["write"]) for entry in entries[::2]] == [(None, False), ("a member's name is wrong", True)]
    assert all(float(str(entry.data["seconds"])) > 0 for entry in entries[1::2])
    assert not [entry for entry in entries if "Jane" in str(entry) or "UPDATE" in str(entry)]


def test_a_session_whose_terminal_goes_away_ends_and_its_password_is_gone(stack: RunningStack, tmp_path: Path) -> None:
    def inside() -> bool:
        with connected(stack, "ue_operator") as operator:
            return operator.execute("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'ue psql %'").fetchone() is not None

    variables = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([UE, "db", "psql", "--home", str(stack.home)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=variables) as session:
        try:
            assert eventually(inside)
            assert list(tmp_path.iterdir())
        finally:
            session.send_signal(signal.SIGHUP)
            session.communicate(timeout=30)
    assert session.returncode == 128 + signal.SIGHUP
    assert eventually(lambda: not inside())
    assert list(tmp_path.iterdir()) == []
    entry = audited(stack)[-1]
    assert (entry.action == Action.DATABASE_LEFT, entry.data["exit_code"]) == (True, 128 + signal.SIGTERM)
