"""A backup takes the live database's place: nothing that members wrote is gone, and everything that is out of use is counted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import psycopg
import pytest
from pydantic import TypeAdapter

from tests.drills.main_job.main_job import MainJob
from tests.drills.rollback.ways_back import admin, backed_up, claims, databases, drop_kept, one
from tests.stack import Said, eventually
from unioneyes.adapters.postgres.bootstrap import DATABASE
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.environments.local.members import run_members
from unioneyes.operations.rollback.model import Restored
from unioneyes.simulators.report import read_exchanges, summarise

REASON = ("--reason", "data-corruption")
CONFIRMED = ("--confirm", DATABASE)
SETTINGS = "select setting from pg_settings where name = 'statement_timeout'"


@pytest.fixture
def serving(job: MainJob) -> Iterator[MainJob]:
    """1.0.0 serves alone, and there is one database."""
    job.ensure_serving("1.0.0")
    yield job
    drop_kept(job)


def restore(job: MainJob, *flags: str) -> Said:
    return job.stack.ue("rollback", "restore", *REASON, *flags, "-o", "json", within=180)


def restored(job: MainJob, said: Said) -> Restored:
    assert said.code == 0, said.err
    return TypeAdapter(Restored).validate_python(job.result(said))


def in_backup(job: MainJob, name: str) -> int:
    """Return how many claims the backup holds, as its manifest says: members went on writing while it was verified."""
    manifest = json.loads((job.stack.layout.backups / f"{name}.json").read_text())
    return next(int(table["rows"]) for table in manifest["fingerprint"]["tables"] if table["table"] == '"public"."claims"')


def test_every_answered_claim_is_in_one_of_the_two_databases_and_the_difference_is_exact(serving: MainJob) -> None:
    told = len(serving.announced())
    with admin(serving, "postgres") as connection:
        connection.execute("alter database unioneyes set statement_timeout = '9s'")
    with run_members(serving.stack.home, rate=30.0) as members:
        time.sleep(4)
        backed_up(serving, "under_load")
        time.sleep(4)
        result = restored(serving, restore(serving, *CONFIRMED, "--backup", "under_load"))
        time.sleep(2)
        members.finish()
        answered = set(summarise(read_exchanges(members.report)).claims)
    live, kept = claims(serving), claims(serving, result.kept)
    assert answered
    assert answered <= live | kept, "a claim that was answered is in neither"
    assert kept - live, "nothing was written between the backup and the restore"
    written = {table.table: table.only_live for table in result.difference.tables}
    back = {table.table: table.only_backup for table in result.difference.tables}
    assert written["claims"] - back["claims"] == len(kept) - in_backup(serving, "under_load"), "rows are counted while nobody writes, so none is missed"
    assert databases(serving) == {DATABASE, result.kept}
    assert one(serving, SETTINGS) == "9000", "the database's own settings are kept"
    assert serving.serving().version == "1.0.0"
    assert serving.stack.ue("deploy", "verify").code == 0
    messages = serving.announced()
    assert len(messages) == told + 1
    assert result.kept in str(messages[-1])
    report = (serving.stack.layout.documents / result.afterwards.incident).read_text()
    assert f"claims: {written['claims']:,} rows are in {result.kept} only" in report
    assert "database corruption detected" in report


def test_what_is_counted_is_exactly_what_was_written(serving: MainJob) -> None:
    backed_up(serving, "quiet")
    with admin(serving) as connection:
        before = len(claims(serving))
        connection.execute("update claims set text = text || '.' where id in (select id from claims limit 3)")
        connection.execute("insert into login_attempts (succeeded, request_id) select false, 'drill' from generate_series(1, 7)")
    dry = serving.stack.ue("rollback", "restore", *REASON, "--backup", "quiet", "--dry-run")
    assert dry.code == 0, dry.err
    assert "login_attempts" in dry.out
    result = restored(serving, restore(serving, *CONFIRMED, "--backup", "quiet"))
    assert {table.table: (table.only_live, table.only_backup) for table in result.difference.tables} == {"claims": (3, 3), "login_attempts": (7, 0)}
    with admin(serving, result.kept) as connection:
        assert connection.execute("select count(*) from login_attempts where request_id = 'drill'").fetchone() == (7,)
        assert connection.execute("select count(*) from claims").fetchone() == (before,)


def test_the_replica_follows_by_itself(serving: MainJob) -> None:
    backed_up(serving, "followed")
    result = restored(serving, restore(serving, *CONFIRMED, "--backup", "followed"))
    parts = serving.parts

    def seen(database: str) -> int:
        address = parts.replica.url(role=SUPERUSER, password=parts.secrets.superuser, database=database).get_secret_value()
        try:
            with psycopg.connect(address, connect_timeout=5) as connection:
                row = connection.execute("select count(*) from claims").fetchone()
        except psycopg.OperationalError:
            return -1
        return int(row[0]) if row else -1

    assert eventually(lambda: seen(DATABASE) == len(claims(serving)))
    assert seen(result.kept) == len(claims(serving, result.kept))


@pytest.mark.parametrize("confirm", [(), ("--yes",), ("--confirm", "claims")])
def test_the_live_database_stays_until_its_name_was_typed(serving: MainJob, confirm: tuple[str, ...]) -> None:
    backed_up(serving, "asked_for")
    said = restore(serving, *confirm, "--backup", "asked_for")
    assert said.code == 3, said.err
    assert "--confirm unioneyes" in said.err
    assert databases(serving) == {DATABASE}


def test_an_unknown_backup_and_an_unproven_one_are_refused_and_the_newest_proven_one_is_named(serving: MainJob) -> None:
    backups = serving.stack.environment.backups
    backed_up(serving, "proven")
    backups.create("unproven")
    for name in ("nosuch", "unproven"):
        said = restore(serving, *CONFIRMED, "--backup", name)
        assert said.code == 3, said.err
        assert "--backup proven" in said.err
    assert databases(serving) == {DATABASE}


def test_a_backup_of_an_older_schema_than_the_serving_release_needs_is_refused_before_anything_changes(serving: MainJob) -> None:
    backed_up(serving, "older_schema")
    serving.ensure_serving("1.1.0")
    said = restore(serving, *CONFIRMED, "--backup", "older_schema")
    assert said.code == 3, said.err
    assert "1.1.0" in said.err
    assert "0001_claim_deadlines" in said.err
    assert "ue rollback release" in said.err
    assert databases(serving) == {DATABASE}


@pytest.mark.campaign
def test_a_release_that_fails_on_the_restored_database_is_put_back_and_members_are_served_as_before(serving: MainJob) -> None:
    backed_up(serving, "sound")
    dump = serving.stack.layout.backups / "sound.json"
    manifest = json.loads(dump.read_text())
    with admin(serving) as connection:
        connection.execute("revoke insert on claims from claims_app")
    try:
        backed_up(serving, "crippled")
    finally:
        with admin(serving) as connection:
            connection.execute("grant insert on claims to claims_app")
    before = claims(serving)
    assert manifest["state"] == "verified"
    said = restore(serving, *CONFIRMED, "--backup", "crippled")
    assert said.code == 5, said.err
    assert databases(serving) == {DATABASE}
    assert claims(serving) == before
    assert serving.stack.ue("deploy", "verify").code == 0
    assert serving.status()["maintenance"] is False
