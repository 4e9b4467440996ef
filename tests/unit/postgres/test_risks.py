"""Which lock a statement takes, whom it keeps waiting, and what is rewritten, by its text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.postgres.risks import risks
from unioneyes.ports.database import Blocks, Migration, Risk

AE, SHARE, SRE, SUE = "ACCESS EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"
ALL, WRITES, NOBODY, ROWS = Blocks.ALL, Blocks.WRITES, Blocks.NOBODY, Blocks.ROWS


def migration(sql: str, tag: str = "0001_more") -> Migration:
    return Migration(tag=tag, sha256="0" * 64, when=1, sql=sql, rollback_sql=None, transactional=True, needs_maintenance=False)


def told(sql: str) -> tuple[Risk, ...]:
    return risks((migration(sql),))


@pytest.mark.parametrize(
    ("sql", "does"),
    [
        ("ALTER TABLE claims ADD COLUMN due timestamptz", ("claims", AE, ALL, False, False)),
        ("ALTER TABLE claims ADD due timestamptz NOT NULL DEFAULT now()", ("claims", AE, ALL, False, False)),
        ("ALTER TABLE claims ADD COLUMN n numeric(10, 2) DEFAULT 0.5::numeric(10, 2)", ("claims", AE, ALL, False, False)),
        ("ALTER TABLE claims ADD COLUMN id2 uuid DEFAULT gen_random_uuid()", ("claims", AE, ALL, True, True)),
        ("ALTER TABLE claims ADD COLUMN x text DEFAULT my_own()", ("claims", AE, ALL, None, None)),
        ("ALTER TABLE claims ADD COLUMN n bigserial", ("claims", AE, ALL, True, True)),
        ("ALTER TABLE claims ADD COLUMN n int GENERATED ALWAYS AS IDENTITY", ("claims", AE, ALL, True, True)),
        ("ALTER TABLE claims ADD COLUMN n int GENERATED ALWAYS AS (a + 1) STORED", ("claims", AE, ALL, True, True)),
        ("ALTER TABLE claims ADD COLUMN n int CHECK (n > 0)", ("claims", AE, ALL, False, True)),
        ("ALTER TABLE IF EXISTS ONLY billing.claims DROP COLUMN due", ("billing.claims", AE, ALL, False, False)),
        ('ALTER TABLE "Claims" ALTER COLUMN id TYPE bigint', ("Claims", AE, ALL, True, True)),
        ("ALTER TABLE claims ALTER id SET DATA TYPE text", ("claims", AE, ALL, None, None)),
        ("ALTER TABLE claims ALTER id TYPE text USING upper(id)", ("claims", AE, ALL, True, True)),
        ("ALTER TABLE claims ALTER COLUMN due SET NOT NULL", ("claims", AE, ALL, False, True)),
        ("ALTER TABLE claims ALTER COLUMN due DROP NOT NULL", ("claims", AE, ALL, False, False)),
        ("ALTER TABLE claims ALTER COLUMN due SET DEFAULT now()", ("claims", AE, ALL, False, False)),
        ("ALTER TABLE claims ALTER COLUMN due SET STATISTICS 500", ("claims", SUE, NOBODY, False, False)),
        ("ALTER TABLE claims ALTER COLUMN due SET (n_distinct = 5)", ("claims", SUE, NOBODY, False, False)),
        ("ALTER TABLE claims ADD CONSTRAINT c CHECK (n > 0)", ("claims", AE, ALL, False, True)),
        ("ALTER TABLE claims ADD CONSTRAINT c CHECK (n > 0) NOT VALID", ("claims", AE, ALL, False, False)),
        ("ALTER TABLE claims VALIDATE CONSTRAINT c", ("claims", SUE, NOBODY, False, True)),
        ("ALTER TABLE claims ADD CONSTRAINT u UNIQUE (number)", ("claims", AE, ALL, False, True)),
        ("ALTER TABLE claims ADD CONSTRAINT u UNIQUE USING INDEX by_number", ("claims", AE, ALL, False, False)),
        ("ALTER TABLE claims ENABLE ROW LEVEL SECURITY", ("claims", AE, ALL, False, False)),
        ("ALTER TABLE claims SET (fillfactor = 70)", ("claims", SUE, NOBODY, False, False)),
        ("ALTER TABLE claims SET UNLOGGED", ("claims", AE, ALL, True, True)),
        ("ALTER TABLE claims DETACH PARTITION old CONCURRENTLY", ("claims", SUE, NOBODY, False, False)),
        ("CREATE INDEX by_due ON claims (due)", ("claims", SHARE, WRITES, False, True)),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS by_due ON ONLY billing.claims (due)", ("billing.claims", SUE, NOBODY, False, True)),
        ("DROP INDEX by_due", (None, AE, ALL, False, False)),
        ("DROP INDEX CONCURRENTLY by_due", (None, SUE, NOBODY, False, False)),
        ("REINDEX TABLE CONCURRENTLY claims", (None, SUE, NOBODY, False, True)),
        ("VACUUM FULL claims", (None, AE, ALL, True, True)),
        ("VACUUM claims", (None, SUE, NOBODY, False, True)),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY totals", ("totals", "EXCLUSIVE", WRITES, False, False)),
        ("CREATE TRIGGER t BEFORE INSERT ON claims EXECUTE FUNCTION f()", ("claims", SRE, WRITES, False, False)),
        ("CREATE POLICY p ON claims USING (true)", ("claims", AE, ALL, False, False)),
        ("UPDATE claims SET due = now()", ("claims", "ROW EXCLUSIVE", ROWS, False, True)),
        ("INSERT INTO claims VALUES (1)", ("claims", "ROW EXCLUSIVE", ROWS, False, False)),
        ("TRUNCATE claims", ("claims", AE, ALL, False, False)),
        ("DROP TABLE IF EXISTS claims CASCADE", ("claims", AE, ALL, False, False)),
        ("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $$ DROP TABLE claims; $$", (None, "", NOBODY, False, False)),
        ("COMMENT ON TABLE claims IS 'ALTER TABLE'", (None, SUE, NOBODY, False, False)),
        ("DO $$ BEGIN DROP TABLE claims; END $$", (None, None, None, None, None)),
        ("SELECT rewrite_everything()", (None, None, None, None, None)),
    ],
)
def test_what_a_statement_does(sql: str, does: tuple[str | None, str | None, Blocks | None, bool | None, bool | None]) -> None:
    (risk,) = told(f"-- a comment\n{sql};\n")
    assert (risk.table, risk.lock, risk.blocks, risk.rewrites, risk.scans) == does
    assert risk.line == 2


def test_a_foreign_key_holds_up_writers_of_both_tables() -> None:
    found = told("ALTER TABLE claims ADD CONSTRAINT f FOREIGN KEY (member) REFERENCES members (id) NOT VALID")
    assert [(risk.table, risk.lock, risk.blocks, risk.scans) for risk in found] == [("claims", SRE, WRITES, False), ("members", SRE, WRITES, False)]


def test_of_several_actions_the_worst_counts() -> None:
    (risk,) = told("ALTER TABLE claims VALIDATE CONSTRAINT c, ADD COLUMN n serial, DROP COLUMN due")
    assert (risk.lock, risk.blocks, risk.rewrites, risk.scans) == (AE, ALL, True, True)


def test_a_partition_that_is_attached_is_read_and_its_parent_goes_on() -> None:
    found = told("ALTER TABLE claims ATTACH PARTITION claims_2026 FOR VALUES FROM (1) TO (2)")
    assert [(risk.table, risk.lock, risk.scans) for risk in found] == [("claims", SUE, False), ("claims_2026", AE, True)]


def test_a_table_that_the_migrations_make_themselves_is_nobodys_yet() -> None:
    found = risks((migration("CREATE TABLE IF NOT EXISTS notes (id int);"), migration("CREATE INDEX ON notes (id); CREATE INDEX ON claims (id)", "0002_index")))
    assert [(risk.tag, risk.table, risk.blocks) for risk in found] == [
        ("0001_more", "notes", NOBODY),
        ("0002_index", "notes", NOBODY),
        ("0002_index", "claims", WRITES),
    ]


def test_a_backfill_is_said_to_come_in_batches() -> None:
    first, second = told("-- ue: backfill batch=500\nUPDATE claims SET due = now();\nUPDATE claims SET n = 1")
    assert (first.blocks, first.note) == (ROWS, "in batches, each in a transaction of its own: only as long as that lasts")
    assert "-- ue: backfill" in second.note


def test_a_statement_is_shown_without_its_literals() -> None:
    found = told("ALTER TABLE billing.claims ADD COLUMN state text DEFAULT 'secret of a member';\nUPDATE claims SET name = 'Doe' WHERE id = 77001;")
    assert [risk.statement for risk in found] == ["ALTER TABLE billing.claims ADD COLUMN state text", "UPDATE claims SET name WHERE id"]


@given(st.text())
def test_whatever_the_text_is_something_is_said_of_each_statement(text: str) -> None:
    for risk in told(text):
        assert risk.statement
        assert risk.line <= text.count("\n") + 1
        assert (risk.lock is None) == (risk.blocks is None)


KINDS = ("CREATE TABLE", "ALTER TABLE", "CREATE INDEX ON", "UPDATE", "DROP TABLE", "TRUNCATE", "DELETE FROM")


@given(st.sampled_from(KINDS), st.from_regex(r"[a-z]{1,8}", fullmatch=True))
def test_letters_and_blanks_make_no_difference(words: str, table: str) -> None:
    plain, odd = f"{words} {table} (x)", f"/* a */ {words.lower().replace(' ', '  -- b' + chr(10))}\n\t{table} (x)"
    assert [(risk.table, risk.lock, risk.blocks) for risk in told(plain)] == [(risk.table, risk.lock, risk.blocks) for risk in told(odd)]
