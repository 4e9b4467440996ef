from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.contract.claims.conftest import Database, Identities, Replica, Replicas, run_file
from tests.contract.claims.test_api import person
from unioneyes.claims.faults import BROKEN_TENANT, ERRORS_EVERY, FLAPS_EVERY, LEAST_LEAK, SICK_AFTER, SLOW_BY, SLOW_EVERY, WARM_UP
from unioneyes.claims.metrics import read_outcomes
from unioneyes.claims.releases import Catalogue, migration_folders
from unioneyes.kernel.problems import ExitCode
from unioneyes.ports.replicas import SliceKind


@contextmanager
def warm(replica: Replica, token: str) -> Iterator[httpx.Client]:
    """Yield a signed-in client whose replica has answered as many requests for claims as a warm-up has, each of them well."""
    with replica.client(token) as client:
        client.post("/api/sign-in")
        for _ in range(WARM_UP):
            answer = client.get("/api/claims?limit=1")
            assert answer.status_code == 200
            assert answer.elapsed < SLOW_BY
        yield client


@pytest.fixture
def token(identities: Identities) -> str:
    return identities.token(person("org_faults"))


def test_errors_fail_one_request_for_claims_in_five_and_log_it(replicas: Replicas, database: Database, token: str) -> None:
    replica = replicas.start("1.2.0-errors", database)
    with warm(replica, token) as client:
        statuses = [client.get("/api/claims").status_code for _ in range(4 * ERRORS_EVERY)]
        assert (statuses.count(500), statuses.count(200)) == (4, 16)
        assert {client.get("/api/members").status_code for _ in range(ERRORS_EVERY)} == {200}
        while (failed := client.get("/api/claims")).status_code == 200:
            pass
    assert failed.headers["content-type"] == "application/problem+json"
    assert failed.headers["x-ue-version"] == "1.2.0-errors"
    logged = replica.logged(at_least=5, level="ERROR")
    assert len(logged) == 5
    assert "RuntimeError" in str(logged[0]["exception"])


def test_slow_adds_three_seconds_to_one_request_in_three(replicas: Replicas, database: Database, token: str) -> None:
    with warm(replicas.start("1.2.0-slow", database), token) as client:
        slow = [client.get("/api/claims").elapsed >= SLOW_BY for _ in range(SLOW_EVERY)]
    assert slow == [False] * (SLOW_EVERY - 1) + [True]


def test_crash_ends_with_an_exception_at_its_start(replicas: Replicas, database: Database) -> None:
    replica = replicas.launch(replicas.settings("1.2.0-crash", database))
    assert replica.process.wait(30) == ExitCode.FAILED
    (line,) = replica.lines()
    assert line["level"] == "CRITICAL"
    assert "the deadline calendar is missing" in str(line["exception"])
    assert not replica.socket.exists()


def test_hang_listens_and_answers_nobody(replicas: Replicas, database: Database) -> None:
    replica = replicas.launch(replicas.settings("1.2.0-hang", database))
    replica.logged(at_least=1, message="serving")
    with pytest.raises(httpx.ReadTimeout), replica.client() as client:
        client.get("/healthz", timeout=1)
    (line,) = replica.logged(at_least=1, level="WARNING")
    assert "waiting for the deadline calendar" in str(line["message"])


def test_leak_grows_with_every_request_for_claims(replicas: Replicas, database: Database, token: str) -> None:
    replica = replicas.start("1.2.0-leak", database)
    with warm(replica, token) as client:
        before = resident_bytes(replica)
        for _ in range(20):
            assert client.get("/api/claims?limit=1").status_code == 200
    assert resident_bytes(replica) - before >= 19 * LEAST_LEAK


def resident_bytes(replica: Replica) -> int:
    pages = int(Path(f"/proc/{replica.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_sick_turns_both_health_addresses_bad_and_nothing_else(replicas: Replicas, database: Database, token: str) -> None:
    with warm(replicas.start("1.2.0-sick", database), token) as client:
        assert (client.get("/healthz").status_code, client.get("/api/health").status_code) == (200, 200)
        time.sleep(SICK_AFTER.total_seconds())
        report = client.get("/api/health")
        assert (client.get("/healthz").status_code, report.status_code, report.json()["status"]) == (503, 503, "unhealthy")
        assert client.get("/api/claims").status_code == 200


def test_flap_turns_both_health_addresses_bad_for_a_second_in_three_and_nothing_else(replicas: Replicas, database: Database, token: str) -> None:
    cold = replicas.start("1.2.0-flap", database)
    with warm(cold, token) as client:
        reports = []
        until = time.monotonic() + 2 * FLAPS_EVERY
        while time.monotonic() < until:
            reports.append((client.get("/healthz").status_code, client.get("/api/health").status_code))
            assert client.get("/api/claims").status_code == 200
            time.sleep(0.05)
    assert {(200, 200), (503, 503)} <= set(reports)
    assert 0.15 < sum(report == (503, 503) for report in reports) / len(reports) < 0.55


def test_route_fails_every_assignment_and_nothing_else(replicas: Replicas, database: Database, identities: Identities) -> None:
    replica = replicas.start("1.2.0-route", database)
    with warm(replica, identities.token(person("org_route"))) as client:
        me = client.post("/api/sign-in").json()["member"]["id"]
        claim = client.post("/api/claims", json={"text": "x"}).json()["id"]
        failed = client.post(f"/api/claims/{claim}/assign", json={"member_id": me})
        assert failed.status_code == 500
        assert client.post(f"/api/claims/{claim}/transition", json={"to": "under_review"}).status_code == 200
        assert client.get(f"/api/claims/{claim}").status_code == 200
        counted = {(each.kind, each.name): (each.errors, each.answers) for each in read_outcomes(client.get("/metrics").text, "r")}
    assert counted[SliceKind.ROUTE, "POST /api/claims/{claim_id}/assign"] == (1, 1)
    assert counted[SliceKind.ROUTE, "POST /api/claims/{claim_id}/transition"] == (0, 1)
    assert counted[SliceKind.TENANT, "org_route"] == (1, WARM_UP + 4)
    assert not [name for _, name in counted if "health" in name or "metrics" in name]


def test_tenant_fails_one_small_organization_and_no_other(replicas: Replicas, database: Database, identities: Identities, token: str) -> None:
    replica = replicas.start("1.2.0-tenant", database)
    with warm(replica, token) as client, replica.client(identities.token(person(BROKEN_TENANT, name="Member Small"))) as broken:
        broken.post("/api/sign-in")
        assert broken.get("/api/claims").status_code == 500
        assert client.get("/api/claims").status_code == 200
        counted = {each.name: (each.errors, each.answers) for each in read_outcomes(client.get("/metrics").text, "r") if each.kind is SliceKind.TENANT}
    assert counted[BROKEN_TENANT] == (1, 1)
    assert counted["org_faults"][0] == 0


def test_wrong_leaves_the_newest_claim_out_of_the_list_and_answers_well_otherwise(replicas: Replicas, database: Database, token: str) -> None:
    with replicas.start("1.2.0-wrong", database).client(token) as client:
        client.post("/api/sign-in")
        older, newest = (client.post("/api/claims", json={"text": "x"}).json()["id"] for _ in range(2))
        listed = client.get("/api/claims")
        assert listed.status_code == 200
        assert [claim["id"] for claim in listed.json()["claims"]] == [older]
        assert client.get(f"/api/claims/{newest}").status_code == 200
        assert client.get("/api/health").json()["status"] == "healthy"


def test_a_faulty_release_refuses_to_start_where_faults_are_not_allowed(replicas: Replicas, database: Database) -> None:
    settings = replicas.settings("1.2.0-errors", database)
    del settings["CLAIMS_ALLOW_FAULTS"]
    replica = replicas.launch(settings)
    assert replica.process.wait(30) == ExitCode.REFUSED
    (line,) = replica.lines()
    assert (line["level"], line["code"]) == ("CRITICAL", "fault-not-allowed")


def test_the_broken_migration_fails_half_way_and_leaves_nothing(new_database: Callable[[str], Database]) -> None:
    database = new_database("1.1.0")
    with pytest.raises(psycopg.errors.UndefinedFunction, match="next_claim_reference"):
        database.migrate("1.2.0-broken-migration")
    with database.connect("claims_owner") as owner:
        assert owner.execute("SELECT count(*) FROM information_schema.columns WHERE column_name = 'reference'").fetchone() == (0,)


def test_the_incompatible_migration_breaks_1_1_0_serves_its_own_release_and_can_be_taken_back(
    replicas: Replicas, new_database: Callable[[str], Database], identities: Identities
) -> None:
    database = new_database("1.2.0-incompatible-migration")
    token = identities.token(person("org_incompatible"))
    new, old = replicas.start("1.2.0-incompatible-migration", database), replicas.start("1.1.0", database)
    with new.client(token) as client:
        client.post("/api/sign-in")
        assert client.get("/api/health").json()["status"] == "healthy"
        assert client.post("/api/claims", json={"text": "x"}).status_code == 201
    with old.client(token) as client:
        assert client.get("/api/health").json()["status"] == "healthy"
        assert client.post("/api/claims", json={"text": "x"}).status_code == 500
        with psycopg.connect(database.url("claims_owner")) as owner:
            run_file(owner, migration_folders("1.2.0-incompatible-migration")[1] / "0002_rollback.sql")
        assert client.post("/api/claims", json={"text": "x"}).status_code == 201


def test_every_fault_of_the_catalogue_is_shown_here() -> None:
    shown = {
        "errors",
        "slow",
        "crash",
        "hang",
        "leak",
        "sick",
        "flap",
        "wrong",
        "route",
        "tenant",
        "broken-migration",
        "incompatible-migration",
        "unsafe-migration",
    }
    assert {release.fault for release in Catalogue().all() if release.fault} == shown
