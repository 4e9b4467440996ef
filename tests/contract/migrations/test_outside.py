"""Migrations that can't stand in one transaction: cut off, failed or killed anywhere, the next attempt goes on there."""

from __future__ import annotations

import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from tests.contract.migrations.test_migrations import COLUMNS, FIRST, SECOND, THIRD, Folder, WorkerGoneError, tags, written
from tests.contract.postgres.conftest import PASSWORD, Database
from unioneyes.adapters.postgres.bootstrap import OWNER
from unioneyes.adapters.postgres.outside import Script
from unioneyes.adapters.postgres.programs import clean_environment, password_in_file, programs_folder
from unioneyes.ports.database import DatabaseUnavailable, LockNotObtained, MigrationFailed

__all__ = ["written"]

pytestmark = pytest.mark.stack


def script(*lines: str) -> str:
    return "\n".join(lines)


INDEX = "CREATE INDEX CONCURRENTLY by_status ON claims (status);"
BACK = "DROP INDEX CONCURRENTLY IF EXISTS by_status;\n"
MIXED = script(
    "INSERT INTO claims VALUES (2, 'draft');",
    INDEX,
    "INSERT INTO claims VALUES (3, 'open');",
    "DROP INDEX CONCURRENTLY by_status;",
    "ALTER TABLE claims ADD due date;",
)
FAILING = script(INDEX, "INSERT INTO nosuch VALUES (1);")
STATE = """
SELECT string_agg(format('%s %s', indexrelid::regclass, indisvalid), ', ' ORDER BY 1) FROM pg_index WHERE indrelid = 'claims'::regclass AND NOT indisprimary
"""
MARKS = "SELECT count(*) FROM unioneyes.migration_progress"
CUT = """
SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'ue-migrate' AND datname = current_database() AND query LIKE 'CREATE%'
"""


def prepared(written: Folder, database: Database, sql: str, back: str = BACK) -> None:
    """The first migration stands, and the second is `sql`."""
    written.write({SECOND: sql})
    (written.path / "0001_rollback.sql").write_text(back)
    migrations = written.migrations(database)
    migrations.apply(migrations.folder("1.0.0"))


def test_an_index_is_built_concurrently_between_what_stands_in_transactions(written: Folder, database: Database) -> None:
    prepared(written, database, INDEX)
    migrations, told = written.migrations(database), list[str]()
    pending = migrations.pending("1.2.0")
    assert [migration.transactional for migration in pending] == [False, True]
    assert [finding for finding in migrations.lint(pending) if finding.blocks] == []
    assert migrations.apply(migrations.folder("1.2.0"), meanwhile=told.append).tags == (SECOND, THIRD)
    assert told == [f"{SECOND}.sql, statement 1 of 1: CREATE INDEX CONCURRENTLY BY_STATUS ON CLAIMS STATUS"]
    assert (database.value(STATE), database.value(MARKS)) == ("by_status t", 0)
    assert [row.tag for row in migrations.ledger()] == [THIRD, SECOND, FIRST]
    assert migrations.apply(migrations.folder("1.2.0")).tags == ()
    assert migrations.roll_back(migrations.folder("1.2.0")[1:]).tags == (THIRD, SECOND)
    assert (database.value(STATE), [row.tag for row in migrations.ledger()]) == (None, [FIRST])


def test_two_who_apply_at_once_build_it_once(written: Folder, database: Database) -> None:
    prepared(written, database, INDEX)
    migrations = written.migrations(database, patience=timedelta(seconds=20))
    with ThreadPoolExecutor(2) as both:
        done = [task.result() for task in [both.submit(migrations.apply, migrations.folder("1.1.0")) for _ in range(2)]]
    assert sorted(applied.tags for applied in done) == [(), (SECOND,)]
    assert database.value(STATE) == "by_status t"


@pytest.mark.parametrize("killed_at", range(1, 6))
def test_killed_before_any_statement_it_goes_on_there_and_each_is_done_once(written: Folder, database: Database, killed_at: int) -> None:
    prepared(written, database, MIXED)
    migrations, told = written.migrations(database), list[str]()

    def die(line: str) -> None:
        told.append(line)
        if len(told) == killed_at:
            raise WorkerGoneError

    with pytest.raises(WorkerGoneError):
        migrations.apply(migrations.folder("1.1.0"), meanwhile=die)
    assert migrations.pending("1.1.0")
    assert migrations.standing("1.1.0").unfinished == (SECOND if killed_at > 1 else None)
    assert migrations.apply(migrations.folder("1.1.0"), meanwhile=told.append).tags == (SECOND,)
    assert [line.partition(" of ")[0] for line in told[killed_at - 1 :]] == [
        f"{SECOND}.sql, statement {number}" for number in (killed_at, *range(killed_at, 6))
    ]
    assert database.value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM claims") == "1 2 3"
    assert (database.value(STATE), database.value(MARKS), database.value(COLUMNS)) == (None, 0, "id status due")


def test_a_statement_that_fails_in_the_middle_is_taken_up_again(written: Folder, database: Database) -> None:
    prepared(written, database, script(INDEX, "-- then", "INSERT INTO later VALUES (1);"))
    migrations = written.migrations(database)
    with pytest.raises(MigrationFailed, match=rf'{SECOND}\.sql, statement 2, line 3: relation "later" does not exist; what stands before it stays') as caught:
        migrations.apply(migrations.folder("1.1.0"))
    assert "the next attempt goes on with statement 2" in caught.value.what
    assert migrations.standing("1.1.0").unfinished == SECOND
    built = database.value("SELECT 'by_status'::regclass::oid")
    with database.connect(OWNER) as owner:
        owner.execute("CREATE TABLE later (id int)")
    assert migrations.apply(migrations.folder("1.1.0")).tags == (SECOND,)
    assert database.value("SELECT 'by_status'::regclass::oid") == built
    assert database.value("SELECT count(*) FROM later") == 1


def test_what_failed_in_the_middle_can_be_taken_back(written: Folder, database: Database) -> None:
    prepared(written, database, FAILING)
    migrations = written.migrations(database)
    with pytest.raises(MigrationFailed):
        migrations.apply(migrations.folder("1.1.0"))
    assert migrations.roll_back(migrations.folder("1.1.0")[1:]).tags == (SECOND,)
    assert (database.value(STATE), migrations.standing("1.1.0").unfinished, tags(migrations.pending("1.1.0"))) == (None, None, [SECOND])
    assert migrations.roll_back(migrations.folder("1.1.0")[1:]).tags == ()


def test_an_index_that_can_not_be_built_leaves_nothing(written: Folder, database: Database) -> None:
    prepared(written, database, "CREATE UNIQUE INDEX CONCURRENTLY by_status ON claims (status);")
    with database.connect() as admin:
        admin.execute("INSERT INTO claims VALUES (77001, 'submitted')")
    migrations = written.migrations(database)
    with pytest.raises(MigrationFailed, match=r"could not create unique index .*; nothing was changed") as caught:
        migrations.apply(migrations.folder("1.1.0"))
    assert "submitted" not in str(caught.value)
    assert (database.value(STATE), database.value(MARKS), migrations.standing("1.1.0").unfinished) == (None, 0, None)


def test_a_connection_that_is_cut_while_an_index_is_built_leaves_an_invalid_one_that_the_next_attempt_replaces(written: Folder, database: Database) -> None:
    prepared(written, database, INDEX)
    migrations = written.migrations(database, patience=timedelta(seconds=20))
    with database.connect() as reader, ThreadPoolExecutor(1) as other:
        with reader.transaction():
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT count(*) FROM claims")  # the build waits for whoever sees an older state
            task = other.submit(migrations.apply, migrations.folder("1.1.0"))
            waiting = threading.Event()
            while not waiting.wait(0.02):
                if database.value(STATE) == "by_status f":
                    waiting.set()
            database.value(CUT)
            with pytest.raises(DatabaseUnavailable):
                task.result()
        assert database.value(STATE) == "by_status f"
    assert migrations.standing("1.1.0").unfinished == SECOND
    assert migrations.apply(migrations.folder("1.1.0")).tags == (SECOND,)
    assert (database.value(STATE), database.value(MARKS)) == ("by_status t", 0)


def test_an_index_that_was_built_and_not_marked_any_more_is_not_built_again(written: Folder, database: Database) -> None:
    prepared(written, database, FAILING)
    migrations = written.migrations(database)
    with pytest.raises(MigrationFailed):
        migrations.apply(migrations.folder("1.1.0"))
    built = database.value("SELECT 'by_status'::regclass::oid")
    marked = Script(tag=SECOND, file="", sql=migrations.folder("1.1.0")[1].sql)
    with database.connect() as admin:
        admin.execute("UPDATE unioneyes.migration_progress SET done = 0, begun = true WHERE script = %s", (marked.key,))
        admin.execute("CREATE TABLE nosuch (id int); ALTER TABLE nosuch OWNER TO claims_owner")
    assert migrations.apply(migrations.folder("1.1.0")).tags == (SECOND,)
    assert database.value("SELECT 'by_status'::regclass::oid") == built


def test_somebody_elses_index_of_the_same_name_is_not_taken_for_ours(written: Folder, database: Database) -> None:
    prepared(written, database, INDEX)
    with database.connect(OWNER) as owner:
        owner.execute("CREATE INDEX by_status ON claims (id)")
    migrations = written.migrations(database)
    with pytest.raises(MigrationFailed, match="already exists; nothing was changed"):
        migrations.apply(migrations.folder("1.1.0"))
    assert database.value(STATE) == "by_status t"


def test_a_lock_that_is_not_free_is_given_up_and_whoever_holds_it_is_named(written: Folder, database: Database) -> None:
    prepared(written, database, INDEX)
    migrations = written.migrations(database, patience=timedelta(seconds=1))
    with database.connect(application="vacuum-by-hand") as blocker, blocker.transaction():
        blocker.execute("LOCK TABLE claims IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(LockNotObtained, match=rf"process {blocker.info.backend_pid} \(vacuum-by-hand.*; nothing was changed"):
            migrations.apply(migrations.folder("1.1.0"))
    assert (database.value(STATE), database.value(MARKS)) == (None, 0)


def test_what_was_applied_before_the_failure_is_named(written: Folder, database: Database) -> None:
    written.write({THIRD: "CREATE INDEX CONCURRENTLY by_nothing ON claims (nothing);"})
    migrations = written.migrations(database)
    with pytest.raises(MigrationFailed, match=rf"{THIRD}\.sql, statement 1, line 1: .*; {FIRST}, {SECOND} was done before, and stays"):
        migrations.apply(migrations.folder("1.2.0"))
    assert [row.tag for row in migrations.ledger()] == [SECOND, FIRST]


def test_reindexing_leaves_no_half_built_index(written: Folder, database: Database) -> None:
    prepared(written, database, script(INDEX, "REINDEX TABLE CONCURRENTLY claims;", "VACUUM (ANALYZE) claims;"))
    migrations = written.migrations(database)
    assert migrations.apply(migrations.folder("1.1.0")).tags == (SECOND,)
    assert database.value(STATE) == "by_status t"


def test_the_commands_that_it_prints_do_the_same(written: Folder, database: Database) -> None:
    prepared(written, database, INDEX)
    migrations = written.migrations(database)
    pending = migrations.pending("1.2.0")
    with password_in_file(PASSWORD) as environment:
        path = f"{programs_folder()}:/usr/bin:/bin"
        for commands, left in ((migrations.describe_apply(pending), []), (migrations.describe_roll_back(pending), [SECOND, THIRD])):
            for command in commands:
                subprocess.run(["sh", "-c", command], env=clean_environment({**environment, "PATH": path}), check=True, timeout=30, stdout=subprocess.DEVNULL)
            assert tags(migrations.pending("1.2.0")) == left


@pytest.mark.parametrize(
    ("sql", "remedy"),
    [
        ("ALTER TABLE others ADD COLUMN x int;", "ALTER TABLE others OWNER TO claims_owner"),
        ("CREATE INDEX CONCURRENTLY by_id ON others (id);", "ALTER TABLE others OWNER TO claims_owner"),
        ("INSERT INTO others VALUES (1);", "GRANT ALL ON TABLE others TO claims_owner"),
        ("CREATE TABLE closed.t (id int);", "GRANT USAGE, CREATE ON SCHEMA closed TO claims_owner"),
    ],
)
def test_a_grant_that_is_missing_is_named(written: Folder, database: Database, sql: str, remedy: str) -> None:
    prepared(written, database, sql)
    with database.connect() as admin:
        admin.execute("CREATE TABLE others (id int); CREATE SCHEMA closed")
    migrations = written.migrations(database)
    with pytest.raises(MigrationFailed, match=r"permission denied|must be owner") as caught:
        migrations.apply(migrations.folder("1.1.0"))
    assert remedy in caught.value.remedy
    assert tags(migrations.pending("1.1.0")) == [SECOND]


def test_drizzle_finds_nothing_of_the_markers(written: Folder, database: Database) -> None:
    prepared(written, database, FAILING)
    with pytest.raises(MigrationFailed):
        written.migrations(database).apply(written.migrations(database).folder("1.1.0"))
    with psycopg.connect(database.url(OWNER).get_secret_value()) as owner:
        found = owner.execute("SELECT count(*) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace WHERE n.nspname = 'drizzle' AND relkind = 'r'")
        assert found.fetchone() == (1,)
