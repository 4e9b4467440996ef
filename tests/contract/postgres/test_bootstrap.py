from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from tests.contract.postgres.conftest import PASSWORD, PASSWORDS, Database, free_port
from unioneyes.adapters.postgres.bootstrap import BACKUP, DATABASE, OPERATOR, OWNER, SERVICE, bootstrap_operated
from unioneyes.adapters.postgres.server import THROWAWAY, PostgresServer

pytestmark = pytest.mark.stack


@pytest.fixture
def operated(server: PostgresServer) -> Database:
    return Database(server=server, name=DATABASE)


def test_only_the_backup_role_passes_row_level_security_and_none_is_more_than_it_must(operated: Database) -> None:
    with operated.connect() as admin:
        roles = admin.execute("""
          SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb, rolreplication, rolbypassrls, rolcanlogin
          FROM pg_roles WHERE rolname IN ('claims_owner', 'claims_app', 'ue_replication', 'ue_backup', 'ue_operator') ORDER BY 1
        """).fetchall()
    assert roles == [
        ("claims_app", False, False, False, True),
        ("claims_owner", False, False, False, True),
        ("ue_backup", False, False, True, True),
        ("ue_operator", False, False, False, True),
        ("ue_replication", False, True, False, True),
    ]


def test_the_owner_makes_tables_and_the_service_can_not(operated: Database) -> None:
    with operated.connect(OWNER) as owner:
        owner.execute("CREATE TABLE made_by_owner (id int)")
        owner.execute("CREATE SCHEMA made_by_owner")
        owner.execute("DROP SCHEMA made_by_owner")
        owner.execute("DROP TABLE made_by_owner")
    with operated.connect(SERVICE) as service:
        for forbidden in ("CREATE TABLE public.mine (id int)", "CREATE SCHEMA mine", "CREATE TEMPORARY TABLE mine (id int)", "ALTER ROLE claims_app BYPASSRLS"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                service.execute(forbidden.encode())


def test_the_backup_role_reads_what_row_level_security_hides_and_writes_nothing(database: Database) -> None:
    with database.connect(OWNER) as owner:
        owner.execute("CREATE TABLE hidden (id int); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    with database.connect() as admin:
        admin.execute("INSERT INTO hidden VALUES (1)")
    assert database.value("SELECT count(*) FROM hidden", OWNER) == 0
    assert database.value("SELECT count(*) FROM hidden", BACKUP) == 1
    with database.connect(BACKUP) as backup, pytest.raises(psycopg.errors.InsufficientPrivilege):
        backup.execute("INSERT INTO hidden VALUES (2)")


def test_the_operator_sees_every_session_and_ends_it_and_reads_no_table(database: Database) -> None:
    with database.connect(OWNER) as owner:
        owner.execute("CREATE TABLE members (id int)")
        owner.execute("SELECT 'a secret of a member'")
        with database.connect(OPERATOR) as operator:
            for forbidden in ("SELECT * FROM members", "CREATE SCHEMA mine", "CREATE TABLE public.mine (id int)", "SELECT pg_read_file('postgresql.conf')"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    operator.execute(forbidden.encode())
            seen = operator.execute("SELECT query, pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid = %s", (owner.info.backend_pid,))
            assert seen.fetchone() == ("SELECT 'a secret of a member'", True)


def test_it_may_be_repeated_narrows_a_widened_role_and_no_password_reaches_the_log(folder: Path) -> None:
    server = PostgresServer(name="logged", folder=folder, port=free_port(), sockets=folder, settings={**THROWAWAY, "log_statement": "all"})
    server.initialise(PASSWORD)
    changed = {**PASSWORDS, OWNER: SecretStr("another-secret-for-the-owner")}
    with server.running_meanwhile():
        bootstrap_operated(server, superuser=PASSWORD, passwords=PASSWORDS)
        with Database(server=server, name=DATABASE).connect() as admin:
            admin.execute("ALTER ROLE claims_app BYPASSRLS")
        bootstrap_operated(server, superuser=PASSWORD, passwords=changed)
        with Database(server=server, name=DATABASE).connect() as admin:
            assert admin.execute("SELECT rolbypassrls FROM pg_roles WHERE rolname = 'claims_app'").fetchone() == (False,)
        psycopg.connect(server.url(role=OWNER, password=changed[OWNER], database=DATABASE).get_secret_value()).close()
    log = (folder / "server.log").read_text()
    assert "ALTER ROLE" in log
    assert "another-secret" not in log
    assert "pass:word" not in log
