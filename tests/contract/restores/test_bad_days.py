"""Bad days of a restore beside the live database: nothing half-made is left, the live one is as it was, and what is missing is named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.contract.backups.archives import archive_in
from tests.contract.backups.test_kept import ODD
from tests.contract.postgres.conftest import PASSWORD, PASSWORDS, Database, free_port, short_folder
from tests.contract.restores.test_cancelling import later, sessions
from tests.contract.restores.test_restores import NAME, Restoring, restoring
from tests.disks import small_disk
from tests.stack import eventually
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP, DATABASE, OWNER, bootstrap_operated
from unioneyes.adapters.postgres.restores import RestoresBeside
from unioneyes.adapters.postgres.server import SUPERUSER, THROWAWAY, PostgresServer
from unioneyes.ports.database import BackupUnproven, DatabaseUnavailable, RestoreFailed, TableDifference

__all__ = ["later", "restoring"]

pytestmark = pytest.mark.stack


def test_a_restore_whose_connection_is_cut_leaves_no_database(restoring: Restoring, later: str) -> None:
    with ThreadPoolExecutor(1) as other:
        made = other.submit(restoring.restores.restore_into, later, database=restoring.beside)
        assert eventually(partial(sessions, restoring.live, "pg_restore"), within=60)
        with restoring.named("postgres").connect() as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_restore'")
        with pytest.raises(RestoreFailed, match=f"{restoring.live.name} is as it was") as caught:
            made.result(60)
    assert "cut it off" in caught.value.remedy
    assert restoring.databases() == {restoring.live.name}


@pytest.mark.parametrize("harm", ["cut", "flip", "gone"])
def test_a_backup_that_was_harmed_since_its_proof_makes_no_database(restoring: Restoring, harm: str) -> None:
    file = Path(restoring.restores.archive.store.address(f"{NAME}.dump.zst"))
    content = file.read_bytes()
    match harm:
        case "cut":
            file.write_bytes(content[: len(content) // 2])
        case "flip":
            file.write_bytes(content[:-50] + bytes([content[-50] ^ 1]) + content[-49:])
        case _:
            file.unlink()
    with pytest.raises(BackupUnproven, match="not the file that was written"):
        restoring.restores.restore_into(NAME, database=restoring.beside)
    assert restoring.databases() == {restoring.live.name}


def test_a_full_disk_where_it_is_unpacked_makes_no_database(restoring: Restoring, folder: Path) -> None:
    with small_disk(folder / "small", "16K"):
        small = replace(restoring.restores, archive=replace(restoring.restores.archive, work=folder / "small"))
        with pytest.raises(RestoreFailed, match=f"No space left on device.*{restoring.live.name} is as it was") as caught:
            small.restore_into(NAME, database=restoring.beside)
    assert "make room" in caught.value.remedy
    assert restoring.databases() == {restoring.live.name}


def test_a_role_that_restores_and_is_no_superuser_is_told_what_it_lacks(restoring: Restoring) -> None:
    narrow = replace(
        restoring.restores, admin=lambda name: restoring.live.server.url(role=OWNER, password=PASSWORD, database=name if name != "postgres" else "template1")
    )
    with pytest.raises(RestoreFailed, match=f"claims_owner may not restore: .*{restoring.live.name} is as it was") as caught:
        narrow.restore_into(NAME, database=restoring.beside)
    assert "ALTER ROLE claims_owner SUPERUSER" in caught.value.remedy
    assert "[database] restore_role" in caught.value.remedy
    assert restoring.databases() == {restoring.live.name}


def test_a_password_that_is_refused_is_told_as_that(restoring: Restoring) -> None:
    wrong = replace(restoring.restores, admin=lambda name: restoring.live.server.url(role=SUPERUSER, password=SecretStr("wrong"), database=name))
    with pytest.raises(DatabaseUnavailable, match="password authentication failed") as caught:
        wrong.restore_into(NAME, database=restoring.beside)
    assert f"right password of {SUPERUSER}" in caught.value.remedy


def test_names_that_are_odd_and_rows_that_are_computed_parted_or_large_are_restored_and_compared(database: Database, folder: Path) -> None:
    with database.connect(OWNER) as owner:
        owner.execute(ODD.encode())
    made = proven(database, folder)
    beside = f"{database.name}_r"[-63:]
    try:
        assert made.restore_into(NAME, database=beside).rows == 24
        with database.connect(OWNER) as owner:
            owner.execute("UPDATE parted SET said = 'other' WHERE n = 3")
            owner.execute("""DELETE FROM "Ünïcode ""quoted"" 🗄" WHERE "weiß nicht" IS NULL""")
        assert made.difference(beside=beside).tables == (
            TableDifference(table="parted low", only_live=1, only_backup=1),
            TableDifference(table='Ünïcode "quoted" 🗄', only_live=0, only_backup=1),
        )
    finally:
        made.discard_into(NAME, database=beside)


def test_a_full_disk_of_the_server_s_fails_the_restore_and_takes_its_half_away(full: RestoresBeside) -> None:
    with pytest.raises(RestoreFailed, match=r"No space left on device.*the server's disk has .* free; unioneyes is as it was") as caught:
        full.restore_into(NAME, database="unioneyes_restore")
    assert "make room" in caught.value.remedy
    live = Database(server=server_of(full), name="postgres")
    assert live.value("SELECT count(*) FROM pg_database WHERE datname = 'unioneyes_restore'") == 0
    assert Database(server=live.server, name=DATABASE).value("SELECT count(*) FROM noise") == 300_000, "the live database is as it was"


def server_of(restores: RestoresBeside) -> PostgresServer:
    assert restores.data_folder is not None
    folder = restores.data_folder.parent
    return PostgresServer(name="full", folder=folder, port=int((folder / "port").read_text()), sockets=folder.parent, settings=THROWAWAY)


@pytest.fixture
def full() -> Iterator[RestoresBeside]:
    """A server whose databases stand on a disk that has no room for a second one; its log stands elsewhere."""
    with short_folder() as folder:
        server = PostgresServer(name="full", folder=folder / "p", port=free_port(), sockets=folder, settings=THROWAWAY)
        server.initialise(PASSWORD)
        (server.folder / "port").write_text(str(server.port))
        with databases_on_their_own(server.data / "base", "96M"), server.running_meanwhile():
            bootstrap_operated(server, superuser=PASSWORD, passwords=PASSWORDS)
            live = Database(server=server, name=DATABASE)
            with live.connect() as admin:
                admin.execute("CREATE TABLE noise AS SELECT md5(n::text) AS text FROM generate_series(1, 300000) AS n")
            made = proven(live, folder)
            free = shutil.disk_usage(server.data / "base").free
            (server.data / "base" / "ballast").write_bytes(bytes(free - (12 << 20)))  # an empty database fits, and not what comes into it
            yield made


@contextmanager
def databases_on_their_own(base: Path, size: str) -> Iterator[None]:
    aside = base.with_name("aside")
    base.rename(aside)
    with small_disk(base, size):
        shutil.copytree(aside, base, dirs_exist_ok=True)
        yield


def proven(database: Database, folder: Path) -> RestoresBeside:
    """Return who restores the database's backup, which is proven."""
    backups = VerifiedBackups(archive=archive_in(folder), database_url=database.url(BACKUP), scratch_folder=folder / "scratch", migration_names=dict)
    try:
        backups.create(NAME)
        backups.verify(NAME)
    finally:
        backups.close()
    return RestoresBeside(
        admin=lambda name: database.server.url(role=SUPERUSER, password=PASSWORD, database=name),
        database=database.name,
        archive=archive_in(folder),
        data_folder=database.server.data,
    )
