"""A table is dropped and comes back with every row from the catalogue of a Barman that stands beside, and nothing else of it is kept here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.contract.postgres.conftest import short_folder
from tests.contract.recovery.barman import NEEDS_BARMAN, PROGRAM, SERVER, STREAMED, BarmanHost
from tests.stack import DRILL_SETTINGS, RunningStack, eventually, running_stack
from unioneyes.adapters.postgres.bootstrap import DATABASE
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.environments.local.stack import open_stack

pytestmark = [pytest.mark.stack, NEEDS_BARMAN]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The stack, and Barman beside it."""

    stack: RunningStack
    host: BarmanHost

    def connect(self, database: str = DATABASE) -> psycopg.Connection:
        return _connect(self.stack, database)

    def typed(self, *words: str) -> str:
        said = self.stack.ue(*words, within=180)
        assert said.code == 0, said.out + said.err
        return said.out


def _connect(stack: RunningStack, database: str) -> psycopg.Connection:
    opened = open_stack(stack.home)
    address = opened.primary.url(role=SUPERUSER, password=opened.secrets.superuser, database=database).get_secret_value()
    return psycopg.connect(make_conninfo(address, connect_timeout=5), autocommit=True)


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    with short_folder() as folder:
        named = f'[backup]\nengine = "barman"\n[backup.barman]\nserver = "{SERVER}"\nconfig = "{folder}/barman.conf"\nprogram = "{PROGRAM}"\n'
        with running_stack(settings=f"{DRILL_SETTINGS}\n{named}") as stack:
            opened = open_stack(stack.home)
            host = BarmanHost(folder=folder, port=opened.ports.database, password=opened.secrets.ue_replication)
            with _connect(stack, "postgres") as superuser:
                host.admit(superuser)
            host.configure(*STREAMED)
            receiver = host.receive()
            try:
                assert eventually(lambda: "barman_receive_wal" in stack.ue("db", "failover-check").out, within=30)
                yield Beside(stack=stack, host=host)
            finally:
                host.stop(receiver)


def test_a_table_that_was_dropped_comes_back_with_every_row(beside: Beside) -> None:
    with beside.connect() as live:
        live.execute("CREATE TABLE dues (id int PRIMARY KEY, note text)")
        live.execute("INSERT INTO dues SELECT n, 'words of a member' FROM generate_series(1, 1000) AS n")
    made = beside.typed("backup", "base", "--name", "base_one")
    assert "each as the server sent it" in made
    assert "by its own rule: RECOVERY WINDOW OF 7 DAYS" in made
    with beside.connect() as live:
        live.execute("INSERT INTO dues VALUES (1001, 'the last')")
        live.execute("DROP TABLE dues")
    planned = beside.typed("backup", "pitr", "--before-drop", "dues", "--into", "dues_back", "--dry-run")
    assert "dropped public.dues" in planned
    assert "restore --get-wal main" in planned
    done = beside.typed("backup", "pitr", "--before-drop", "dues", "--into", "dues_back", "--table", "public.dues", "--reason", "a drill")
    assert "dues_back: 1,001 rows of public.dues" in done
    assert "words of a member" not in made + planned + done
    with beside.connect("dues_back") as back:
        assert back.execute("SELECT count(*), max(id) FROM dues").fetchone() == (1001, 1001)
    with beside.connect() as live:
        assert live.execute("SELECT to_regclass('dues')").fetchone() == (None,), "the live database is not touched"
    shown = beside.typed("backup", "wal")
    assert "Barman 3." in shown
    assert "base_one" in shown
    assert "recoverable  to any second from 20" in beside.stack.ue("db", "status").out
    assert not list(beside.stack.layout.wal.glob("*")), "the log is kept once"
    assert not list(beside.stack.layout.bases.glob("*")), "and so are base backups"
