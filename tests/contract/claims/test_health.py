from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import httpx
import psycopg
import pytest

from tests.contract.claims.conftest import Database, Identities, Replica, Replicas
from tests.contract.claims.test_api import person


def test_a_healthy_replica_says_so_in_the_documents_schema(replica: Replica) -> None:
    with replica.client() as client:
        answer = client.get("/api/health")
    report = answer.json()
    assert (answer.status_code, report["status"], report["version"]) == (200, "healthy", "1.1.0")
    assert report.keys() == {"status", "timestamp", "uptime", "version", "checks"}
    assert datetime.fromisoformat(report["timestamp"]).tzinfo is not None
    assert report["uptime"] > 0
    assert [check["name"] for check in report["checks"]] == ["database", "schema", "jwks"]
    assert all(check.keys() == {"name", "status", "responseTime", "details"} for check in report["checks"])


def test_a_release_whose_migration_is_missing_is_unhealthy(replicas: Replicas, new_database: Callable[[str], Database]) -> None:
    database = new_database("1.0.0")
    early = replicas.start("1.1.0", database)
    with early.client() as client:
        answer = client.get("/api/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
        errors = [check.get("error") for check in answer.json()["checks"]]
        assert errors == [None, "migration 0001_claim_deadlines is not in the ledger", None]
        assert client.get("/healthz").status_code == 200
        database.migrate("1.1.0")
        assert client.get("/api/health").status_code == 200


def test_a_lost_database_is_told_and_found_again_without_a_restart(replicas: Replicas, new_database: Callable[[str], Database], identities: Identities) -> None:
    database = new_database("1.1.0")
    replica = replicas.start("1.1.0", database)
    with replica.client(identities.token(person("org_lost"))) as client, database.connect_as_superuser(inside="postgres") as admin:
        client.post("/api/sign-in")
        admin.execute(f"ALTER DATABASE {database.name} WITH ALLOW_CONNECTIONS false".encode())
        end_sessions(admin, database)
        refused = client.get("/api/claims")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert client.get("/api/health").json()["status"] == "unhealthy"
        assert client.get("/healthz").status_code == 200
        admin.execute(f"ALTER DATABASE {database.name} WITH ALLOW_CONNECTIONS true".encode())
        assert client.get("/api/claims").status_code == 200
    errors = replica.logged(at_least=2, level="ERROR")
    assert {line["path"] for line in errors} == {"/api/claims", "/api/health"}


def test_sessions_that_an_operator_ends_cost_no_request(replicas: Replicas, new_database: Callable[[str], Database], identities: Identities) -> None:
    database = new_database("1.1.0")
    replica = replicas.start("1.1.0", database)
    with replica.client(identities.token(person("org_ended"))) as client, database.connect_as_superuser(inside="postgres") as admin:
        client.post("/api/sign-in")
        for _ in range(5):
            end_sessions(admin, database)
            assert client.get("/api/claims").status_code == 200


def test_postgresql_shows_the_request_and_the_tenant_of_each_transaction(
    replicas: Replicas, new_database: Callable[[str], Database], identities: Identities
) -> None:
    database = new_database("1.1.0")
    replica = replicas.start("1.1.0", database)
    with replica.client(identities.token(person("org_shown"))) as client, database.connect_as_superuser() as admin:
        client.post("/api/sign-in")
        claim = client.post("/api/claims", json={"text": "x"}).json()["id"]
        with admin.transaction():
            admin.execute("LOCK TABLE claims IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(httpx.TimeoutException):
                client.get(f"/api/claims/{claim}", headers={"x-request-id": "the-one-that-waits"}, timeout=0.5)
            names = admin.execute("SELECT application_name FROM pg_stat_activity WHERE datname = %s AND usename = 'claims_app'", (database.name,)).fetchall()
    assert ("the-one-that-waits org_shown",) in names


def end_sessions(admin: psycopg.Connection, database: Database) -> None:
    admin.execute("SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = %s AND usename = 'claims_app'", (database.name,))
