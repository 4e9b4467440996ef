"""A backup of Debian's PostgreSQL 15, which is reached by TLS alone, by a role that is no superuser: made, proven on the wheel's 18, and restored beside."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.contract.backups.archives import archive_in
from tests.contract.backups.test_backups import NAME, ROWS, SCHEMA
from tests.contract.postgres.conftest import short_folder
from tests.contract.postgres.operated import NEEDS_DEBIAN, Operated, debian_15
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP, DATABASE, OWNER
from unioneyes.adapters.postgres.restores import RestoresBeside
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.ports.database import BackupState, NotProvable

pytestmark = [pytest.mark.stack, NEEDS_DEBIAN]


@pytest.fixture(scope="module")
def older() -> Iterator[Operated]:
    with short_folder() as folder, debian_15(folder) as made:
        yield made


def test_an_older_server_is_backed_up_by_tls_proven_and_restored_beside(older: Operated) -> None:
    with psycopg.connect(older.url(OWNER).get_secret_value(), autocommit=True) as owner:
        owner.execute(SCHEMA.encode())
    with psycopg.connect(older.url(SUPERUSER).get_secret_value(), autocommit=True) as admin:
        admin.execute(ROWS.encode())
        assert admin.info.server_version // 10_000 == 15
    with short_folder() as folder:
        archive = archive_in(folder)
        backups = VerifiedBackups(archive=archive, database_url=older.url(BACKUP), scratch_folder=folder / "scratch", migration_names=dict)
        try:
            backups.create(NAME)
            assert backups.verify(NAME).rows == 501
        finally:
            backups.close()
        restores = RestoresBeside(admin=lambda name: older.url(SUPERUSER, name), database=DATABASE, archive=archive, data_folder=None)
        assert restores.restore_into(NAME, database="unioneyes_restore").rows == 501
        with psycopg.connect(older.url(SUPERUSER, "unioneyes_restore").get_secret_value()) as restored:
            assert restored.execute("SELECT count(*) FROM claims").fetchone() == (500,)


def test_an_extension_that_the_scratch_server_lacks_makes_a_backup_neither_verified_nor_wrong(older: Operated) -> None:
    with psycopg.connect(older.url(SUPERUSER).get_secret_value(), autocommit=True) as admin:
        admin.execute("CREATE EXTENSION pgcrypto")
    with short_folder() as folder:
        made = VerifiedBackups(archive=archive_in(folder), database_url=older.url(BACKUP), scratch_folder=folder / "scratch", migration_names=dict)
        try:
            made.create(NAME)
            with pytest.raises(NotProvable, match="needs the extension pgcrypto"):
                made.verify(NAME)
            assert [backup.state for backup in made.all()] == [BackupState.TAKEN]
            assert list((folder / "scratch").glob("*/")) == []
        finally:
            made.close()
            with psycopg.connect(older.url(SUPERUSER).get_secret_value(), autocommit=True) as admin:
                admin.execute("DROP EXTENSION pgcrypto")
