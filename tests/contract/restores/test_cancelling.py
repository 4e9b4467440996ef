"""A restore and a comparison end in their middle when their run must stop; a swap has happened, or has not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.contract.backups.archives import archive_in
from tests.contract.postgres.conftest import Database
from tests.contract.postgres.stopping import gone, stopped_in, waits
from tests.contract.restores.test_restores import NAME, Restoring, restoring
from unioneyes.adapters.postgres.backups import VerifiedBackups
from unioneyes.adapters.postgres.bootstrap import BACKUP, OWNER

__all__ = ["restoring"]

pytestmark = pytest.mark.stack

ENDLESS_BESIDE = """
CREATE FUNCTION slowly(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN IF current_setting('application_name') = 'pg_restore' AND current_database() LIKE '%_r' THEN PERFORM pg_sleep(120); END IF; RETURN n; END $$;
CREATE INDEX ON claims (slowly(id));
"""
LATER = "backup_20260210_000000"


@pytest.fixture
def later(restoring: Restoring, folder: Path) -> Iterator[str]:
    """A verified backup that can't be restored beside the live database in less than two minutes."""
    with restoring.live.connect(OWNER) as owner:
        owner.execute(ENDLESS_BESIDE.encode())
    backups = VerifiedBackups(archive=archive_in(folder), database_url=restoring.live.url(BACKUP), scratch_folder=folder / "scratch", migration_names=dict)
    try:
        backups.create(LATER)
        backups.verify(LATER)
        yield LATER
    finally:
        backups.close()


def sessions(database: Database, application: str) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}' AND wait_event = 'PgSleep'"
    return bool(database.value(query.format(application)))


def test_a_restore_ends_in_its_middle_and_its_undo_removes_the_half_of_it(restoring: Restoring, later: str) -> None:
    beside = restoring.beside
    stopped_in(partial(restoring.restores.restore_beside, later, beside=beside), when=partial(sessions, restoring.live, "pg_restore"))
    assert gone(partial(sessions, restoring.live, "pg_restore"))

    restoring.restores.discard_beside(beside=beside)
    assert restoring.databases() == {restoring.live.name}


def test_a_comparison_ends_in_its_middle(restoring: Restoring) -> None:
    restoring.restores.restore_beside(NAME, beside=restoring.beside)
    with restoring.live.connect() as blocker, blocker.transaction():
        blocker.execute("LOCK TABLE claims IN ACCESS EXCLUSIVE MODE")
        stopped_in(partial(restoring.restores.difference, beside=restoring.beside), when=partial(waits, restoring.live, "ue-restore"))
        assert gone(partial(waits, restoring.live, "ue-restore"))


def test_a_swap_that_waits_for_a_session_has_not_happened_when_it_ends(restoring: Restoring) -> None:
    restoring.restores.restore_beside(NAME, beside=restoring.beside)
    administration = restoring.named("postgres")
    swap = partial(restoring.restores.swap, beside=restoring.beside, kept=restoring.kept)
    with administration.connect() as blocker, blocker.transaction(force_rollback=True):
        blocker.execute(f"""COMMENT ON DATABASE "{restoring.beside}" IS 'held'""".encode())  # the first of the two has its new name by the time it waits
        stopped_in(swap, when=partial(waits, administration, "ue-restore"))
    assert restoring.databases() == {restoring.live.name, restoring.beside}
    restoring.restores.swap_back(beside=restoring.beside, kept=restoring.kept)
    assert restoring.databases() == {restoring.live.name, restoring.beside}
    assert restoring.restores.swap(beside=restoring.beside, kept=restoring.kept).took < timedelta(seconds=30)
    assert restoring.databases() == {restoring.live.name, restoring.kept}
