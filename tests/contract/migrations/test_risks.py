"""What the rules say of a statement's lock and of rewriting, held against what PostgreSQL really does; how large tables are; how the schema stands."""

from __future__ import annotations

import hashlib

import psycopg
import pytest

from tests.contract.migrations.test_migrations import FIRST, SECOND, SQL, THIRD, WHEN, Folder, migrations, written
from tests.contract.postgres.conftest import Database
from unioneyes.adapters.postgres.bootstrap import OWNER
from unioneyes.adapters.postgres.migrations import DrizzleMigrations
from unioneyes.adapters.postgres.risks import risks
from unioneyes.ports.database import Blocks, Migration

__all__ = ["migrations", "written"]

pytestmark = pytest.mark.stack

TABLES = """
CREATE TABLE members (id int PRIMARY KEY);
CREATE TABLE claims (id int PRIMARY KEY, member int, status varchar(20), n int, due timestamptz);
CREATE INDEX by_status ON claims (status);
CREATE TABLE old_claims (id int, year int) PARTITION BY LIST (year);
CREATE TABLE old_2020 (id int, year int);
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM claims;
CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
ALTER TABLE claims ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;
INSERT INTO members SELECT generate_series(1, 50);
INSERT INTO claims SELECT n, n, 'submitted', n, now() FROM generate_series(1, 50) AS n;
"""
STRENGTH = (
    *("AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock"),
    "AccessExclusiveLock",
)
LOCKS = """
SELECT mode FROM pg_locks WHERE locktype = 'relation' AND pid = pg_backend_pid() AND relation = to_regclass(%s)
"""
STATEMENTS = [
    "ALTER TABLE claims ADD COLUMN x text",
    "ALTER TABLE claims ADD COLUMN x timestamptz NOT NULL DEFAULT now()",
    "ALTER TABLE claims ADD COLUMN x uuid DEFAULT gen_random_uuid()",
    "ALTER TABLE claims ADD COLUMN x bigserial",
    "ALTER TABLE claims ADD COLUMN x int GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE claims ADD COLUMN x int GENERATED ALWAYS AS (n + 1) STORED",
    "ALTER TABLE claims ADD COLUMN x int CHECK (x > 0)",
    "ALTER TABLE claims ADD COLUMN x int REFERENCES members (id)",
    "ALTER TABLE claims DROP COLUMN due",
    "ALTER TABLE claims ALTER COLUMN n TYPE bigint",
    "ALTER TABLE claims ALTER COLUMN due SET NOT NULL",
    "ALTER TABLE claims ALTER COLUMN due SET DEFAULT now()",
    "ALTER TABLE claims ALTER COLUMN due SET STATISTICS 500",
    "ALTER TABLE claims ALTER COLUMN due SET (n_distinct = 5)",
    "ALTER TABLE claims ADD CONSTRAINT c CHECK (n > 0)",
    "ALTER TABLE claims ADD CONSTRAINT c CHECK (n > 0) NOT VALID",
    "ALTER TABLE claims ADD CONSTRAINT c FOREIGN KEY (member) REFERENCES members (id)",
    "ALTER TABLE claims ADD CONSTRAINT c FOREIGN KEY (member) REFERENCES members (id) NOT VALID",
    "ALTER TABLE claims ADD CONSTRAINT c UNIQUE (n)",
    "ALTER TABLE claims VALIDATE CONSTRAINT positive",
    "ALTER TABLE claims DROP CONSTRAINT positive",
    "ALTER TABLE claims RENAME COLUMN due TO deadline",
    "ALTER TABLE claims ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE claims DISABLE TRIGGER ALL",
    "ALTER TABLE claims SET (fillfactor = 70)",
    "ALTER TABLE claims SET UNLOGGED",
    "ALTER TABLE claims CLUSTER ON claims_pkey",
    "ALTER TABLE old_claims ATTACH PARTITION old_2020 FOR VALUES IN (2020)",
    "CREATE TABLE old_2021 PARTITION OF old_claims FOR VALUES IN (2021)",
    "CREATE TABLE notes (id int, claim int REFERENCES claims (id))",
    "CREATE INDEX ON claims (n)",
    "CREATE TRIGGER t BEFORE INSERT ON claims FOR EACH ROW EXECUTE FUNCTION own()",
    "CREATE POLICY p ON claims USING (true)",
    "UPDATE claims SET n = n + 1",
    "DELETE FROM claims WHERE id < 10",
    "INSERT INTO claims VALUES (1000)",
    "TRUNCATE claims",
    "REFRESH MATERIALIZED VIEW totals",
    "COMMENT ON TABLE claims IS 'said'",
]


def migration(sql: str) -> Migration:
    return Migration(tag="0001_more", sha256="0" * 64, when=1, sql=sql, rollback_sql=None, transactional=True, needs_maintenance=False)


@pytest.fixture
def tables(database: Database) -> Database:
    with database.connect() as admin:
        admin.execute(TABLES.encode())
    return database


def strongest(session: psycopg.Connection, table: str) -> str | None:
    held = [str(row[0]) for row in session.execute(LOCKS, (table,))]
    return max(held, key=STRENGTH.index, default=None)


def spelled(lock: str) -> str:
    """`AccessExclusiveLock`, as the manual has it: `ACCESS EXCLUSIVE`."""
    return "".join(f" {letter}" if letter.isupper() else letter for letter in lock.removesuffix("Lock")).strip().upper()


def test_each_lock_and_each_rewrite_is_what_postgresql_does(tables: Database) -> None:
    wrong = []
    with tables.connect() as session:
        for sql in STATEMENTS:
            for told in risks((migration(sql),)):
                with session.transaction(force_rollback=True):
                    there = session.execute("SELECT pg_relation_filenode(to_regclass(%s))", (told.table or "claims",)).fetchone()
                    before = strongest(session, told.table or "claims")
                    session.execute(sql.encode())
                    table = told.table or "claims"
                    after = session.execute("SELECT pg_relation_filenode(to_regclass(%s))", (table,)).fetchone()
                    held = strongest(session, table)
                    if there == (None,):
                        continue  # it was made just now
                    truncated = sql.startswith("TRUNCATE")  # gets a new, empty file
                    if held is None or before is not None or spelled(held) != told.lock or (told.rewrites is not (there != after) and not truncated):
                        wrong.append((sql, table, held, told.lock, there != after, told.rewrites))
    assert wrong == []


def test_whom_a_lock_keeps_waiting_is_told(tables: Database) -> None:
    reads, writes = "SELECT count(*) FROM claims", "INSERT INTO claims VALUES (7000)"
    with tables.connect() as session, tables.connect() as other:
        other.execute("SET lock_timeout = '100ms'")
        for sql in STATEMENTS:
            told = next((each for each in risks((migration(sql),)) if each.table == "claims"), None)
            if told is None or sql == "INSERT INTO claims VALUES (1000)":
                continue
            with session.transaction(force_rollback=True):
                session.execute(sql.encode())
                waits = []
                for asked in (reads, writes):
                    try:
                        with other.transaction(force_rollback=True):
                            other.execute(asked.encode())
                    except psycopg.errors.LockNotAvailable:
                        waits.append(asked)
            expected = {Blocks.ALL: [reads, writes], Blocks.WRITES: [writes], Blocks.ROWS: [], Blocks.NOBODY: []}[told.blocks or Blocks.ALL]
            assert waits == expected, sql


def test_sizes_are_told_in_the_order_asked_and_of_partitions_together(migrations: DrizzleMigrations, tables: Database) -> None:
    with tables.connect() as admin:
        admin.execute('CREATE SCHEMA billing; CREATE TABLE billing."Odd name" (id int); INSERT INTO billing."Odd name" SELECT generate_series(1, 9)')
        admin.execute(
            "ALTER TABLE old_claims ATTACH PARTITION old_2020 FOR VALUES IN (2020); INSERT INTO old_claims SELECT n, 2020 FROM generate_series(1, 700) AS n"
        )
        admin.execute("VACUUM ANALYZE")
        admin.execute("CREATE TABLE fresh (id int)")
    found = migrations.sizes(("old_claims", "nosuch", "billing.Odd name", "claims", "fresh", "claims_pkey"))
    assert [(size.table, size.rows) for size in found[:4]] == [("old_claims", 700), ("nosuch", None), ("billing.Odd name", 9), ("claims", 50)]
    assert [size.bytes > 0 for size in found[:4]] == [True, False, True, True]
    assert (found[4].table, found[4].rows) == ("fresh", None)
    assert migrations.sizes(()) == ()


def test_the_standing_names_what_is_there_what_is_missing_and_what_is_newer(migrations: DrizzleMigrations) -> None:
    empty = migrations.standing("1.1.0")
    assert (empty.rows, empty.pending, empty.drift, empty.ahead) == ((), (FIRST, SECOND), (), ())
    migrations.apply(migrations.folder("1.1.0"))
    newer = migrations.standing("1.2.0")
    assert ([row.tag for row in newer.rows], newer.pending, newer.drift, newer.ahead) == ([SECOND, FIRST], (THIRD,), (), ())
    older = migrations.standing("1.0.0")
    assert (older.pending, older.drift, older.ahead) == ((), (), (2,))


def test_the_standing_tells_drift_where_everything_else_refuses(written: Folder, migrations: DrizzleMigrations, database: Database) -> None:
    migrations.apply(migrations.folder("1.1.0"))
    written.write({FIRST: SQL[FIRST] + "-- a word more\n"})
    with database.connect(OWNER) as owner:
        sha256 = hashlib.sha256(b"nobody's").hexdigest()
        owner.execute("INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES (%s, %s)", (sha256, WHEN[FIRST] + 1))
    standing = migrations.standing("1.2.0")
    assert standing.drift == (f"{FIRST} was edited after it was applied", f"row 3 of the ledger ({sha256[:12]}) is unknown to the release")
    assert [row.tag for row in standing.rows] == [SECOND, None, None]
    assert standing.pending == (THIRD,)
