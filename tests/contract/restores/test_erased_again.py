"""The contract of the port `Erasures`, by a real program on a real database: who was erased is gone, or nobody is told that they are."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.contract.postgres.conftest import PASSWORD, Database
from unioneyes.adapters.postgres.bootstrap import OWNER
from unioneyes.adapters.postgres.erasures import ErasingProgram
from unioneyes.adapters.postgres.programs import program
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.ports.erasures import NotErased

pytestmark = pytest.mark.stack

SINCE = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
ERASES = """
import os, subprocess, sys
assert os.environ["UE_ERASED_SINCE"] == "2026-02-09T14:30:00.000Z", os.environ["UE_ERASED_SINCE"]
query = "WITH gone AS (DELETE FROM persons WHERE id IN (2, 3) RETURNING id) SELECT count(*) FROM gone"
said = subprocess.run([sys.argv[1], "-X", "-w", "-A", "-t", "-c", query], capture_output=True, text=True, check=True)
print(said.stdout.strip())
"""
FAILS = "import sys; print('Ada Lovelace could not be erased', file=sys.stderr); sys.exit(1)"
TALKS = "print('erased Ada Lovelace')"


@pytest.fixture
def persons(database: Database) -> Database:
    with database.connect(OWNER) as owner:
        owner.execute("CREATE TABLE persons AS SELECT generate_series(1, 5) AS id")
    return database


def erasing(database: Database, text: str, folder: Path) -> ErasingProgram:
    script = folder / "erase.py"
    script.write_text(text)
    return ErasingProgram(
        argv=(sys.executable, str(script), program("psql")), admin=lambda name: database.server.url(role=SUPERUSER, password=PASSWORD, database=name)
    )


def test_the_program_finds_the_database_and_since_when_and_says_how_many_and_may_be_repeated(persons: Database, tmp_path: Path) -> None:
    erasures = erasing(persons, ERASES, tmp_path)
    assert erasures.kept
    assert erasures.erase_again(persons.name, since=SINCE).persons == 2
    assert erasures.erase_again(persons.name, since=SINCE).persons == 0
    assert persons.value("SELECT array_agg(id ORDER BY id) FROM persons") == [1, 4, 5]
    (typed,) = erasures.describe_erase_again(persons.name, since=SINCE)
    assert f"PGDATABASE={persons.name}" in typed
    assert PASSWORD.get_secret_value() not in typed


@pytest.mark.parametrize(("text", "says"), [(FAILS, "did not erase all"), (TALKS, "does not say how many"), (None, "did not erase all")])
def test_a_program_that_fails_or_says_something_else_has_erased_nobody_and_its_words_are_not_shown(
    persons: Database, tmp_path: Path, text: str | None, says: str
) -> None:
    erasures = erasing(persons, text or "", tmp_path)
    if text is None:
        erasures = ErasingProgram(argv=(str(tmp_path / "nowhere"),), admin=erasures.admin)
    with pytest.raises(NotErased, match=says) as caught:
        erasures.erase_again(persons.name, since=SINCE)
    assert "does not serve" in caught.value.what
    assert "Lovelace" not in caught.value.what + caught.value.remedy


def test_where_nobody_keeps_who_was_erased_that_is_said(persons: Database) -> None:
    assert not ErasingProgram(argv=(), admin=persons.url).kept
