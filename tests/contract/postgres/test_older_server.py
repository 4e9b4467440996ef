"""On Debian's PostgreSQL 15, by TLS alone, with roles that are no superusers: psql as a person gets it, and migrations."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.migrations.test_migrations import FIRST, SECOND, THIRD, Folder
from tests.contract.postgres.conftest import short_folder
from tests.contract.postgres.operated import NEEDS_DEBIAN, Operated, debian_15
from unioneyes.adapters.postgres.bootstrap import BACKUP, OPERATOR, OWNER
from unioneyes.adapters.postgres.migrations import DrizzleMigrations
from unioneyes.adapters.postgres.psql import psql
from unioneyes.ports.database import LossKind

pytestmark = [pytest.mark.stack, NEEDS_DEBIAN]

ASKED = """
SHOW server_version;
SHOW statement_timeout;
SHOW idle_session_timeout;
SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();
SELECT rolsuper FROM pg_roles WHERE rolname = current_user;
"""
INDEXES = "SELECT count(*) FROM pg_indexes WHERE indexname = 'claims_due'"


@pytest.fixture(scope="module")
def older() -> Iterator[Operated]:
    with short_folder() as folder, debian_15(folder) as made:
        yield made


def test_psql_comes_in_by_tls_as_no_superuser_and_its_limits_hold(older: Operated) -> None:
    with psql(older.url(OPERATOR), read_only=True, prompt="test", application="ue psql ada") as found:
        argv = (*found.argv, "--tuples-only", "--no-align")
        done = subprocess.run(argv, env=found.environment, input=ASKED, capture_output=True, text=True, timeout=60, check=False)
    version, *others = done.stdout.split("\n")[:-1]
    assert version.startswith("15."), done.stderr
    assert others == ["30s", "15min", "t", "f"]


def test_migrations_are_applied_in_and_outside_of_a_transaction_and_taken_back(older: Operated, tmp_path: Path) -> None:
    folder = Folder(path=tmp_path / "migrations")
    folder.write({THIRD: "CREATE INDEX CONCURRENTLY claims_due ON claims (due);\n"})
    (folder.path / "0002_channel_rollback.sql").write_text("DROP INDEX CONCURRENTLY claims_due;")
    migrations = DrizzleMigrations(
        database_url=older.url(OWNER),
        versions=lambda: tuple(folder.versions),
        folders=lambda _version: (folder.path,),
        upto=folder.versions.__getitem__,
        reading_url=older.url(BACKUP),
        patience=timedelta(seconds=2),
    )
    wanted = migrations.folder("1.2.0")
    assert [each.transactional for each in wanted] == [True, True, False]
    assert migrations.apply(wanted).tags == (FIRST, SECOND, THIRD)
    standing = migrations.standing("1.2.0")
    assert (standing.pending, standing.drift, standing.unfinished) == ((), (), None)
    (losses,) = [each for each in migrations.losses(wanted[1:], counted=True) if each.kind is LossKind.COLUMN]
    assert (losses.what, losses.rows) == ("claims.due", 0)
    with older.connect() as admin:
        assert admin.execute(INDEXES).fetchone() == (1,)
        assert migrations.roll_back(wanted[1:]).tags == (THIRD, SECOND)
        assert admin.execute(INDEXES).fetchone() == (0,)
    assert [row.tag for row in migrations.ledger()] == [FIRST]
    migrations.roll_back(wanted[:1])
