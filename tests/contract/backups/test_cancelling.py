"""A backup and its proof end in their middle when their run must stop, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.contract.backups.archives import archive_in
from tests.contract.backups.test_backups import NAME, operated, postmasters, written
from tests.contract.postgres.conftest import Database
from tests.contract.postgres.stopping import gone, stopped_in, waits
from tests.stack import eventually
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP, OWNER
from unioneyes.ports.database import BackupState, DatabaseUnavailable

__all__ = ["operated"]

pytestmark = pytest.mark.stack

ENDLESS_RESTORE = """
CREATE FUNCTION slowly(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN IF current_setting('application_name') = 'pg_restore' THEN PERFORM pg_sleep(120); END IF; RETURN n; END $$;
CREATE INDEX ON claims (slowly(id));
"""
PARTED = "CREATE TABLE parted (n int) PARTITION BY RANGE (n)"
"""A table without rows of its own: the dump locks it, and what is compared leaves it out."""


@pytest.fixture
def backups(operated: Database, folder: Path) -> Iterator[VerifiedBackups]:
    made = VerifiedBackups(
        archive=archive_in(folder),
        database_url=operated.url(BACKUP),
        scratch_folder=folder / "scratch",
        migration_names=dict,
        lock_wait=timedelta(minutes=2),
    )
    try:
        yield made
    finally:
        made.close()


def restoring(folder: Path) -> bool:
    """Return True while somebody's pg_restore of this backup runs."""
    return any(b"pg_restore" in line and str(folder).encode() in line for process in Path("/proc").glob("[0-9]*") for line in [_line(process)])


def _line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(("locks", "session"), [("claims", "ue-backup"), ("parted", "pg_dump")], ids=["in the comparison's sums", "in the dump itself"])
def test_a_backup_that_waits_for_a_lock_ends_and_leaves_nothing(backups: VerifiedBackups, operated: Database, folder: Path, locks: str, session: str) -> None:
    with operated.connect(OWNER) as owner:
        owner.execute(PARTED.encode())
    with operated.connect() as blocker, blocker.transaction():
        blocker.execute(f"LOCK TABLE {locks} IN ACCESS EXCLUSIVE MODE".encode())
        stopped_in(partial(backups.create, NAME), when=partial(waits, operated, session))
        assert gone(partial(waits, operated, session)), "the server was told too, and keeps nobody else waiting behind it"
        assert written(folder) == set()
    backups.create(NAME)
    assert backups.verify(NAME).rows == 501


def test_a_snapshot_that_is_lost_before_the_dump_has_ended_leaves_no_backup(backups: VerifiedBackups, operated: Database, folder: Path) -> None:
    with operated.connect(OWNER) as owner:
        owner.execute(PARTED.encode())
    with ThreadPoolExecutor(1) as beside:
        with operated.connect() as blocker, blocker.transaction():
            blocker.execute("LOCK TABLE parted IN ACCESS EXCLUSIVE MODE")
            making = beside.submit(backups.create, NAME)
            assert eventually(partial(waits, operated, "pg_dump"), within=30)
            with operated.connect() as admin:
                assert admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'ue-backup'").fetchall() == [
                    (True,)
                ]
        with pytest.raises(DatabaseUnavailable):
            making.result(timeout=60)
    assert written(folder) == set()


def test_a_proof_ends_in_the_middle_of_its_restore_and_leaves_no_copy(backups: VerifiedBackups, operated: Database, folder: Path) -> None:
    with operated.connect(OWNER) as owner:
        owner.execute(ENDLESS_RESTORE.encode())
    backups.create(NAME)
    stopped_in(partial(backups.verify, NAME), when=partial(restoring, folder))

    assert gone(partial(restoring, folder)), "neither pg_restore nor what it started goes on"
    assert postmasters(folder) == []
    assert [path for path in (folder / "scratch").iterdir() if path.is_dir()] == []
    assert [backup.state for backup in backups.all()] == [BackupState.TAKEN], "it was not found to be wrong: nobody looked to the end"
