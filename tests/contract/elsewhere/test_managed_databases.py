"""Databases behind TLS: everything goes there encrypted, to the server that the authority vouches for by that name, and to no other."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tests.contract.elsewhere.conftest import NAME, Elsewhere, Managed
from tests.contract.postgres.conftest import PASSWORD
from tests.stack import UE
from unioneyes.adapters.postgres.connections import shown
from unioneyes.adapters.postgres.examined import UnsuitableDatabase, examine_control, examine_operated
from unioneyes.adapters.postgres.programs import program, run_program, signed_in
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.environments import migrate_control
from unioneyes.environments.local.compose import build_environment
from unioneyes.environments.local.stack import open_stack
from unioneyes.ports.database import BackupState, DatabaseUnavailable
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.schema import newest_revision


def ue(elsewhere: Elsewhere, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([UE, *words, "--env", NAME, "--home", str(elsewhere.home)], capture_output=True, text=True, timeout=60, check=False)


def as_superuser(managed: Managed, *statements: str) -> None:
    with psycopg.connect(managed.operated.url(role=SUPERUSER, password=PASSWORD, database="unioneyes").get_secret_value(), autocommit=True) as admin:
        for statement in statements:
            admin.execute(statement.encode())


def test_a_backup_is_made_by_tls_and_proven_and_takes_the_live_database_s_place(managed: Managed, elsewhere: Elsewhere) -> None:
    elsewhere.settle(managed)
    as_superuser(managed, "DROP TABLE IF EXISTS kept", "CREATE TABLE kept AS SELECT generate_series(1, 100) AS id", "ALTER TABLE kept OWNER TO claims_owner")
    environment = build_environment(open_stack(elsewhere.home))

    assert environment.backups.create("by_tls").name == "by_tls"
    verified = environment.backups.verify("by_tls")
    environment.backups.discard_scratch("by_tls")
    beside = environment.restores.restore_beside("by_tls", beside="unioneyes_beside")
    environment.restores.discard_beside(beside="unioneyes_beside")

    assert verified.rows >= 100
    assert [backup.state for backup in environment.backups.all()] == [BackupState.VERIFIED]
    assert beside.rows == verified.rows
    assert environment.restores.room().free is None, "the server's disk is not this machine's"
    assert PASSWORD.get_secret_value() not in " ".join(environment.backups.describe_create("x"))


@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_nobody_is_believed_whom_the_authority_does_not_vouch_for(managed: Managed, elsewhere: Elsewhere, wrong: str) -> None:
    elsewhere.settle(managed, **({"host": "127.0.0.1"} if wrong == "name" else {"authority": managed.stranger}))
    stack = open_stack(elsewhere.home)

    for url in (stack.control_database_url, stack.database_url("claims_owner")):
        with pytest.raises(DatabaseUnavailable) as refused:
            examine_control(url)
        assert "certificate" in refused.value.what
    with pytest.raises(DatabaseUnavailable):
        build_environment(stack).backups.create("never")


def test_what_the_doctor_says_of_databases_that_are_as_they_should_be(managed: Managed, elsewhere: Elsewhere) -> None:
    elsewhere.settle(managed)

    said = ue(elsewhere, "env", "doctor", "-o", "json")

    found = {finding["check"]: finding for finding in json.loads(said.stdout)["findings"]}
    assert found["database"]["health"] == "good"
    assert "encrypted; its roles may what they need; it keeps no connection for ue_operator" in found["database"]["detail"]
    assert found["control database"]["health"] == "good"
    assert not [check for check in found if check in {"envoy", "port 8080", "remnants"}], "nothing of an embedded stack is asked for"
    assert PASSWORD.get_secret_value() not in said.stdout + said.stderr


def test_the_doctor_finds_roles_that_may_too_much_or_too_little(managed: Managed, elsewhere: Elsewhere) -> None:
    elsewhere.settle(managed)
    stack = open_stack(elsewhere.home)
    as_superuser(managed, "ALTER ROLE claims_app BYPASSRLS", "ALTER ROLE ue_backup NOBYPASSRLS", "REVOKE pg_read_all_data FROM ue_backup")
    as_superuser(managed, "REVOKE pg_monitor, pg_signal_backend, pg_use_reserved_connections FROM ue_operator", "GRANT pg_read_all_data TO ue_operator")
    try:
        with pytest.raises(UnsuitableDatabase) as found:
            examine_operated(owner=stack.database_url("claims_owner"), others=(), restore=stack.database_url("ue_backup"))
    finally:
        as_superuser(managed, "ALTER ROLE claims_app NOBYPASSRLS", "ALTER ROLE ue_backup BYPASSRLS", "GRANT pg_read_all_data TO ue_backup")
        as_superuser(managed, "GRANT pg_monitor, pg_signal_backend, pg_use_reserved_connections TO ue_operator", "REVOKE pg_read_all_data FROM ue_operator")

    for said in (
        "does not hold for claims_app",
        "ue_backup has not BYPASSRLS",
        "ue_backup lacks pg_read_all_data",
        "ue_operator lacks pg_monitor",
        "ue_operator lacks pg_signal_backend",
        "ue_operator lacks pg_use_reserved_connections",
        "ue_operator may read what members wrote",
        "the role that restores is no superuser",
    ):
        assert said in found.value.what


def test_the_engine_s_tables_are_made_before_any_server_starts_and_making_them_again_changes_nothing(managed: Managed, elsewhere: Elsewhere) -> None:
    elsewhere.settle(managed)

    first = ue(elsewhere, "control", "migrate", "-o", "json")

    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {"revision": newest_revision()}
    assert migrate_control(NAME, elsewhere.home) == newest_revision()
    with psycopg.connect(open_stack(elsewhere.home).control_database_url.get_secret_value()) as session:
        assert {str(row[0]) for row in session.execute("SELECT nspname FROM pg_namespace")} >= {"dbos", "ue"}


def test_a_server_s_session_is_opened_whatever_stands_in_the_password(managed: Managed, elsewhere: Elsewhere) -> None:
    elsewhere.settle(managed)
    database = ControlDatabase(open_stack(elsewhere.home).control_database_url, name="drill")
    try:
        with database.session() as session:
            assert session.execute("SELECT current_user").fetchone() == ("ue_control",)
    finally:
        database.close()


def test_what_is_away_is_told_and_the_embedded_stack_is_not_offered(managed: Managed, elsewhere: Elsewhere) -> None:
    elsewhere.settle(managed, operated_port=1)

    said = ue(elsewhere, "env", "status", "-o", "json")
    told = ue(elsewhere, "env", "status")
    refused = ue(elsewhere, "env", "up")

    shown = json.loads(said.stdout)
    assert (said.returncode, shown["state"], shown["elsewhere"]) == (1, "partly", True)
    states = {process["name"]: process["state"] for process in shown["processes"]}
    assert states == {"server": "away", "cluster": "away", "database": "away", "control database": "ready"}
    assert "ue serve" in told.stderr
    assert refused.returncode == 3
    assert "localhost:1/unioneyes" in refused.stderr
    assert not (elsewhere.home / "ports.json").exists()


def test_without_the_password_of_the_role_that_copies_the_setting_is_named_and_with_it_the_server_is_asked(managed: Managed, elsewhere: Elsewhere) -> None:
    elsewhere.settle(managed)
    recovery = build_environment(open_stack(elsewhere.home)).recovery
    with pytest.raises(DatabaseUnavailable) as caught:
        recovery.back_up("base_one", incremental=False)
    assert "[secrets] of environment.toml names no password of ue_replication" in caught.value.remedy
    assert "ue env roles" in caught.value.remedy
    assert recovery.wal().streaming is None, "what stands in the folders is told all the same"

    (elsewhere.kept / "ue_replication").touch(mode=0o600)
    (elsewhere.kept / "ue_replication").write_text(PASSWORD.get_secret_value())
    elsewhere.settle(managed, extra=f'ue_replication = "secret://file{elsewhere.kept}#ue_replication"\n')
    assert build_environment(open_stack(elsewhere.home)).recovery.wal().streaming is False


def test_the_printed_sql_makes_the_roles_and_narrows_what_was_widened(managed: Managed, elsewhere: Elsewhere, tmp_path: Path) -> None:
    elsewhere.settle(managed)
    as_superuser(managed, "ALTER ROLE claims_app BYPASSRLS")
    script = tmp_path / "roles.sql"
    script.write_text(ue(elsewhere, "env", "roles").stdout)

    address = open_stack(elsewhere.home).administrative_url("postgres")
    with signed_in(address) as environment:
        run_program((program("psql"), "--no-psqlrc", "-d", shown(address), "-f", str(script)), within=timedelta(seconds=30), environment=environment)

    stack = open_stack(elsewhere.home)
    assert "its roles may" in examine_operated(owner=stack.database_url("claims_owner"), others=(), restore=None)
