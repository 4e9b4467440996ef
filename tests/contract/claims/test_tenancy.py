from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import errors

from tests.contract.claims.conftest import Database

TENANT_TABLES = ("organizations", "users", "organization_members", "claim_counters", "claims", "claim_updates", "login_attempts", "idempotency_keys")


ROWS_OF_A_TENANT = (
    "INSERT INTO organizations (id, slug) VALUES (current_setting('app.current_org_id'), 'x')",
    "INSERT INTO users (id, name, email) VALUES (current_setting('app.current_user_id'), 'Member One', 'one@example.org')",
    """INSERT INTO organization_members ("userId", organization_id, name, email, role)
    SELECT users.id, organizations.id, 'Member One', 'one@example.org', 'member' FROM users, organizations""",
    "INSERT INTO claims (organization_id, member_id, type, priority, text) SELECT organization_id, id, 'other', 'low', 'x' FROM organization_members",
    "INSERT INTO claim_updates (organization_id, claim_id, member_id, to_status) SELECT organization_id, id, member_id, status FROM claims",
)


@pytest.fixture(scope="module")
def tenants(new_database: Callable[[str], Database]) -> Database:
    """A database in which two organizations have one row in each table."""
    database = new_database("1.1.0")
    with database.connect("claims_app") as connection:
        for organization in ("org_one", "org_two"):
            enter(connection, organization)
            for statement in ROWS_OF_A_TENANT:
                connection.execute(statement.encode())
    return database


@pytest.fixture
def app(tenants: Database) -> Iterator[psycopg.Connection]:
    """A connection as the service's role, in the scope of the first organization."""
    with tenants.connect("claims_app") as connection:
        enter(connection, "org_one")
        yield connection


def enter(connection: psycopg.Connection, organization: str) -> None:
    connection.execute(
        "SELECT set_config('app.current_org_id', %s, false), set_config('app.current_user_id', %s, false)", (organization, f"user_{organization}")
    )


def test_row_level_security_is_forced_on_every_table(database: Database) -> None:
    with database.connect("claims_owner") as owner:
        rows = owner.execute("SELECT relname, relforcerowsecurity FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace").fetchall()
    assert dict(rows) == dict.fromkeys(TENANT_TABLES, True)


@pytest.mark.parametrize(
    ("query", "own"),
    [
        ("SELECT id FROM organizations", "org_one"),
        ("SELECT id FROM users", "user_org_one"),
        ("SELECT organization_id FROM organization_members", "org_one"),
        ("SELECT organization_id FROM claims", "org_one"),
        ("SELECT organization_id FROM claim_updates", "org_one"),
    ],
)
def test_a_tenant_sees_its_own_rows_only_and_nobody_sees_any_without_a_tenant(app: psycopg.Connection, query: str, own: str) -> None:
    assert app.execute(query.encode()).fetchall() == [(own,)]
    enter(app, "")
    assert app.execute(query.encode()).fetchall() == []


def test_a_tenant_writes_no_row_of_another(app: psycopg.Connection) -> None:
    for statement in (
        "INSERT INTO organizations (id, slug) VALUES ('org_three', 'x')",
        "INSERT INTO users (id, name, email) VALUES ('user_org_three', 'x', 'x')",
        "INSERT INTO login_attempts (organization_id, succeeded, request_id) VALUES ('org_two', true, 'x')",
    ):
        with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
            app.execute(statement.encode())
    assert app.execute("UPDATE claims SET status = 'closed' WHERE organization_id = 'org_two'").rowcount == 0


def test_a_claim_points_at_no_member_of_another_tenant(app: psycopg.Connection) -> None:
    enter(app, "org_two")
    row = app.execute("SELECT id FROM organization_members").fetchone()
    enter(app, "org_one")
    with pytest.raises(errors.ForeignKeyViolation):
        app.execute("INSERT INTO claims (organization_id, member_id, type, priority, text) VALUES ('org_one', %s, 'other', 'low', 'x')", row)


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE claim_updates",
        "TRUNCATE claims CASCADE",
        "UPDATE claim_updates SET note = 'x'",
        "DELETE FROM claim_updates",
        "DELETE FROM claims",
        "UPDATE claims SET organization_id = 'org_two'",
        "UPDATE claims SET text = 'x'",
        "SELECT * FROM login_attempts",
        "UPDATE claim_counters SET last_number = 0",
        "ALTER TABLE claims DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE claims NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY own_organization ON claims",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "SELECT public.number_claim()",
        "INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('x', 1)",
        "SET ROLE claims_owner",
    ],
)
def test_the_services_role_may_not(app: psycopg.Connection, statement: str) -> None:
    with pytest.raises((errors.InsufficientPrivilege, errors.FeatureNotSupported)):
        app.execute(statement.encode())


def test_the_services_role_owns_nothing_and_does_not_bypass(database: Database) -> None:
    with database.connect("claims_app") as app:
        assert app.execute("SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user").fetchone() == (False,) * 4
        assert app.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole").fetchone() == (0,)


@pytest.mark.parametrize("statement", ["UPDATE claim_updates SET note = 'x'", "DELETE FROM claim_updates", "TRUNCATE claim_updates"])
def test_not_even_the_owner_changes_a_claims_history(tenants: Database, statement: str) -> None:
    with tenants.connect("claims_owner") as owner:
        enter(owner, "org_one")
        with pytest.raises(errors.IntegrityConstraintViolation, match="append-only"):
            owner.execute(statement.encode())
