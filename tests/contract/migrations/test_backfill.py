"""A backfill in batches: each its own transaction, each row once, resumed where it stopped, and a replica is waited for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.migrations.test_migrations import FIRST, SECOND, Folder, WorkerGoneError, tags, written
from tests.contract.postgres.conftest import PASSWORD, Database
from unioneyes.adapters.postgres import backfill as filling
from unioneyes.adapters.postgres.backfill import UnfitBackfill, backfills, fill
from unioneyes.adapters.postgres.bootstrap import OWNER
from unioneyes.adapters.postgres.connections import sql
from unioneyes.adapters.postgres.programs import clean_environment, password_in_file, programs_folder
from unioneyes.ports.database import MigrationFailed, ReplicaBehind

__all__ = ["written"]

pytestmark = pytest.mark.stack

FILL = "-- ue: backfill batch=10\nUPDATE claims SET status = upper(status) || ' 100%' WHERE status = 'open' OR status IS NULL;"
FILLED = "SELECT count(*) FROM claims WHERE status = 'OPEN 100%'"
EACH = "SELECT count(DISTINCT xmin::text) FROM claims WHERE status = 'OPEN 100%'"
COUNTED = """
CREATE TABLE touched (id int);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO touched VALUES (NEW.id); RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON claims FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE touched OWNER TO claims_owner
"""


def prepared(written: Folder, database: Database, sql: str, *, rows: int = 95) -> None:
    """The first migration stands with so many open claims, and the second is `sql`."""
    written.write({SECOND: sql})
    migrations = written.migrations(database)
    migrations.apply(migrations.folder("1.0.0"))
    with database.connect() as admin:
        admin.execute("INSERT INTO claims SELECT n * 7, 'open' FROM generate_series(1, %s) AS n", (rows,))
        admin.execute(COUNTED)


def test_it_is_done_in_batches_and_what_is_no_part_of_it_stays(written: Folder, database: Database) -> None:
    prepared(written, database, f"ALTER TABLE claims ADD COLUMN due date;\n{FILL}\nCOMMENT ON TABLE claims IS 'filled';")
    migrations, told = written.migrations(database), list[str]()
    assert [migration.transactional for migration in migrations.pending("1.1.0")] == [False]
    assert migrations.apply(migrations.folder("1.1.0"), meanwhile=told.append).tags == (SECOND,)
    assert (database.value(FILLED), database.value(EACH), database.value("SELECT count(*) FROM touched")) == (95, 10, 95)
    assert database.value("SELECT status FROM claims WHERE id = 1") == "submitted"
    assert "95 rows of claims were filled" in told
    assert database.value("SELECT count(*) FROM unioneyes.migration_progress") == 0


def test_psql_does_the_same_in_one_go(written: Folder, database: Database) -> None:
    prepared(written, database, FILL)
    migrations = written.migrations(database)
    with password_in_file(PASSWORD) as environment:
        for command in migrations.describe_apply(migrations.pending("1.1.0")):
            path = f"{programs_folder()}:/usr/bin:/bin"
            subprocess.run(["sh", "-c", command], env=clean_environment({**environment, "PATH": path}), check=True, timeout=30, stdout=subprocess.DEVNULL)
    assert (database.value(FILLED), database.value(EACH), tags(migrations.pending("1.1.0"))) == (95, 1, [])


def test_what_fails_in_the_middle_goes_on_there_and_touches_no_row_twice(written: Folder, database: Database) -> None:
    prepared(written, database, FILL)
    with database.connect() as admin:
        admin.execute("ALTER TABLE claims ADD CONSTRAINT stop CHECK (id < 400 OR status = 'open')")
    migrations = written.migrations(database)
    with pytest.raises(MigrationFailed, match=rf"{SECOND}\.sql, statement 1, line 2: .*; the batches before it stay, and the next attempt goes on there"):
        migrations.apply(migrations.folder("1.1.0"))
    assert (database.value(FILLED), migrations.standing("1.1.0").unfinished) == (49, SECOND)  # with the row of the first migration, five batches
    with database.connect() as admin:
        admin.execute("ALTER TABLE claims DROP CONSTRAINT stop")
    assert migrations.apply(migrations.folder("1.1.0")).tags == (SECOND,)
    assert (database.value(FILLED), database.value("SELECT count(*) FROM touched"), database.value("SELECT count(DISTINCT id) FROM touched")) == (95, 95, 95)


def test_it_waits_for_a_replica_and_gives_up_when_that_lasts(written: Folder, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(written, database, FILL)
    monkeypatch.setattr(filling, "_LOOK_SECONDS", 0.01)
    (wanted,) = backfills(FILL)
    behind, told = iter([None, 0, (64 << 20) + 1, 64 << 20]), list[str]()

    def lag(readings: Iterator[int | None] = behind) -> int | None:
        return next(readings, 1 << 30)

    with psycopg.connect(database.url(OWNER).get_secret_value(), autocommit=True) as session:
        session.execute(sql("progress_create"))
        session.execute("INSERT INTO unioneyes.migration_progress (script, tag, begun) VALUES ('k', 'm', true)")
        with pytest.raises(ReplicaBehind, match=r"a replica is 1\.0 GiB behind, and 64\.0 MiB are allowed; what was filled stays"):
            fill(
                session,
                database.url(OWNER),
                wanted,
                key="k",
                patience=timedelta(seconds=2),
                meanwhile=told.append,
                lag=lag,
                longest_wait=timedelta(seconds=0.05),
            )
        assert told[0] == "waiting for a replica that is 64.0 MiB behind"
        assert database.value("SELECT rows FROM unioneyes.migration_progress") == 29
        assert filling.replicas_behind(session) is None


@pytest.mark.parametrize("killed_at", [1, 2])
def test_killed_it_goes_on(written: Folder, database: Database, killed_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(written, database, FILL)
    monkeypatch.setattr(filling, "_TELL_SECONDS", -1.0)
    migrations, told = written.migrations(database), list[str]()

    def die(line: str) -> None:
        told.append(line)
        if len(told) > killed_at:
            raise WorkerGoneError

    with pytest.raises(WorkerGoneError):
        migrations.apply(migrations.folder("1.1.0"), meanwhile=die)
    assert 0 < int(str(database.value(FILLED))) < 95
    assert migrations.apply(migrations.folder("1.1.0")).tags == (SECOND,)
    assert (database.value(FILLED), database.value("SELECT count(*) FROM touched")) == (95, 95)


def test_a_key_of_several_columns_and_odd_names_is_gone_through(written: Folder, database: Database) -> None:
    sql = '-- ue: backfill batch=3\nUPDATE "Odd table" AS o SET n = o.n + 1 -- each\nWHERE o.n IS DISTINCT FROM 7 -- but this'
    prepared(written, database, sql)
    with database.connect(OWNER) as owner:
        owner.execute('CREATE TABLE "Odd table" (b uuid DEFAULT gen_random_uuid(), "A a" text, n int, PRIMARY KEY ("A a", b))')
        owner.execute("""INSERT INTO "Odd table" SELECT gen_random_uuid(), 'it''s ' || n % 4, n FROM generate_series(1, 20) AS n""")
    migrations = written.migrations(database)
    assert migrations.apply(migrations.folder("1.1.0")).tags == (SECOND,)
    assert database.value('SELECT sum(n) FROM "Odd table"') == 210 + 19


def test_without_a_primary_key_it_is_refused_and_nothing_tells_of_it(written: Folder, database: Database) -> None:
    prepared(written, database, "-- ue: backfill\nUPDATE touched SET id = 1;")
    migrations = written.migrations(database)
    with pytest.raises(UnfitBackfill, match="touched has no primary key"):
        migrations.apply(migrations.folder("1.1.0"))
    assert (migrations.standing("1.1.0").unfinished, [row.tag for row in migrations.ledger()]) == (None, [FIRST])


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("-- ue: backfill\nDELETE FROM claims;", "line 2: what is to be backfilled is no UPDATE of one table alone"),
        ("-- ue: backfill\nUPDATE claims SET n = o.n FROM others AS o WHERE o.id = claims.id;", "no UPDATE of one table alone"),
        ("-- ue: backfill\nUPDATE claims SET n = 1 RETURNING id;", "no UPDATE of one table alone"),
        ("-- ue: backfill batch=0\nUPDATE claims SET n = 1;", "line 2: a backfill knows no batch=0"),
        ("-- ue: backfill batches=10\nUPDATE claims SET n = 1;", "knows no batches=10"),
    ],
)
def test_what_can_not_be_done_in_batches_is_refused(sql: str, says: str) -> None:
    with pytest.raises(UnfitBackfill, match=says):
        backfills(sql)


@given(batch=st.integers(min_value=1, max_value=999_999_999), lag=st.integers(min_value=1, max_value=999), unit=st.sampled_from(["kB", "MB", "GB"]))
def test_what_the_comment_says_is_read(batch: int, lag: int, unit: str) -> None:
    lines = ["ANALYZE;", f"  --ue: backfill lag={lag}{unit} batch={batch}", "/* why */ UPDATE a.b SET x = (SELECT 1 WHERE true)"]
    (found,) = backfills("\n".join(lines))
    assert (found.batch, found.lag, found.table, found.condition) == (batch, lag << {"kB": 10, "MB": 20, "GB": 30}[unit], ("a", "b"), None)
    assert backfills("UPDATE claims SET n = 1; -- ue: backfill") == ()
