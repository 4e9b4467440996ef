"""The contract of the port `Restores`, on a real PostgreSQL: beside the live database, compared, and only then in its place."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tests.contract.backups.archives import archive_in
from tests.contract.postgres.conftest import PASSWORD, Database
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP, OWNER, SERVICE
from unioneyes.adapters.postgres.restores import RestoresBeside
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.ports.database import BackupUnproven, DatabaseExists, NoSuchBackup, RestoreFailed, SessionsRemain, TableDifference, TableRows

pytestmark = pytest.mark.stack

NAME = "backup_20260209_143000"
SCHEMA = """
CREATE TABLE claims (id int PRIMARY KEY, organization_id text NOT NULL, amount numeric);
ALTER TABLE claims ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON claims USING (organization_id = current_setting('app.current_org_id', true));
GRANT SELECT, INSERT ON claims TO claims_app;
CREATE TABLE notes (body text);
CREATE SCHEMA drizzle;
CREATE TABLE drizzle.__drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoring:
    """A live database with a verified backup of it."""

    live: Database
    restores: RestoresBeside

    @property
    def beside(self) -> str:
        return f"{self.live.name}_r"[-63:]

    @property
    def kept(self) -> str:
        return f"{self.live.name}_k"[-63:]

    def named(self, name: str) -> Database:
        return Database(server=self.live.server, name=name)

    def databases(self) -> set[str]:
        with self.named("postgres").connect() as admin:
            return {str(row[0]) for row in admin.execute("SELECT datname FROM pg_database").fetchall()} & {self.live.name, self.beside, self.kept}


@pytest.fixture
def restoring(database: Database, folder: Path) -> Iterator[Restoring]:
    with database.connect(OWNER) as owner:
        owner.execute(SCHEMA.encode())
    with database.connect() as admin:
        admin.execute("INSERT INTO claims SELECT n, 'org-' || n % 7, n * 1.01 FROM generate_series(1, 500) AS n")
        admin.execute("INSERT INTO notes VALUES ('same'), ('same'), ('same')")
        admin.execute(f'REVOKE ALL ON DATABASE "{database.name}" FROM PUBLIC'.encode())
        admin.execute(f'GRANT CONNECT ON DATABASE "{database.name}" TO claims_app, ue_backup'.encode())
        admin.execute(f"""ALTER DATABASE "{database.name}" SET search_path = '$user', public""".encode())
        admin.execute(f"""ALTER ROLE claims_app IN DATABASE "{database.name}" SET statement_timeout = '7s'""".encode())
        admin.execute(f'ALTER DATABASE "{database.name}" CONNECTION LIMIT 40'.encode())
    backups = VerifiedBackups(archive=archive_in(folder), database_url=database.url(BACKUP), scratch_folder=folder / "scratch", migration_names=dict)
    try:
        backups.create(NAME)
        backups.verify(NAME)
    finally:
        backups.close()
    made = Restoring(
        live=database,
        restores=RestoresBeside(
            admin=lambda name: database.server.url(role=SUPERUSER, password=PASSWORD, database=name),
            database=database.name,
            archive=archive_in(folder),
            data_folder=database.server.data,
            leave_within=timedelta(seconds=5),
        ),
    )
    yield made
    with made.named("postgres").connect() as admin:
        for name in (made.beside, made.kept):
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


SHAPE = """SELECT concat_ws('|', pg_get_userbyid(datdba), encoding, datlocprovider, datcollate, datctype, datlocale, datconnlimit, datacl::text,
(SELECT string_agg(setrole::regrole || setconfig::text, '|' ORDER BY 1) FROM pg_db_role_setting WHERE setdatabase = pg_database.oid))
FROM pg_database WHERE datname = current_database()"""


def test_the_restored_copy_is_like_the_live_database_in_owner_grants_settings_and_limit(restoring: Restoring) -> None:
    made = restoring.restores.restore_beside(NAME, beside=restoring.beside)
    assert (made.database, made.tables, made.rows) == (restoring.beside, 3, 503)
    beside = restoring.named(restoring.beside)
    assert beside.value(SHAPE) == restoring.live.value(SHAPE)
    assert "statement_timeout" in str(beside.value(SHAPE))
    assert beside.value("SELECT count(*) FROM claims", SERVICE) == 0, "row level security holds there too"
    assert beside.value("SELECT count(*) FROM pg_stats WHERE tablename = 'claims'") != 0, "members do not wait for statistics"


def test_a_whole_copy_is_kept_and_a_half_made_one_is_made_anew(restoring: Restoring) -> None:
    restoring.restores.restore_beside(NAME, beside=restoring.beside)
    beside = restoring.named(restoring.beside)
    number = beside.value("SELECT oid FROM pg_database WHERE datname = current_database()")
    restoring.restores.restore_beside(NAME, beside=restoring.beside)
    assert beside.value("SELECT oid FROM pg_database WHERE datname = current_database()") == number
    with beside.connect() as admin:
        admin.execute(f'COMMENT ON DATABASE "{restoring.beside}" IS NULL'.encode())
        admin.execute("DROP TABLE notes")
    assert restoring.restores.restore_beside(NAME, beside=restoring.beside).rows == 503
    assert beside.value("SELECT count(*) FROM notes") == 3
    restoring.restores.discard_beside(beside=restoring.beside)
    restoring.restores.discard_beside(beside=restoring.beside)
    assert restoring.databases() == {restoring.live.name}


def test_what_was_written_since_is_counted_per_table_before_anything_is_restored(restoring: Restoring) -> None:
    assert restoring.restores.written_since(NAME) == ()
    with restoring.live.connect() as admin:
        admin.execute("INSERT INTO claims SELECT n, 'org-1', n FROM generate_series(501, 512) AS n")
        admin.execute("DROP TABLE notes")
    assert restoring.restores.written_since(NAME) == (TableRows(table="claims", now=512, backup=500), TableRows(table="notes", now=0, backup=3))


def test_rows_that_stand_on_one_side_only_are_counted_exactly(restoring: Restoring) -> None:
    restoring.restores.restore_beside(NAME, beside=restoring.beside)
    assert restoring.restores.difference(beside=restoring.beside).tables == ()
    with restoring.live.connect() as admin:
        admin.execute("INSERT INTO claims SELECT n, 'org-1', n FROM generate_series(501, 512) AS n")  # 12 new
        admin.execute("UPDATE claims SET amount = amount + 0.01 WHERE id <= 3")  # 3 changed
        admin.execute("DELETE FROM claims WHERE id BETWEEN 10 AND 14")  # 5 gone
        admin.execute("INSERT INTO notes VALUES ('same'), ('same')")  # the same row twice more
        admin.execute("ALTER TABLE claims ADD COLUMN deadline date")
        admin.execute("CREATE TABLE fresh AS SELECT n FROM generate_series(1, 4) AS n")
    found = restoring.restores.difference(beside=restoring.beside)
    assert found.tables == (
        TableDifference(table="claims", only_live=15, only_backup=8),
        TableDifference(table="fresh", only_live=4, only_backup=0),
        TableDifference(table="notes", only_live=2, only_backup=0),
    )
    assert found.columns == ("claims.deadline",)


def test_a_closed_database_holds_nobody_and_lets_nobody_in_until_it_is_reopened(restoring: Restoring) -> None:
    restoring.restores.restore_beside(NAME, beside=restoring.beside)
    with restoring.live.connect(SERVICE) as member:
        restoring.restores.close(beside=restoring.beside)
        restoring.restores.close(beside=restoring.beside)
        with pytest.raises(psycopg.OperationalError):
            member.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="too many connections"), restoring.live.connect(SERVICE):
        pass
    restoring.restores.reopen(beside=restoring.beside)
    assert restoring.live.value("SELECT 1", SERVICE) == 1
    assert restoring.live.value("SELECT datconnlimit FROM pg_database WHERE datname = current_database()") == 40


def test_the_two_change_names_at_once_and_everything_stays_in_the_one_that_is_kept(restoring: Restoring) -> None:
    restores = restoring.restores
    restores.restore_beside(NAME, beside=restoring.beside)
    with restoring.live.connect() as admin:
        admin.execute("DELETE FROM claims WHERE id <= 400")
    restores.close(beside=restoring.beside)
    assert restores.swap(beside=restoring.beside, kept=restoring.kept).kept == restoring.kept
    restores.swap(beside=restoring.beside, kept=restoring.kept)
    assert restoring.databases() == {restoring.live.name, restoring.kept}
    assert restoring.live.value("SELECT count(*) FROM claims") == 500
    assert restoring.live.value("SELECT 1", SERVICE) == 1
    kept = restoring.named(restoring.kept)
    assert kept.value("SELECT count(*) FROM claims") == 100
    assert kept.value("SELECT 1", SERVICE) == 1
    restores.close(beside=restoring.beside)
    assert restoring.live.value("SELECT 1", SERVICE) == 1, "a step that comes late closes nothing that is live now"
    restores.swap_back(beside=restoring.beside, kept=restoring.kept)
    restores.swap_back(beside=restoring.beside, kept=restoring.kept)
    restores.reopen(beside=restoring.beside)
    assert restoring.databases() == {restoring.live.name, restoring.beside}
    assert restoring.live.value("SELECT count(*) FROM claims") == 100
    assert restoring.live.value("SELECT 1", SERVICE) == 1


def test_sessions_that_come_back_again_and_again_do_not_stop_the_swap(restoring: Restoring) -> None:
    restoring.restores.restore_beside(NAME, beside=restoring.beside)
    enough = threading.Event()

    def knock() -> None:
        while not enough.is_set():
            try:
                restoring.live.value("SELECT 1", SERVICE)
            except psycopg.OperationalError:
                continue

    knocking = threading.Thread(target=knock)
    knocking.start()
    try:
        restoring.restores.close(beside=restoring.beside)
        restoring.restores.swap(beside=restoring.beside, kept=restoring.kept)
    finally:
        enough.set()
        knocking.join()
    assert restoring.databases() == {restoring.live.name, restoring.kept}


def test_who_does_not_leave_in_time_is_told_and_no_name_is_changed(restoring: Restoring) -> None:
    restoring.restores.restore_beside(NAME, beside=restoring.beside)
    impatient = replace(restoring.restores, leave_within=timedelta(seconds=0))
    with restoring.live.connect(application="monthly-report"), pytest.raises(SessionsRemain, match="did not end within"):
        impatient.close(beside=restoring.beside)
    restoring.restores.reopen(beside=restoring.beside)
    assert restoring.databases() == {restoring.live.name, restoring.beside}


def test_a_backup_that_was_never_proven_or_is_not_there_makes_no_database(restoring: Restoring) -> None:
    with pytest.raises(NoSuchBackup, match="nosuch"):
        restoring.restores.restore_beside("nosuch", beside=restoring.beside)
    manifest = Path(restoring.restores.archive.store.address(f"{NAME}.json"))
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"state": "taken"}))
    with pytest.raises(BackupUnproven, match="never restored and compared"):
        restoring.restores.restore_beside(NAME, beside=restoring.beside)
    assert restoring.databases() == {restoring.live.name}


def test_a_copy_that_differs_from_its_manifest_is_refused_and_gone(restoring: Restoring) -> None:
    manifest = Path(restoring.restores.archive.store.address(f"{NAME}.json"))
    claimed = json.loads(manifest.read_text())
    claimed["fingerprint"]["tables"][1]["rows"] += 1
    manifest.write_text(json.dumps(claimed))
    with pytest.raises(BackupUnproven, match="rows instead of"):
        restoring.restores.restore_beside(NAME, beside=restoring.beside)
    assert restoring.databases() == {restoring.live.name}


def test_what_is_not_there_is_not_swapped(restoring: Restoring) -> None:
    with pytest.raises(RestoreFailed, match="is not there any more"):
        restoring.restores.swap(beside=restoring.beside, kept=restoring.kept)
    assert restoring.databases() == {restoring.live.name}


def test_the_room_is_measured_where_it_can_be(restoring: Restoring) -> None:
    room = restoring.restores.room()
    assert room.needed == restoring.live.value("SELECT pg_database_size(current_database())")
    assert room.free is not None
    assert replace(restoring.restores, data_folder=None).room().free is None


def test_the_commands_that_it_prints_name_no_password(restoring: Restoring) -> None:
    restores = restoring.restores
    printed = (*restores.describe_restore_beside(NAME, beside="b"), *restores.describe_close(), *restores.describe_swap(beside="b", kept="k"))
    assert any("RENAME TO k; ALTER DATABASE b RENAME TO" in command for command in printed)
    assert PASSWORD.get_secret_value() not in " ".join((*printed, restores.describe_drop("k")))


def test_a_new_database_gets_the_backup_and_one_that_somebody_made_is_left_as_it_is(restoring: Restoring) -> None:
    made = restoring.restores.restore_into(NAME, database=restoring.beside)
    assert (made.tables, made.rows) == (3, 503)
    assert restoring.named(restoring.beside).value("SELECT count(*) FROM claims") == 500
    with pytest.raises(DatabaseExists, match=restoring.beside):
        restoring.restores.require_new(database=restoring.beside)
    with restoring.named("postgres").connect() as admin:
        admin.execute(f'CREATE DATABASE "{restoring.kept}"'.encode())
    with restoring.named(restoring.kept).connect() as somebody:
        somebody.execute("CREATE TABLE theirs ()")
    with pytest.raises(DatabaseExists, match="nothing was changed"):
        restoring.restores.restore_into(NAME, database=restoring.kept)
    restoring.restores.discard_into(NAME, database=restoring.kept)
    assert restoring.named(restoring.kept).value("SELECT count(*) FROM pg_class WHERE relname = 'theirs'") == 1
    restoring.restores.discard_into(NAME, database=restoring.beside)
    assert restoring.databases() == {restoring.live.name, restoring.kept}


def test_the_live_database_is_nobody_s_new_one(restoring: Restoring) -> None:
    before = restoring.live.value("SELECT count(*) FROM claims")
    with pytest.raises(DatabaseExists):
        restoring.restores.restore_into(NAME, database=restoring.live.name)
    restoring.restores.discard_into(NAME, database=restoring.live.name)
    assert restoring.live.value("SELECT count(*) FROM claims") == before


def test_what_an_interrupted_restore_left_is_made_anew(restoring: Restoring) -> None:
    restoring.restores.restore_into(NAME, database=restoring.beside)
    noted = restoring.named(restoring.beside).value(NOTED)
    with restoring.named(restoring.beside).connect() as admin:
        admin.execute(f"""COMMENT ON DATABASE "{restoring.beside}" IS 'being {noted}'""".encode())  # as one that was killed left it
        admin.execute("DROP TABLE notes")
    assert restoring.restores.restore_into(NAME, database=restoring.beside).rows == 503
    assert restoring.named(restoring.beside).value("SELECT count(*) FROM notes") == 3


NOTED = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
