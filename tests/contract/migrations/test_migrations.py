"""The contract of the port `Migrations`, on a real PostgreSQL."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.contract.postgres.conftest import PASSWORD, Database
from unioneyes.adapters.postgres.bootstrap import BACKUP, OWNER
from unioneyes.adapters.postgres.locks import TURN
from unioneyes.adapters.postgres.migrations import DrizzleMigrations
from unioneyes.adapters.postgres.programs import clean_environment, password_in_file, programs_folder
from unioneyes.adapters.postgres.server import SUPERUSER
from unioneyes.kernel.problems import Refused
from unioneyes.ports.database import (
    DatabaseUnavailable,
    FolderUnreadable,
    LockNotObtained,
    LossKind,
    Migration,
    MigrationDrift,
    MigrationFailed,
    NoRollback,
    contents,
)

pytestmark = pytest.mark.stack

FIRST, SECOND, THIRD = "0000_initial", "0001_due", "0002_channel"
WHEN = {FIRST: 1767603600000, SECOND: 1770026400000, THIRD: 1770638400000}
SQL = {
    FIRST: "CREATE TABLE claims (id int PRIMARY KEY, status text);\n--> statement-breakpoint\nINSERT INTO claims VALUES (1, 'submitted');\n",
    SECOND: "ALTER TABLE claims ADD COLUMN due timestamptz;\n",
    THIRD: "ALTER TABLE claims ADD COLUMN channel text;\n",
}
ROLLBACKS = {
    "0000_rollback": "DROP TABLE claims;",
    "0001_rollback": "ALTER TABLE claims DROP COLUMN due;",
    "0002_channel_rollback": "ALTER TABLE claims DROP COLUMN channel;",
}
COLUMNS = "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = to_regclass('public.claims') AND attnum > 0 AND NOT attisdropped"
VERSIONS = {"1.0.0": FIRST, "1.1.0": SECOND, "1.2.0": THIRD}


class WorkerGoneError(Exception):
    """The process is no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A Drizzle folder that a test writes."""

    path: Path
    sql: dict[str, str] = field(default_factory=lambda: dict(SQL))
    when: dict[str, int] = field(default_factory=lambda: dict(WHEN))
    versions: dict[str, str] = field(default_factory=lambda: dict(VERSIONS))

    def write(self, sql: Mapping[str, str] | None = None) -> None:
        self.sql.update(sql or {})
        (self.path / "meta").mkdir(parents=True, exist_ok=True)
        for name, text in (self.sql | ROLLBACKS).items():
            (self.path / f"{name}.sql").write_bytes(text.encode())
        entries = [{"idx": place, "version": "7", "when": self.when[tag], "tag": tag, "breakpoints": True} for place, tag in enumerate(self.sql)]
        journal = {"version": "7", "dialect": "postgresql", "entries": entries}
        (self.path / "meta" / "_journal.json").write_text(json.dumps(journal))

    def migrations(self, database: Database, *, patience: timedelta = timedelta(seconds=2)) -> DrizzleMigrations:
        return DrizzleMigrations(
            database_url=database.url(OWNER),
            versions=lambda: tuple(self.versions),
            folders=lambda _version: (self.path,),
            upto=self.versions.__getitem__,
            reading_url=database.url(BACKUP),
            patience=patience,
        )


@pytest.fixture
def written(tmp_path: Path) -> Folder:
    folder = Folder(path=tmp_path / "migrations")
    folder.write()
    return folder


@pytest.fixture
def migrations(written: Folder, database: Database) -> DrizzleMigrations:
    return written.migrations(database)


def tags(migrations: tuple[Migration, ...]) -> list[str]:
    return [migration.tag for migration in migrations]


def test_an_empty_database_lacks_everything_and_has_no_ledger(migrations: DrizzleMigrations) -> None:
    assert tags(migrations.pending("1.1.0")) == [FIRST, SECOND]
    assert migrations.ledger() == ()


def test_applying_writes_the_ledger_that_drizzle_itself_would_have_written(migrations: DrizzleMigrations, database: Database) -> None:
    applied = migrations.apply(migrations.folder("1.1.0"))
    assert applied.tags == (FIRST, SECOND)
    assert applied.waited_for_locks == timedelta(0)
    assert database.value(COLUMNS) == "id status due"
    with database.connect() as admin:
        rows = admin.execute("SELECT id, hash, created_at FROM drizzle.__drizzle_migrations ORDER BY id").fetchall()
    assert rows == [(place, hashlib.sha256(SQL[tag].encode()).hexdigest(), WHEN[tag]) for place, tag in ((1, FIRST), (2, SECOND))]
    assert [(row.tag, row.created_at) for row in applied.ledger] == [
        (SECOND, datetime.fromtimestamp(WHEN[SECOND] / 1000, UTC)),
        (FIRST, datetime.fromtimestamp(WHEN[FIRST] / 1000, UTC)),
    ]
    assert migrations.ledger(last=1) == applied.ledger[:1]


def test_applying_again_changes_nothing(migrations: DrizzleMigrations) -> None:
    migrations.apply(migrations.folder("1.1.0"))
    assert migrations.pending("1.1.0") == ()
    again = migrations.apply(migrations.folder("1.1.0"))
    assert again.tags == ()
    assert len(again.ledger) == 2


def test_two_who_apply_at_once_apply_once(migrations: DrizzleMigrations) -> None:
    with ThreadPoolExecutor(2) as both:
        done = [task.result() for task in [both.submit(migrations.apply, migrations.folder("1.1.0")) for _ in range(2)]]
    assert sorted(applied.tags for applied in done) == [(), (FIRST, SECOND)]
    assert len(migrations.ledger()) == 2


def test_an_older_release_lacks_nothing_while_the_schema_stays_ahead(migrations: DrizzleMigrations) -> None:
    migrations.apply(migrations.folder("1.1.0"))
    assert migrations.pending("1.0.0") == ()
    assert migrations.apply(migrations.folder("1.0.0")).tags == ()
    assert [row.tag for row in migrations.ledger()] == [SECOND, FIRST]


def test_a_newer_row_that_nobody_knows_is_shown_without_a_name_and_is_no_drift(migrations: DrizzleMigrations, database: Database) -> None:
    migrations.apply(migrations.folder("1.0.0"))
    with database.connect() as admin:
        admin.execute("INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('from elsewhere', 1780000000000)")
    assert migrations.pending("1.0.0") == ()
    assert [row.tag for row in migrations.ledger()] == [None, FIRST]


def test_an_edited_migration_is_refused_and_nothing_is_applied(written: Folder, migrations: DrizzleMigrations, database: Database) -> None:
    migrations.apply(migrations.folder("1.0.0"))
    written.write({FIRST: SQL[FIRST] + "-- a word more\n"})
    for attempt in (migrations.pending, lambda version: migrations.apply(migrations.folder(version))):
        with pytest.raises(MigrationDrift, match=f"{FIRST} was edited after it was applied"):
            attempt("1.1.0")
    assert database.value(COLUMNS) == "id status"


def test_a_migration_that_comes_late_is_refused_instead_of_skipped(written: Folder, migrations: DrizzleMigrations, database: Database) -> None:
    del written.sql[SECOND]
    written.write()
    migrations.apply(migrations.folder("1.2.0"))
    written.sql.clear()
    written.write(SQL)
    with pytest.raises(MigrationDrift, match=f"{SECOND} is older than what was applied after it"):
        migrations.apply(migrations.folder("1.2.0"))
    assert database.value(COLUMNS) == "id status channel"


def test_a_row_inside_the_releases_own_range_that_it_does_not_know_is_refused(migrations: DrizzleMigrations, database: Database) -> None:
    migrations.apply(migrations.folder("1.0.0"))
    with database.connect() as admin:
        admin.execute("INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('0123456789abcdef', %s)", (WHEN[FIRST] + 1,))
    with pytest.raises(MigrationDrift, match=r"row 2 of the ledger \(0123456789ab\) is unknown"):
        migrations.pending("1.1.0")
    assert migrations.pending("1.0.0") == ()


def test_a_migration_that_fails_half_way_leaves_nothing(written: Folder, migrations: DrizzleMigrations, database: Database) -> None:
    fails = "-- a comment\nALTER TABLE claims\n  ADD COLUMN nosuchtype nosuch;\n"
    written.write({SECOND: f"{SQL[SECOND]}--> statement-breakpoint\n{fails}"})
    with pytest.raises(MigrationFailed, match=rf'{SECOND}\.sql, statement 2, line 5: type "nosuch" does not exist'):
        migrations.apply(migrations.folder("1.1.0"))
    assert database.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'drizzle'") == 0
    assert database.value(COLUMNS) is None
    assert migrations.ledger() == ()


def test_a_failure_tells_no_values_of_rows(written: Folder, migrations: DrizzleMigrations) -> None:
    written.write({SECOND: "INSERT INTO claims VALUES (77001, 'x'), (77001, 'x');"})
    with pytest.raises(MigrationFailed) as caught:
        migrations.apply(migrations.folder("1.1.0"))
    assert "duplicate key" in caught.value.what
    assert "77001" not in str(caught.value)


def test_a_percent_sign_is_no_placeholder(written: Folder, migrations: DrizzleMigrations, database: Database) -> None:
    written.write({SECOND: "UPDATE claims SET status = '100 %s' WHERE status LIKE 'sub%';"})
    migrations.apply(migrations.folder("1.1.0"))
    assert database.value("SELECT status FROM claims") == "100 %s"


def test_behind_a_long_transaction_it_gives_up_names_it_and_leaves_nobody_waiting(written: Folder, database: Database) -> None:
    migrations = written.migrations(database, patience=timedelta(seconds=1.2))
    migrations.apply(migrations.folder("1.0.0"))
    with database.connect(application="monthly-report") as blocker, blocker.transaction():
        blocker.execute("SELECT FROM claims")
        with pytest.raises(LockNotObtained) as caught:
            migrations.apply(migrations.folder("1.1.0"))
        pid = blocker.info.backend_pid
        assert f"process {pid} (monthly-report, role {SUPERUSER}, in a transaction for" in caught.value.what
        assert f"end it (ue db kill {pid})" in caught.value.remedy
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        assert database.value(waiting) == 0
        assert database.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ue-%' AND datname = current_database()") == 0
    assert database.value(COLUMNS) == "id status"


def test_a_lock_that_becomes_free_is_waited_for(written: Folder, database: Database) -> None:
    migrations = written.migrations(database, patience=timedelta(seconds=20))
    migrations.apply(migrations.folder("1.0.0"))
    with database.connect() as blocker, ThreadPoolExecutor(1) as other:
        with blocker.transaction():
            blocker.execute("SELECT FROM claims")
            task = other.submit(migrations.apply, migrations.folder("1.1.0"))
            held_up = threading.Event()
            while not held_up.wait(0.02):
                if database.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"):
                    held_up.set()
        applied = task.result()
    assert applied.tags == (SECOND,)


def test_while_somebody_else_migrates_it_gives_up_and_names_them(written: Folder, database: Database) -> None:
    migrations = written.migrations(database, patience=timedelta(seconds=0.5))
    with database.connect(OWNER, application="another-runner") as other:
        other.execute("SELECT pg_advisory_lock(%s)", (TURN,))
        with pytest.raises(LockNotObtained, match=rf"process {other.info.backend_pid} \(another-runner"):
            migrations.apply(migrations.folder("1.0.0"))
    assert migrations.ledger() == ()


def test_what_was_read_is_what_is_applied_and_taken_back_whatever_its_files_say_by_now(
    written: Folder, migrations: DrizzleMigrations, database: Database
) -> None:
    migrations.apply(migrations.folder("1.0.0"))
    planned = migrations.pending("1.1.0")
    signed = contents(planned)
    assert signed == {
        f"{SECOND}.sql": hashlib.sha256(planned[0].sql.encode()).hexdigest(),
        f"the rollback file of {SECOND}.sql": hashlib.sha256(str(planned[0].rollback_sql).encode()).hexdigest(),
    }
    written.write({SECOND: "DROP TABLE claims;"})
    (written.path / f"{SECOND}_rollback.sql").write_text("DROP TABLE claims;")
    assert set(contents(migrations.pending("1.1.0")).items()).isdisjoint(signed.items())
    assert migrations.apply(planned).tags == (SECOND,)
    assert database.value(COLUMNS) == "id status due"
    assert database.value("SELECT hash FROM drizzle.__drizzle_migrations ORDER BY id DESC LIMIT 1") == planned[0].sha256
    assert migrations.roll_back(planned).tags == (SECOND,)
    assert database.value(COLUMNS) == "id status"


def test_the_newest_migrations_alone_are_applied_on_what_stands_there_and_not_below_something_newer(migrations: DrizzleMigrations) -> None:
    migrations.apply(migrations.folder("1.0.0"))
    newest = migrations.folder("1.2.0")[2:]
    assert migrations.apply(newest).tags == (THIRD,)
    with pytest.raises(MigrationDrift, match=f"{SECOND} is older than what was applied after it"):
        migrations.apply(migrations.folder("1.2.0")[1:2])


def test_a_rollback_takes_back_the_newest_first_and_corrects_the_ledger(migrations: DrizzleMigrations, database: Database) -> None:
    migrations.apply(migrations.folder("1.2.0"))
    taken = migrations.roll_back(migrations.folder("1.2.0")[1:])
    assert taken.tags == (THIRD, SECOND)
    assert [row.tag for row in taken.ledger] == [FIRST]
    assert database.value(COLUMNS) == "id status"
    assert migrations.roll_back(migrations.folder("1.2.0")[1:]).tags == ()
    assert migrations.apply(migrations.folder("1.2.0")).tags == (SECOND, THIRD)


def test_only_what_the_ledger_holds_is_taken_back(migrations: DrizzleMigrations, database: Database) -> None:
    migrations.apply(migrations.folder("1.1.0"))
    assert migrations.roll_back(migrations.folder("1.2.0")[1:]).tags == (SECOND,)
    assert database.value(COLUMNS) == "id status"


def test_without_a_rollback_file_nothing_is_taken_back(written: Folder, migrations: DrizzleMigrations, database: Database) -> None:
    (written.path / "0001_rollback.sql").unlink()
    migrations.apply(migrations.folder("1.2.0"))
    with pytest.raises(NoRollback, match=SECOND):
        migrations.roll_back(migrations.folder("1.2.0")[1:])
    assert database.value(COLUMNS) == "id status due channel"
    assert migrations.describe_roll_back(migrations.folder("1.2.0")[1:]) == (f"# {SECOND} has no rollback file: restore the backup that was taken before it",)


def test_a_migration_on_which_a_newer_one_stands_is_not_taken_back(migrations: DrizzleMigrations, database: Database) -> None:
    migrations.apply(migrations.folder("1.2.0"))
    with pytest.raises(MigrationDrift, match=f"{SECOND} can't be taken back"):
        migrations.roll_back(migrations.folder("1.1.0")[1:])
    assert database.value(COLUMNS) == "id status due channel"


def test_a_rollback_that_fails_takes_nothing_back(written: Folder, migrations: DrizzleMigrations, database: Database) -> None:
    migrations.apply(migrations.folder("1.2.0"))
    (written.path / "0001_rollback.sql").write_text("ALTER TABLE claims DROP COLUMN due;\n--> statement-breakpoint\nDROP TABLE nosuch;")
    with pytest.raises(MigrationFailed, match=rf"the rollback of {SECOND}, statement 2, line 3"):
        migrations.roll_back(migrations.folder("1.2.0")[1:])
    assert database.value(COLUMNS) == "id status due channel"
    assert len(migrations.ledger()) == 3


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("-- fast\nALTER SYSTEM RESET ALL;", "line 2 says ALTER SYSTEM"),
        ("-- fast\nCREATE INDEX CONCURRENTLY ON claims (status);", "line 2 builds an index CONCURRENTLY that has no name"),
        ("ALTER TABLE claims ADD COLUMN due timestamptz;\nCOMMIT;\n", "line 2 says COMMIT"),
    ],
)
def test_what_can_not_stand_in_one_transaction_is_refused_before_anything_changes(
    written: Folder, migrations: DrizzleMigrations, database: Database, sql: str, says: str
) -> None:
    written.write({SECOND: sql})
    assert [migration.transactional for migration in migrations.pending("1.1.0")] == [True, False]
    with pytest.raises(Refused, match=f"{SECOND} can't be carried out: {says}"):
        migrations.apply(migrations.folder("1.1.0"))
    assert database.value(COLUMNS) is None
    assert any(finding.blocks for finding in migrations.lint(migrations.pending("1.1.0")))


def test_the_ledger_s_migrations_are_given_oldest_first(migrations: DrizzleMigrations) -> None:
    assert migrations.applied() == ()
    migrations.apply(migrations.folder("1.2.0"))
    assert tags(migrations.applied()) == [FIRST, SECOND, THIRD]


def test_a_row_that_no_migration_explains_is_drift(written: Folder, migrations: DrizzleMigrations) -> None:
    migrations.apply(migrations.folder("1.1.0"))
    written.write({SECOND: SQL[SECOND] + "-- a word more\n"})
    with pytest.raises(MigrationDrift, match="row 2 of the ledger"):
        migrations.applied()


def test_what_taking_a_migration_back_destroys_is_told_before_and_counted_past_row_level_security(migrations: DrizzleMigrations, database: Database) -> None:
    newest = migrations.folder("1.2.0")[1:]
    told = migrations.losses(newest, counted=False)
    assert [(loss.migration, loss.kind, loss.what, loss.rows) for loss in told] == [
        (THIRD, LossKind.COLUMN, "claims.channel", None),
        (SECOND, LossKind.COLUMN, "claims.due", None),
    ]
    migrations.apply(migrations.folder("1.2.0"))
    with database.connect() as admin:
        admin.execute("UPDATE claims SET channel = 'post'")
        admin.execute("ALTER TABLE claims ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    assert [loss.rows for loss in migrations.losses(newest, counted=True)] == [1, 0]


def test_what_went_away_is_read_from_the_catalogue_whatever_the_file_said(written: Folder, migrations: DrizzleMigrations) -> None:
    migrations.apply(migrations.folder("1.2.0"))
    (written.path / "0002_channel_rollback.sql").write_text("DO $$ BEGIN ALTER TABLE claims DROP COLUMN channel; END $$;")
    taken = migrations.roll_back(migrations.folder("1.2.0")[2:])
    assert taken.dropped == ("claims.channel",)
    assert migrations.apply(migrations.folder("1.2.0")).dropped == ()


def test_another_database_can_be_migrated_instead(written: Folder, database: Database) -> None:
    elsewhere = DrizzleMigrations(
        database_url=database.server.url(role=OWNER, password=PASSWORD, database="postgres"),
        versions=lambda: tuple(VERSIONS),
        folders=lambda _version: (written.path,),
        upto=VERSIONS.__getitem__,
        reading_url=database.url(BACKUP),
    )
    assert elsewhere.apply(elsewhere.folder("1.1.0"), database_url=database.url(OWNER)).tags == (FIRST, SECOND)
    assert database.value(COLUMNS) == "id status due"
    assert tags(elsewhere.pending("1.1.0")) == [FIRST, SECOND]


def test_the_commands_that_it_prints_do_the_same(migrations: DrizzleMigrations) -> None:
    pending = migrations.pending("1.1.0")
    forward, back = migrations.describe_apply(pending), migrations.describe_roll_back(pending)
    assert PASSWORD.get_secret_value() not in "".join((*forward, *back))
    with password_in_file(PASSWORD) as environment:
        path = f"{programs_folder()}:/usr/bin:/bin"
        for commands, left in ((forward, ()), (back, (FIRST, SECOND))):
            for command in commands:
                subprocess.run(["sh", "-c", command], env=clean_environment({**environment, "PATH": path}), check=True, timeout=30, stdout=subprocess.DEVNULL)
            assert tuple(tags(migrations.pending("1.1.0"))) == left


def test_a_server_that_is_away_is_reported_without_the_password(written: Folder, database: Database) -> None:
    away = DrizzleMigrations(
        database_url=database.server.url(role="nobody", password=PASSWORD, database="nosuch"),
        versions=lambda: (),
        folders=lambda _version: (written.path,),
        upto=VERSIONS.__getitem__,
        reading_url=database.url(BACKUP),
    )
    with pytest.raises(DatabaseUnavailable) as caught:
        away.pending("1.0.0")
    assert "user=nobody" in caught.value.what
    assert "everything" not in str(caught.value)


def test_a_session_that_is_ended_by_the_server_changes_nothing(written: Folder, migrations: DrizzleMigrations, database: Database) -> None:
    written.write({SECOND: "SELECT pg_terminate_backend(pg_backend_pid());"})
    with pytest.raises(DatabaseUnavailable):
        migrations.apply(migrations.folder("1.1.0"))
    assert database.value(COLUMNS) is None


def test_the_lint_blocks_what_holds_members_up_unless_nobody_is_served(written: Folder, migrations: DrizzleMigrations) -> None:
    rewrite = "ALTER TABLE claims ALTER COLUMN id TYPE bigint;\n"
    written.write({SECOND: f"\n{rewrite}", THIRD: f"-- ue: maintenance\n{rewrite}"})
    release = migrations.folder("1.2.0")
    assert [migration.needs_maintenance for migration in release] == [False, False, True]
    found = [(finding.tag, finding.rule, finding.line, finding.blocks) for finding in migrations.lint(release) if finding.rule == "changing-column-type"]
    assert found == [(SECOND, "changing-column-type", 2, True), (THIRD, "changing-column-type", 2, False)]


def test_the_lint_knows_what_the_runner_guarantees(written: Folder, migrations: DrizzleMigrations) -> None:
    written.write()
    assert migrations.lint(migrations.folder("1.1.0")[1:]) == ()
    assert migrations.lint(()) == ()


def test_a_folder_that_can_not_be_read_says_what_is_wrong(written: Folder, migrations: DrizzleMigrations) -> None:
    written.versions["9.0.0"] = "0009_nosuch"
    with pytest.raises(FolderUnreadable, match="0009_nosuch"):
        migrations.folder("9.0.0")
    shutil.rmtree(written.path / "meta")
    with pytest.raises(FolderUnreadable, match="No such file"):
        migrations.pending("1.0.0")


def test_the_owner_without_statistics_is_still_told_who_blocks(written: Folder, database: Database) -> None:
    migrations = written.migrations(database, patience=timedelta(seconds=0.6))
    migrations.apply(migrations.folder("1.0.0"))
    with database.connect() as blocker, blocker.transaction():
        blocker.execute("SELECT FROM claims")
        with psycopg.connect(database.url(SUPERUSER).get_secret_value(), autocommit=True) as admin:
            admin.execute("REVOKE pg_read_all_stats FROM claims_owner")
            try:
                with pytest.raises(LockNotObtained, match=rf"process {blocker.info.backend_pid} \(test, role {SUPERUSER}\)"):
                    migrations.apply(migrations.folder("1.1.0"))
            finally:
                admin.execute("GRANT pg_read_all_stats TO claims_owner")
