"""Bad days of a dump and of its proof: what is told of each, what is left, and that a good backup is never called wrong for them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal
from pydantic import SecretStr

from tests.contract.backups.archives import archive_in
from tests.contract.backups.test_backups import NAME, operated, written
from tests.contract.backups.test_cancelling import ENDLESS_RESTORE, PARTED, restoring
from tests.contract.postgres.conftest import PASSWORD, Database
from tests.contract.postgres.stopping import waits
from tests.disks import small_disk
from tests.stack import eventually
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP, OWNER
from unioneyes.adapters.postgres.server import PostgresServer
from unioneyes.ports.database import BackupFailed, BackupState, DatabaseUnavailable, NotProvable

__all__ = ["operated"]

pytestmark = pytest.mark.stack

NOISE = "CREATE TABLE noise AS SELECT gen_random_uuid() AS id FROM generate_series(1, 200000)"
"""Some 10 MiB that no compression makes smaller."""


@contextmanager
def opened(url: SecretStr, folder: Path, *, lock_wait: timedelta = timedelta(seconds=0.5)) -> Iterator[VerifiedBackups]:
    made = VerifiedBackups(archive=archive_in(folder), database_url=url, scratch_folder=folder / "scratch", migration_names=dict, lock_wait=lock_wait)
    try:
        yield made
    finally:
        made.close()


def test_a_password_that_is_refused_is_told_as_that_and_shown_nowhere(operated: Database, folder: Path) -> None:
    wrong = SecretStr(operated.url(BACKUP).get_secret_value().replace("everything", "nothing"))
    with opened(wrong, folder) as backups, pytest.raises(DatabaseUnavailable, match='password authentication failed for user "ue_backup"') as caught:
        backups.create(NAME)
    assert "password of ue_backup" in caught.value.remedy
    assert PASSWORD.get_secret_value() not in caught.value.what + caught.value.remedy
    assert written(folder) == set()


@pytest.mark.parametrize(
    ("right", "says"),
    [
        (("REVOKE pg_read_all_data FROM ue_backup", "GRANT pg_read_all_data TO ue_backup"), "permission denied"),
        (("ALTER ROLE ue_backup NOBYPASSRLS", "ALTER ROLE ue_backup BYPASSRLS"), "row-level security"),
    ],
)
def test_a_role_that_may_too_little_is_told_which_grant_is_missing(operated: Database, folder: Path, right: tuple[str, str], says: str) -> None:
    taken, given = right
    with operated.connect() as admin:
        admin.execute(taken.encode())
        try:
            with opened(operated.url(BACKUP), folder) as backups, pytest.raises(BackupFailed, match=says) as caught:
                backups.create(NAME)
        finally:
            admin.execute(given.encode())
    assert given in caught.value.remedy
    assert written(folder) == set()
    with opened(operated.url(BACKUP), folder) as backups:
        backups.create(NAME)


def test_a_disk_that_is_full_where_it_is_proven_makes_no_backup_wrong(operated: Database, folder: Path) -> None:
    with operated.connect() as admin:
        admin.execute(NOISE.encode())
    for size in ("6M", "50M"):  # too small for the unpacked dump; for the server that it is restored into
        with small_disk(folder / "scratch", size), opened(operated.url(BACKUP), folder) as backups:
            backups.create(NAME)
            with pytest.raises(NotProvable, match="No space left on device") as caught:
                backups.verify(NAME)
            assert " free" in caught.value.what
            assert [backup.state for backup in backups.all()] == [BackupState.TAKEN], "it may be good, and nobody looked to the end"
            assert [path for path in (folder / "scratch").iterdir() if path.is_dir()] == []
    with opened(operated.url(BACKUP), folder) as backups:
        assert backups.verify(NAME).rows == 200_501


def test_a_scratch_server_that_ends_in_the_middle_makes_no_backup_wrong(operated: Database, folder: Path) -> None:
    with operated.connect(OWNER) as owner:
        owner.execute(ENDLESS_RESTORE.encode())
    with opened(operated.url(BACKUP), folder) as backups:
        backups.create(NAME)
        with ThreadPoolExecutor(1) as other:
            proof = other.submit(backups.verify, NAME)
            assert eventually(lambda: restoring(folder), within=60)
            (place,) = (path for path in (folder / "scratch").iterdir() if path.is_dir())
            PostgresServer(name="scratch", folder=place, port=5432, sockets=place, tcp=False).stop()
            with pytest.raises(NotProvable, match="could not be restored"):
                proof.result(60)
        assert [backup.state for backup in backups.all()] == [BackupState.TAKEN]


def test_a_table_that_is_dropped_before_it_is_read_fails_the_backup_by_its_name(operated: Database, folder: Path) -> None:
    with operated.connect(OWNER) as owner:
        owner.execute("CREATE TABLE zealous AS SELECT 1 AS n")
    with opened(operated.url(BACKUP), folder, lock_wait=timedelta(minutes=2)) as backups, ThreadPoolExecutor(1) as other:
        with operated.connect() as blocker, blocker.transaction():
            blocker.execute("LOCK TABLE claims IN ACCESS EXCLUSIVE MODE")
            made = other.submit(backups.create, NAME)
            assert eventually(lambda: waits(operated, "ue-backup"))
            with operated.connect(OWNER) as owner:
                owner.execute("DROP TABLE zealous")
        with pytest.raises(BackupFailed, match="zealous") as caught:
            made.result(30)
        assert "try again" in caught.value.remedy
        assert written(folder) == set()
        assert backups.create(NAME).rows == 501


def test_a_table_that_is_dropped_while_it_is_dumped_is_in_the_backup_with_every_row(operated: Database, folder: Path) -> None:
    with operated.connect(OWNER) as owner:
        owner.execute(PARTED.encode())
    with opened(operated.url(BACKUP), folder, lock_wait=timedelta(minutes=2)) as backups, ThreadPoolExecutor(2) as others:
        with operated.connect() as blocker, blocker.transaction():
            blocker.execute("LOCK TABLE parted IN ACCESS EXCLUSIVE MODE")
            made = others.submit(backups.create, NAME)
            assert eventually(lambda: waits(operated, "pg_dump"))  # what it locks before `parted` it has by now
            drop = others.submit(_drop, operated)
            assert eventually(lambda: waits(operated, "drop"))
        backup = made.result(60)
        drop.result(30)
        assert operated.value("SELECT to_regclass('claims')") is None
        assert backups.verify(NAME).rows == backup.rows == 501


def _drop(operated: Database) -> None:
    with operated.connect(OWNER, application="drop") as owner:
        owner.execute("DROP TABLE claims")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_a_database_that_is_not_in_utf_8_is_proven_as_it_is(server: PostgresServer, folder: Path, encoding: str) -> None:
    database = Database(server=server, name=f"in_{encoding.lower()}")
    with Database(server=server, name="postgres").connect() as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)".encode())
        admin.execute(f"CREATE DATABASE {database.name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C' OWNER {OWNER}".encode())
    try:
        with psycopg.connect(database.url(OWNER).get_secret_value(), autocommit=True, client_encoding="UTF8") as owner:
            words = "漢字" if encoding == "EUC_JP" else "weiß ß"
            owner.execute(SQL("CREATE TABLE {} (said text)").format(Identifier(words)))
            owner.execute(SQL("INSERT INTO {} VALUES ({}), ('plain')").format(Identifier(words), Literal(words)))
        with opened(database.url(BACKUP), folder) as backups:
            backup = backups.create(NAME)
            assert backup.rows == 2
            assert backups.verify(NAME).rows == 2
    finally:
        with Database(server=server, name="postgres").connect() as admin:
            admin.execute(f"DROP DATABASE {database.name} WITH (FORCE)".encode())


def test_names_whose_bytes_are_no_text_come_back_as_they_were(server: PostgresServer, folder: Path) -> None:
    """As where a database in SQL_ASCII, which believes everything, was filled by programs of another time."""
    database = Database(server=server, name="in_bytes")
    with Database(server=server, name="postgres").connect() as admin:
        admin.execute("DROP DATABASE IF EXISTS in_bytes WITH (FORCE)")
        admin.execute(f"CREATE DATABASE in_bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C' OWNER {OWNER}".encode())
    try:
        with psycopg.connect(database.url(OWNER).get_secret_value(), autocommit=True) as owner:
            owner.execute(b'CREATE TABLE "wei\xdf" (said text)')
            owner.execute(b"INSERT INTO \"wei\xdf\" VALUES ('\xdf'), ('plain')")
        with opened(database.url(BACKUP), folder) as backups:
            assert backups.create(NAME).rows == 2
            assert backups.verify(NAME).rows == 2
    finally:
        with Database(server=server, name="postgres").connect() as admin:
            admin.execute("DROP DATABASE in_bytes WITH (FORCE)")
