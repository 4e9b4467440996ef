"""A table is dropped and comes back with every row; and what is left when this program's own databases are gone is enough."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import TypeAdapter

from tests.stack import DRILL_SETTINGS, RunningStack, Said, eventually, running_stack
from unioneyes.adapters.postgres.bootstrap import DATABASE
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.environments.local.parts import build_supervisor
from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.project import project_path
from unioneyes.ports.recovery import Target

pytestmark = pytest.mark.stack

SETTINGS = f"""{DRILL_SETTINGS}
[backup]
wal = "receive"
"""
LONGEST_PROMOTION = timedelta(seconds=30)
RECORD = os.environ.get("PROMOTION") == "record"
"""Write down how long it took, for `ue db failover-check`."""


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack(settings=SETTINGS) as running:
        said = running.ue("backup", "base", "--name", "base_one")
        assert said.code == 0, said.err
        yield running


def connect(stack: RunningStack, database: str = DATABASE, *, replica: bool = False) -> psycopg.Connection:
    opened = open_stack(stack.home)
    server = opened.replica if replica else opened.primary
    address = server.url(role=SUPERUSER, password=opened.secrets.superuser, database=database).get_secret_value()
    return psycopg.connect(make_conninfo(address, connect_timeout=5), autocommit=True)


def typed(stack: RunningStack, *words: str, code: int = 0) -> Said:
    said = stack.ue(*words, within=180)
    assert said.code == code, said.out + said.err
    return said


def test_a_table_that_was_dropped_comes_back_with_every_row(stack: RunningStack) -> None:
    with connect(stack) as live:
        live.execute("CREATE TABLE dues (id int PRIMARY KEY, note text)")
        live.execute("INSERT INTO dues SELECT n, 'words of a member' FROM generate_series(1, 1000) AS n")
    typed(stack, "backup", "base", "--incremental", "--name", "base_two")
    with connect(stack) as live:
        live.execute("INSERT INTO dues VALUES (1001, 'the last')")
        live.execute("DROP TABLE dues")
    planned = typed(stack, "backup", "pitr", "--before-drop", "dues", "--into", "dues_back", "--dry-run")
    assert "dropped public.dues" in planned.out
    done = typed(stack, "backup", "pitr", "--before-drop", "dues", "--into", "dues_back", "--table", "public.dues", "--reason", "a drill")
    assert "dues_back: 1,001 rows of public.dues" in done.out
    assert "words of a member" not in planned.out + done.out + done.err
    with connect(stack, "dues_back") as back:
        assert back.execute("SELECT count(*), max(id) FROM dues").fetchone() == (1001, 1001)
    with connect(stack) as live:
        assert live.execute("SELECT to_regclass('dues')").fetchone() == (None,), "the live database is not touched"
    assert not list(stack.layout.recovered.glob("*/")), "the scratch server is gone"
    typed(stack, "backup", "wal")


def test_a_recovery_whose_database_came_in_between_is_taken_back(stack: RunningStack) -> None:
    with connect(stack) as live:
        live.execute("CREATE DATABASE taken")
    said = typed(stack, "backup", "pitr", "--to", "end", "--into", "taken", code=3)
    assert "a database called taken" in said.err


def test_what_is_left_to_be_looked_into_can_be(stack: RunningStack) -> None:
    said = typed(stack, "backup", "pitr", "--to", "end", "--inspect")
    assert "look into it  psql '" in said.out
    assert stack.environment.recovery.running("inspected")


def test_failing_over_is_told_before_it_is_needed(stack: RunningStack) -> None:
    assert eventually(lambda: "replica" in stack.ue("db", "failover-check").out)
    said = typed(stack, "db", "failover-check")
    assert "archive" in said.out
    assert "a commit is answered before it has it" in said.out


def test_when_the_programs_own_database_and_the_primary_are_gone_the_folders_are_enough(stack: RunningStack) -> None:
    """The last test of the file: nothing serves any more after it; the replica is promoted, and how long that takes is measured."""
    with connect(stack) as live:
        live.execute("CREATE TABLE kept (id int)")
        live.execute("INSERT INTO kept VALUES (1), (2), (3)")
        row = live.execute("SELECT pg_current_wal_lsn()").fetchone()
        assert row is not None
        received = "SELECT bool_and(coalesce(write_lsn, flush_lsn) >= %s::pg_lsn) FROM pg_stat_replication"
        assert eventually(lambda: live.execute(received, row).fetchone() == (True,))
    stack.environment.recovery.discard("inspected")
    opened = open_stack(stack.home)
    build_supervisor(opened.layout).stop("postgres-primary")
    began = time.monotonic()
    with connect(stack, replica=True) as replica:
        replica.execute("SELECT pg_promote(wait => true, wait_seconds => 30)")
        replica.execute("INSERT INTO kept VALUES (4)")
        took = timedelta(seconds=time.monotonic() - began)
        assert replica.execute("SELECT count(*) FROM kept").fetchone() == (4,)
    assert took < LONGEST_PROMOTION
    if RECORD:
        project_path("docs/measured/promotion.json").write_bytes(TypeAdapter(dict[str, timedelta]).dump_json({"promotion": took}) + b"\n")
    typed(stack, "env", "down")
    shutil.rmtree(stack.layout.postgres / "control")
    shutil.rmtree(stack.layout.postgres / "primary")
    stack.layout.claim_sockets()
    recovery = stack.environment.recovery
    recovery.recover("alone", recovery.find(Target(end=True)))
    try:
        servers = open_stack(stack.home).layout.recovered_sockets
        (socket,) = servers.glob("*/.s.PGSQL.5432")
        with psycopg.connect(make_conninfo(host=str(socket.parent), user=SUPERUSER, dbname=DATABASE)) as back:
            assert back.execute("SELECT array_agg(id ORDER BY id) FROM kept").fetchone() == ([1, 2, 3],)
    finally:
        recovery.discard("alone")
