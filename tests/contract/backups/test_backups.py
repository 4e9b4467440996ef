"""The contract of the port `Backups`, on a real PostgreSQL: a backup counts when it was restored and compared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tests.contract.backups.archives import archive_in
from tests.contract.postgres.conftest import PASSWORD, Database
from unioneyes.adapters.files import BackupFolder
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP, OWNER
from unioneyes.adapters.postgres.postmaster import Postmaster
from unioneyes.adapters.postgres.server import PostgresServer
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.database import BackupFailed, BackupState, BackupUnproven, DatabaseUnavailable, NoSuchBackup

pytestmark = pytest.mark.stack

NAME = "backup_20260209_143000"
HEAD = "5f" * 32
SCHEMA = """
CREATE TABLE claims (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, organization_id text NOT NULL, amount numeric, submitted timestamptz DEFAULT now());
ALTER TABLE claims ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON claims USING (organization_id = current_setting('app.current_org_id', true));
GRANT SELECT, INSERT ON claims TO claims_app;
CREATE SCHEMA drizzle;
CREATE TABLE drizzle.__drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint);
INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES (repeat('5f', 32), 1767603600000);
"""
ROWS = "INSERT INTO claims (organization_id, amount) SELECT 'org-' || n % 7, n * 1.01 FROM generate_series(1, 500) AS n"


@pytest.fixture
def operated(database: Database) -> Database:
    with database.connect(OWNER) as owner:
        owner.execute(SCHEMA.encode())
    with database.connect() as admin:
        admin.execute(ROWS.encode())
    return database


@contextmanager
def opened(database: Database, folder: Path, *, role: str = BACKUP, store: Path | None = None) -> Iterator[VerifiedBackups]:
    made = VerifiedBackups(
        archive=archive_in(folder, store=BackupFolder(store) if store else None),
        database_url=database.url(role),
        scratch_folder=folder / "scratch",
        migration_names=lambda: {HEAD: "0000_initial"},
        lock_wait=timedelta(seconds=0.5),
    )
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def backups(operated: Database, folder: Path) -> Iterator[VerifiedBackups]:
    with opened(operated, folder) as made:
        yield made


def postmasters(folder: Path) -> list[Postmaster]:
    return [found for place in (folder / "scratch").glob("*/data") if (found := Postmaster.of(place)) is not None and found.alive]


def count(url: str, query: str = "SELECT count(*) FROM claims") -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        value: object = row[0]
        return value


def written(folder: Path) -> set[str]:
    place = folder / "backups"
    return {path.name for path in place.iterdir()} if place.exists() else set()


def test_a_backup_says_everything_about_itself_and_only_its_owner_reads_it(backups: VerifiedBackups, folder: Path) -> None:
    backup = backups.create(NAME)
    path = Path(backup.place)
    assert path == folder / "backups" / f"{NAME}.dump.zst"
    assert (backup.tables, backup.rows, backup.schema, backup.state) == (2, 501, "0000_initial", BackupState.TAKEN)
    assert backup.bytes == path.stat().st_size
    assert path.stat().st_mode & 0o777 == 0o600
    manifest = json.loads((path.parent / f"{NAME}.json").read_text())
    assert manifest["schema_head"] == {"sha256": HEAD, "tag": "0000_initial"}
    assert set(manifest) >= {"format", "sha256", "server_version", "written_by", "wal_position", "roles", "fingerprint"}
    assert {table["table"]: table["protected"] for table in manifest["fingerprint"]["tables"]} == {
        '"drizzle"."__drizzle_migrations"': "off",
        '"public"."claims"': "forced",
    }


def test_a_backup_that_was_made_already_is_returned_as_it_is(backups: VerifiedBackups, operated: Database) -> None:
    first = backups.create(NAME)
    with operated.connect() as admin:
        admin.execute(ROWS.encode())
    assert backups.create(NAME) == first
    assert backups.all() == (first,)


def test_a_verified_backup_holds_every_row_also_those_behind_row_level_security(backups: VerifiedBackups) -> None:
    backups.create(NAME)
    verified = backups.verify(NAME)
    assert (verified.tables, verified.rows) == (2, 501)
    assert [(backup.state, backup.verified_in) for backup in backups.all()] == [(BackupState.VERIFIED, verified.took)]
    service = backups.scratch_service_url(NAME).get_secret_value()
    assert count(service) == 0
    with psycopg.connect(service) as member:
        member.execute("SELECT set_config('app.current_org_id', 'org-3', true)")
        assert member.execute("SELECT count(*) FROM claims").fetchone() == (72,)
    assert count(backups.scratch_url(NAME).get_secret_value(), "SELECT current_user") == OWNER


def test_a_backup_under_a_live_writer_verifies(backups: VerifiedBackups, operated: Database) -> None:
    enough, wrote = threading.Event(), threading.Event()

    def write() -> None:
        with operated.connect() as admin:
            while not enough.is_set():
                admin.execute("INSERT INTO claims (organization_id, amount) VALUES ('org-1', 1)")
                admin.execute("UPDATE claims SET amount = amount + 1 WHERE id % 50 = 0")
                wrote.set()

    with ThreadPoolExecutor(1) as writer:
        task = writer.submit(write)
        wrote.wait(10)
        try:
            backup = backups.create(NAME)
        finally:
            enough.set()
        task.result()
    assert backup.rows > 501
    assert backups.verify(NAME).rows == backup.rows
    assert operated.value("SELECT count(*) + 1 FROM claims") != backup.rows


def test_a_role_that_row_level_security_holds_back_makes_no_backup_at_all(operated: Database, folder: Path) -> None:
    with opened(operated, folder, role=OWNER) as backups, pytest.raises(BackupFailed, match="row-level security"):
        backups.create(NAME)
    assert written(folder) == set()


def test_a_file_that_was_tampered_with_is_found(backups: VerifiedBackups) -> None:
    path = Path(backups.create(NAME).place)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackupUnproven, match="not the file that was written"):
        backups.verify(NAME)
    assert [backup.state for backup in backups.all()] == [BackupState.FAILED]
    with pytest.raises(BackupUnproven):
        backups.scratch_url(NAME)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE claims SET amount = amount + 0.01 WHERE id = 77", '"public"."claims" has other values in its 500 rows'),
        ("DELETE FROM claims WHERE id = 77", '"public"."claims" has 499 rows instead of 500'),
        ("ALTER TABLE claims NO FORCE ROW LEVEL SECURITY", "has row level security on instead of forced"),
        ("DROP POLICY own ON claims", "0 policies instead of 1"),
        ("CREATE TABLE extra ()", '"public"."extra" is not in the source'),
        ("ALTER SEQUENCE claims_id_seq RESTART WITH 7", 'sequence "public"."claims_id_seq" is missing or behind'),
    ],
)
def test_whatever_a_restored_copy_lacks_is_named(backups: VerifiedBackups, operated: Database, folder: Path, change: str, says: str) -> None:
    backups.create("whole")
    with operated.connect() as admin:
        admin.execute(change.encode())
    other = backups.create("changed")
    manifest = folder / "backups" / "whole.json"
    claimed = json.loads(manifest.read_text()) | {"file": Path(other.place).name, "sha256": other.sha256}
    manifest.write_text(json.dumps(claimed))
    with pytest.raises(BackupUnproven) as caught:
        backups.verify("whole")
    assert says in caught.value.what
    assert postmasters(folder) == []


def test_what_is_rehearsed_on_the_copy_does_not_reach_the_source(backups: VerifiedBackups, operated: Database) -> None:
    backups.create(NAME)
    backups.verify(NAME)
    with psycopg.connect(backups.scratch_url(NAME).get_secret_value()) as owner:
        owner.execute("ALTER TABLE claims ADD COLUMN rehearsed text")
    assert count(backups.scratch_url(NAME).get_secret_value(), "SELECT count(rehearsed) FROM claims") == 0
    assert operated.value("SELECT count(*) FROM pg_attribute WHERE attname = 'rehearsed'") == 0
    backups.verify(NAME)
    assert count(backups.scratch_url(NAME).get_secret_value(), "SELECT count(*) FROM pg_attribute WHERE attname = 'rehearsed'") == 0


def test_a_discarded_copy_leaves_no_process_and_no_data(backups: VerifiedBackups, folder: Path) -> None:
    backups.create(NAME)
    backups.verify(NAME)
    (running,) = postmasters(folder)
    backups.discard_scratch(NAME)
    backups.discard_scratch(NAME)
    assert not running.alive
    assert list((folder / "scratch").glob("*/")) == []
    assert [backup.name for backup in backups.all()] == [NAME]


def test_a_copy_outlives_the_thread_that_asked_for_it(backups: VerifiedBackups, folder: Path) -> None:
    backups.create(NAME)
    with ThreadPoolExecutor(1) as step:
        step.submit(backups.verify, NAME).result()
    (before,) = postmasters(folder)
    assert count(backups.scratch_url(NAME).get_secret_value(), "SELECT 1") == 1
    assert postmasters(folder) == [before]


def test_another_process_uses_the_copy_that_runs(backups: VerifiedBackups, operated: Database, folder: Path) -> None:
    backups.create(NAME)
    backups.verify(NAME)
    before = postmasters(folder)
    with opened(operated, folder) as other:
        assert other.scratch_url(NAME) == backups.scratch_url(NAME)
    assert postmasters(folder) == before


def test_a_copy_that_was_killed_is_restored_when_it_is_asked_for(backups: VerifiedBackups, folder: Path) -> None:
    backups.create(NAME)
    backups.verify(NAME)
    (killed,) = postmasters(folder)
    os.kill(killed.pid, signal.SIGKILL)
    assert count(backups.scratch_url(NAME).get_secret_value(), "SELECT 1") == 1
    assert not killed.alive
    assert killed.shared_memory is not None
    assert killed.shared_memory.attached is None


def test_a_killed_process_takes_its_copies_along_and_the_next_one_sweeps(operated: Database, folder: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from pydantic import SecretStr
from unioneyes.adapters.files import BackupFolder
from unioneyes.adapters.postgres.archive import Archive
from unioneyes.adapters.postgres.backups import VerifiedBackups
folder = Path({str(folder)!r})
url = SecretStr(sys.stdin.readline().strip())
archive = Archive(store=BackupFolder(folder / "backups"), work=folder / "scratch")
backups = VerifiedBackups(archive=archive, database_url=url, scratch_folder=folder / "scratch", migration_names=dict)
backups.create({NAME!r})
backups.verify({NAME!r})
print("verified", flush=True)
sys.stdin.readline()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdin is not None
            assert owner.stdout is not None
            owner.stdin.write(operated.url(BACKUP).get_secret_value() + "\n")
            owner.stdin.flush()
            assert owner.stdout.readline() == "verified\n"
            (running,) = postmasters(folder)
        finally:
            owner.kill()
    for _ in range(500):
        if not running.alive:
            break
        time.sleep(0.02)
    assert not running.alive
    with opened(operated, folder) as backups:
        assert list((folder / "scratch").glob("*/")) == []
        assert [backup.state for backup in backups.all()] == [BackupState.VERIFIED]


def test_a_table_that_somebody_locked_away_fails_the_backup_and_leaves_nothing(backups: VerifiedBackups, operated: Database, folder: Path) -> None:
    with operated.connect() as blocker, blocker.transaction():
        blocker.execute("LOCK TABLE claims IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(BackupFailed, match="lock timeout"):
            backups.create(NAME)
    assert written(folder) == set()
    assert backups.all() == ()
    assert backups.create(NAME).rows == 501


def test_a_full_disk_fails_the_backup_says_how_much_room_there_is_and_leaves_nothing(operated: Database, folder: Path) -> None:
    store = folder / "small"
    store.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(store)], capture_output=True, timeout=10, check=False)
    if mounted.returncode != 0:
        pytest.skip("a small file system can't be mounted here")
    try:
        with operated.connect() as admin:
            admin.execute("CREATE TABLE noise AS SELECT gen_random_uuid() AS id FROM generate_series(1, 20000)")
        with opened(operated, folder, store=store) as backups:
            with pytest.raises(BackupFailed) as caught:
                backups.create(NAME)
            assert "No space left on device" in caught.value.what
            assert "MiB" in caught.value.what
            assert "free" in caught.value.what
        assert list(store.iterdir()) == []
    finally:
        subprocess.run(["umount", str(store)], check=True, timeout=10)


def test_a_dump_without_its_manifest_is_no_backup(backups: VerifiedBackups, folder: Path) -> None:
    backups.create(NAME)
    (folder / "backups" / f"{NAME}.json").unlink()
    assert backups.all() == ()
    with pytest.raises(NoSuchBackup, match=NAME):
        backups.verify(NAME)


def test_backups_are_listed_newest_first(backups: VerifiedBackups) -> None:
    for name in ("b", "a", "c"):
        backups.create(name)
    assert [backup.name for backup in backups.all()] == ["c", "a", "b"]


@pytest.mark.parametrize("name", ["", "../outside", "a/b", ".hidden", "a b"])
def test_a_name_that_is_a_path_is_refused(backups: VerifiedBackups, name: str) -> None:
    for attempt in (backups.create, backups.verify):
        with pytest.raises(BadInput):
            attempt(name)


def test_a_database_that_is_away_is_unavailable_and_leaves_nothing(operated: Database, folder: Path) -> None:
    away = Database(server=operated.server, name="nosuch")
    with opened(away, folder) as backups, pytest.raises(DatabaseUnavailable):
        backups.create(NAME)
    assert written(folder) == set()


def test_the_commands_that_it_prints_name_no_password(backups: VerifiedBackups, server: PostgresServer) -> None:
    create, verify = backups.describe_create(NAME), backups.describe_verify(NAME)
    assert create[0].startswith(f"pg_dump -h 127.0.0.1 -p {server.port} -U ue_backup -d test_")
    assert any(command.startswith("pg_restore ") for command in verify)
    assert PASSWORD.get_secret_value() not in " ".join((*create, *verify))
