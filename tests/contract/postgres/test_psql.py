"""psql as a person gets it, run as they would: what is piped in is read."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.contract.postgres.conftest import PASSWORD, Database
from unioneyes.adapters.postgres.bootstrap import OPERATOR, OWNER
from unioneyes.adapters.postgres.programs import PostgresMissing, program
from unioneyes.adapters.postgres.psql import Limits, NoPsql, Psql, psql

pytestmark = pytest.mark.stack

MODULE = "unioneyes.adapters.postgres.psql"
SHOWN = (
    "default_transaction_read_only",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "application_name",
)


def typed(found: Psql, text: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((*found.argv, *more), env=found.environment, input=text, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("whose", ["the machine's", "the wheel's"])
def test_it_comes_in_with_limits_and_the_password_stands_in_no_argument(database: Database, monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    if whose == "the machine's" and shutil.which("psql") is None:
        pytest.skip("psql is not installed: apt-get install postgresql-client")
    if whose == "the wheel's":
        monkeypatch.setattr(f"{MODULE}.shutil.which", lambda _name: None)
    with psql(database.url(OPERATOR), read_only=True, prompt="test", application="ue psql ada") as found:
        assert (found.argv[0] == program("psql")) is (whose == "the wheel's")
        assert not any("pass:word" in word or PASSWORD.get_secret_value() in word for word in found.argv)
        passfile = Path(found.environment["PGPASSFILE"])
        assert passfile.stat().st_mode & 0o777 == 0o600
        done = typed(found, "".join(f"SHOW {name};\n" for name in SHOWN) + "SELECT current_user;\n", "--tuples-only", "--no-align")
    assert done.stdout.split("\n")[:-1] == ["on", "30s", "2s", "1min", "15min", "ue psql ada", OPERATOR], done.stderr
    assert not passfile.exists()


def test_what_reads_only_writes_nothing_and_what_may_write_does(database: Database) -> None:
    with psql(database.url(OWNER), read_only=True, prompt="test", application="ue psql ada") as found:
        refused = typed(found, "CREATE TABLE made (id int);\n")
    assert "cannot execute CREATE TABLE in a read-only transaction" in refused.stderr
    with psql(database.url(OWNER), read_only=False, prompt="test", application="ue psql ada") as found:
        done = typed(found, "CREATE TABLE made (id int);\nDROP TABLE made;\n")
    assert done.stdout == "CREATE TABLE\nDROP TABLE\n"


def test_a_statement_ends_in_time(database: Database) -> None:
    with psql(database.url(OPERATOR), read_only=True, prompt="test", application="ue psql ada", limits=Limits(statement=timedelta(milliseconds=200))) as found:
        assert "canceling statement due to statement timeout" in typed(found, "SELECT pg_sleep(30);\n").stderr


def test_neither_a_person_s_own_settings_nor_a_history_come_into_it(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".psqlrc").write_text("SET statement_timeout = 0;\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=0")
    monkeypatch.setenv("PGPASSWORD", "another")
    with psql(database.url(OPERATOR), read_only=True, prompt="test", application="ue psql ada") as found:
        assert typed(found, "SHOW statement_timeout;\n", "--tuples-only", "--no-align").stdout == "30s\n"
        assert "PGPASSWORD" not in found.environment
    assert [each.name for each in tmp_path.iterdir()] == [".psqlrc"]


def test_without_a_psql_it_says_where_one_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> str:
        raise PostgresMissing(what="none", remedy="none")

    monkeypatch.setattr(f"{MODULE}.shutil.which", lambda _name: None)
    monkeypatch.setattr(f"{MODULE}.program", missing)
    with (
        pytest.raises(NoPsql, match="no psql on this machine"),
        psql(SecretStr("postgresql://a@b/c"), read_only=True, prompt="test", application="ue psql ada"),
    ):
        pass
