"""A backup takes the live database's place by `ue backup restore --confirm`; who was erased since is erased again before that, or it does not happen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.stack import DRILL_SETTINGS, RunningStack, running_stack
from unioneyes.adapters.postgres.bootstrap import DATABASE
from unioneyes.adapters.postgres.programs import program
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.problems import ExitCode

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

PSQL = program("psql")
ERASES = """
import os, pathlib, subprocess, sys
folder = pathlib.Path(__file__).parent
if (folder / "broken").exists():
    sys.exit(1)
query = "WITH gone AS (DELETE FROM persons WHERE id = 2 RETURNING id) SELECT count(*) FROM gone"
said = subprocess.run([sys.argv[1], "-X", "-w", "-A", "-t", "-c", query], capture_output=True, text=True, check=True).stdout.strip()
(folder / "database").write_text(os.environ["PGDATABASE"])
print(said)
"""
"""Knows that person 2 was erased."""


@pytest.fixture(scope="module")
def erase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    script = tmp_path_factory.mktemp("erases") / "erase.py"
    script.write_text(ERASES)
    return script


@pytest.fixture(scope="module")
def stack(erase: Path) -> Iterator[RunningStack]:
    with running_stack(settings=f'{DRILL_SETTINGS}\n[privacy]\nerase_again = ["{sys.executable}", "{erase}", "{PSQL}"]\n') as running:
        with connect(running) as live:
            live.execute("CREATE TABLE persons AS SELECT generate_series(1, 3) AS id")
        said = running.ue("backup", "create", "--name", "before", within=120)
        assert said.code == ExitCode.DONE, said.err
        with connect(running) as live:
            live.execute("DELETE FROM persons WHERE id = 2")  # erased, as they asked for
            live.execute("INSERT INTO persons VALUES (4)")
        yield running


def connect(stack: RunningStack, database: str = DATABASE) -> psycopg.Connection:
    opened = open_stack(stack.home)
    address = opened.primary.url(role=SUPERUSER, password=opened.secrets.superuser, database=database).get_secret_value()
    return psycopg.connect(address, autocommit=True)


def persons(stack: RunningStack) -> list[int]:
    with connect(stack) as live:
        return [int(row[0]) for row in live.execute("SELECT id FROM persons ORDER BY id")]


def databases(stack: RunningStack) -> set[str]:
    with connect(stack, "postgres") as admin:
        return {str(row[0]) for row in admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'unioneyes%'")}


def test_a_database_in_which_nobody_was_erased_again_takes_no_other_s_place(stack: RunningStack, erase: Path) -> None:
    (erase.parent / "broken").touch()
    try:
        said = stack.ue("backup", "restore", "before", "--confirm", DATABASE, within=180)
    finally:
        (erase.parent / "broken").unlink()
    assert said.code == ExitCode.UNDONE, said.out + said.err
    assert "it does not serve" in said.err
    assert persons(stack) == [1, 3, 4]
    assert databases(stack) == {DATABASE}, "what was restored and not erased is gone"


def test_who_was_erased_since_the_backup_is_erased_again_before_it_is_live(stack: RunningStack, erase: Path) -> None:
    planned = stack.ue("backup", "restore", "before", "--confirm", DATABASE, "--dry-run")
    assert "erase_again" in planned.out
    said = stack.ue("backup", "restore", "before", "--confirm", DATABASE, within=180)
    assert said.code == ExitCode.DONE, said.out + said.err
    assert "1 of those who had been erased since the backup" in said.out
    assert (erase.parent / "database").read_text().startswith("unioneyes_restored_"), "it had not the live one's name yet"
    assert persons(stack) == [1, 3]
    (kept,) = databases(stack) - {DATABASE}
    with connect(stack, kept) as before:
        assert before.execute("SELECT array_agg(id ORDER BY id) FROM persons").fetchone() == ([1, 3, 4],)
