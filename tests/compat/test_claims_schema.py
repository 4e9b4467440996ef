"""Each release against the schema of the next one: what must hold before traffic may move."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

import pytest

from tests.contract.claims.conftest import Database, Identities, Replicas, run_file, wait_until
from unioneyes.claims.flows import OUTSIDER, STEWARD, Walk
from unioneyes.claims.releases import migration_folders
from unioneyes.claims.smoke import Report, walk_through

NewDatabase = Callable[[str], Database]


def walked(replicas: Replicas, identities: Identities, version: str, database: Database) -> Report:
    with replicas.start(version, database).client() as client:
        walk = Walk(client=client, steward=identities.token(STEWARD), outsider=identities.token(OUTSIDER), expected_version=version)
        return walk_through(walk, url="http://replica")


def failed(report: Report) -> set[str]:
    return {check.name for check in report.checks if not check.ok}


@pytest.mark.parametrize(("version", "schema"), [("1.0.0", "1.0.0"), ("1.0.0", "1.1.0"), ("1.1.0", "1.1.0")])
def test_a_release_works_on_its_own_schema_and_on_the_next_releases(
    replicas: Replicas, identities: Identities, new_database: NewDatabase, version: str, schema: str
) -> None:
    assert failed(walked(replicas, identities, version, new_database(schema))) == set()


def test_1_1_0_does_not_work_on_the_incompatible_releases_schema(replicas: Replicas, identities: Identities, new_database: NewDatabase) -> None:
    assert "submit" in failed(walked(replicas, identities, "1.1.0", new_database("1.2.0-incompatible-migration")))


def test_1_0_0_serves_on_while_1_1_0s_migration_is_applied_and_taken_back(replicas: Replicas, identities: Identities, new_database: NewDatabase) -> None:
    database = new_database("1.0.0")
    replica = replicas.start("1.0.0", database)
    statuses: list[int] = []
    stop = Event()

    def serve() -> None:
        with replica.client(identities.token(STEWARD)) as client:
            client.post("/api/sign-in")
            while not stop.is_set():
                statuses.append(client.post("/api/claims", json={"text": "x"}).status_code)
                statuses.append(client.get("/api/claims").status_code)

    thread = Thread(target=serve)
    thread.start()
    try:
        wait_until(lambda: len(statuses) > 40)
        database.migrate("1.1.0")
        migrated_at = len(statuses)
        wait_until(lambda: len(statuses) > migrated_at + 20)
        take_back(database)
        taken_back_at = len(statuses)
        wait_until(lambda: len(statuses) > taken_back_at + 20)
    finally:
        stop.set()
        thread.join()
    assert set(statuses) == {200, 201}


def take_back(database: Database) -> None:
    with database.connect("claims_owner") as owner:
        run_file(owner, migration_folders("1.1.0")[0] / "0001_rollback.sql")


def test_rolling_everything_back_leaves_nothing(new_database: NewDatabase) -> None:
    database = new_database("1.1.0")
    folder = migration_folders("1.1.0")[0]
    with database.connect("claims_owner") as owner:
        for number in ("0001", "0000"):
            run_file(owner, folder / f"{number}_rollback.sql")
        left = owner.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"""
        )
        assert left.fetchall() == []
        usage = owner.execute("SELECT has_schema_privilege('claims_app', name, 'USAGE') FROM unnest(ARRAY['public', 'drizzle']) AS name")
        assert usage.fetchall() == [(False,), (False,)]
