"""Drizzle's own migrators, of both generations, on our ledger, and ours on theirs: each says that the other has left nothing to do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from tests.contract.migrations.test_migrations import COLUMNS, FIRST, ROLLBACKS, SECOND, SQL, THIRD, Folder
from tests.contract.migrations.test_migrations import WHEN as PLAIN_WHEN
from tests.contract.postgres.conftest import Database
from tests.npm import installed
from unioneyes.adapters.postgres.bootstrap import BACKUP, OWNER
from unioneyes.adapters.postgres.migrations import DrizzleMigrations
from unioneyes.ports.database import FolderUnreadable, MigrationDrift

pytestmark = pytest.mark.stack

HERE: Final = Path(__file__).parent
LIMIT: Final = 60.0
OLD, NEW = "drizzle-0.45", "drizzle-1.0"
NAMED: Final = {tag: f"{datetime.fromtimestamp(PLAIN_WHEN[tag] // 1000, UTC):%Y%m%d%H%M%S}_{tag.partition('_')[2]}" for tag in (FIRST, SECOND, THIRD)}
"""What `drizzle-kit up` calls the folders of the migrations."""
ROWS = "SELECT string_agg(format('%s %s %s', id, hash, created_at), ', ' ORDER BY id) FROM drizzle.__drizzle_migrations"
NAMES = "SELECT string_agg(name, ' ' ORDER BY id) FROM drizzle.__drizzle_migrations"
SHAPE = "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'drizzle.__drizzle_migrations'::regclass AND attnum > 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFolder:
    """A folder in Drizzle 1.0's layout that a test writes."""

    path: Path
    sql: dict[str, str] = field(default_factory=lambda: {NAMED[tag]: text for tag, text in SQL.items()})

    def write(self) -> None:
        for name, text in self.sql.items():
            (self.path / name).mkdir(parents=True, exist_ok=True)
            (self.path / name / "migration.sql").write_text(text)
        backs = zip(NAMED.values(), ROLLBACKS.values(), strict=True)
        for name, text in backs:
            if (self.path / name).is_dir():
                (self.path / name / "rollback.sql").write_text(text)

    def migrations(self, database: Database) -> DrizzleMigrations:
        newest = {"1.0.0": NAMED[FIRST], "1.1.0": NAMED[SECOND], "1.2.0": NAMED[THIRD]}
        return DrizzleMigrations(
            database_url=database.url(OWNER),
            versions=lambda: tuple(newest),
            folders=lambda _version: (self.path,),
            upto=newest.__getitem__,
            reading_url=database.url(BACKUP),
            patience=timedelta(seconds=2),
        )


@pytest.fixture
def plain(tmp_path: Path) -> Folder:
    made = Folder(path=tmp_path / "plain")
    made.write()
    return made


@pytest.fixture
def named(tmp_path: Path) -> NamedFolder:
    made = NamedFolder(path=tmp_path / "named")
    made.write()
    return made


def its_migrator(generation: str, folder: Path, url: SecretStr) -> None:
    """What an application calls at its start."""
    _node(generation, folder, url, "node", "migrate.mjs", str(folder))


def its_command(generation: str, folder: Path, url: SecretStr) -> None:
    """What a person types."""
    _node(generation, folder, url, "node", "node_modules/drizzle-kit/bin.cjs", "migrate", "--config", "drizzle.config.mjs")


def _node(generation: str, folder: Path, url: SecretStr, *argv: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "DATABASE_URL": as_uri(url), "MIGRATIONS": str(folder)}
    done = subprocess.run(
        argv, cwd=installed(HERE / generation), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def as_uri(url: SecretStr) -> str:
    parts = conninfo_to_dict(url.get_secret_value())
    return f"postgresql://{parts['user']}:{quote(str(parts['password']), safe='')}@{parts['host']}:{parts['port']}/{parts['dbname']}"


BOTH = pytest.mark.parametrize("its_own", [its_migrator, its_command], ids=["orm", "kit"])
Own = Callable[[str, Path, SecretStr], None]


@BOTH
def test_after_ours_drizzle_has_nothing_to_do(plain: Folder, database: Database, its_own: Own) -> None:
    plain.migrations(database).apply(plain.migrations(database).folder("1.2.0"))
    before = database.value(ROWS)
    its_own(OLD, plain.path, database.url(OWNER))
    assert database.value(ROWS) == before


@BOTH
def test_after_drizzle_ours_has_nothing_to_do(plain: Folder, database: Database, its_own: Own) -> None:
    its_own(OLD, plain.path, database.url(OWNER))
    standing = plain.migrations(database).standing("1.2.0")
    assert (standing.pending, standing.drift, [row.tag for row in standing.rows]) == ((), (), [THIRD, SECOND, FIRST])
    assert plain.migrations(database).roll_back(plain.migrations(database).folder("1.2.0")[1:]).tags == (THIRD, SECOND)
    its_own(OLD, plain.path, database.url(OWNER))
    assert database.value(COLUMNS) == "id status due channel"


@BOTH
def test_after_ours_drizzle_1_has_nothing_to_do(named: NamedFolder, database: Database, its_own: Own) -> None:
    migrations = named.migrations(database)
    applied = migrations.apply(migrations.folder("1.2.0"))
    assert applied.tags == tuple(NAMED.values())
    assert all(row.applied_at is not None for row in applied.ledger)
    before = database.value(ROWS)
    assert (database.value(NAMES), database.value(SHAPE)) == (" ".join(NAMED.values()), "id hash created_at name applied_at")
    its_own(NEW, named.path, database.url(OWNER))
    assert database.value(ROWS) == before


@BOTH
def test_after_drizzle_1_ours_has_nothing_to_do(named: NamedFolder, database: Database, its_own: Own) -> None:
    its_own(NEW, named.path, database.url(OWNER))
    migrations = named.migrations(database)
    standing = migrations.standing("1.2.0")
    assert (standing.pending, standing.drift, [row.tag for row in standing.rows]) == ((), (), list(reversed(NAMED.values())))
    assert migrations.roll_back(migrations.folder("1.2.0")[2:]).tags == (NAMED[THIRD],)
    its_own(NEW, named.path, database.url(OWNER))
    assert migrations.pending("1.2.0") == ()
    assert [migration.tag for migration in migrations.applied()] == list(NAMED.values())


@BOTH
def test_a_ledger_of_the_older_generation_fits_the_folders_of_the_newer(plain: Folder, named: NamedFolder, database: Database, its_own: Own) -> None:
    plain.when.update({FIRST: PLAIN_WHEN[FIRST] + 123, SECOND: PLAIN_WHEN[SECOND] + 999})
    plain.write()
    plain.migrations(database).apply(plain.migrations(database).folder("1.1.0"))
    migrations = named.migrations(database)
    assert [migration.tag for migration in migrations.applied()] == [NAMED[FIRST], NAMED[SECOND]]
    assert migrations.apply(migrations.folder("1.2.0")).tags == (NAMED[THIRD],)
    assert database.value(SHAPE) == "id hash created_at"
    before = database.value(ROWS)
    its_own(NEW, named.path, database.url(OWNER))
    assert database.value(ROWS) == before
    assert database.value(NAMES) == " ".join(NAMED.values())
    assert migrations.roll_back(migrations.folder("1.2.0")[1:]).tags == (NAMED[THIRD], NAMED[SECOND])
    assert database.value(NAMES) == NAMED[FIRST]


def test_a_migration_that_drizzle_1_applied_late_is_not_pending_and_no_drift(named: NamedFolder, database: Database) -> None:
    migrations = named.migrations(database)
    whole = migrations.folder("1.2.0")
    migrations.apply((whole[0], whole[2]))
    with pytest.raises(MigrationDrift, match=f"{NAMED[SECOND]} is older than what was applied after it"):
        migrations.apply(migrations.folder("1.2.0"))
    its_migrator(NEW, named.path, database.url(OWNER))
    assert (migrations.standing("1.2.0").pending, migrations.standing("1.2.0").drift) == ((), ())


@pytest.mark.parametrize("name", ["deadlines", "20261340000000_no_such_day", "2026020910000_too_short"])
def test_a_folder_without_a_time_is_refused(named: NamedFolder, database: Database, name: str) -> None:
    (named.path / name).mkdir()
    (named.path / name / "migration.sql").write_text("SELECT 1;")
    with pytest.raises(FolderUnreadable, match=f"{name}: its name does not begin with a time"):
        named.migrations(database).pending("1.0.0")
