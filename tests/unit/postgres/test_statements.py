from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.postgres.statements import first_unfit, statements

UNFIT = (
    "CREATE INDEX CONCURRENTLY a ON b (c)",
    "create unique index concurrently a on b (c)",
    "CREATE INDEX /* quickly */ CONCURRENTLY a ON b (c)",
    "DROP INDEX CONCURRENTLY a",
    "REINDEX (VERBOSE, CONCURRENTLY) TABLE a",
    "REINDEX DATABASE a",
    "ALTER TABLE a DETACH PARTITION b CONCURRENTLY",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "ALTER DATABASE a SET TABLESPACE b",
    "CREATE DATABASE a",
    "DROP DATABASE IF EXISTS a",
    "CREATE TABLESPACE a LOCATION '/b'",
    "CREATE SUBSCRIPTION a CONNECTION '' PUBLICATION b",
    "VACUUM FULL a",
    "CLUSTER",
    "DISCARD ALL",
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "END",
    "ROLLBACK",
    "ABORT",
)
FIT = (
    "CREATE INDEX a ON b (c)",
    "CREATE INDEX concurrently_made ON b (c)",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY a",
    "ALTER TYPE mood ADD VALUE 'calm'",
    "ALTER TABLE a DETACH PARTITION b",
    "REINDEX TABLE a",
    "CLUSTER a USING b",
    "SAVEPOINT a",
    "ROLLBACK TO SAVEPOINT a",
    'ALTER TABLE a RENAME COLUMN "CREATE DATABASE" TO b',
    "COMMENT ON TABLE a IS 'then; COMMIT; it'",
    "SELECT E'it\\'s; COMMIT;'",
    "SELECT 'it''s; COMMIT;'",
    "CREATE FUNCTION a() RETURNS void LANGUAGE plpgsql AS $$ BEGIN; COMMIT; END; $$",
    "CREATE FUNCTION a() RETURNS void LANGUAGE plpgsql AS $body$ x := '$$'; COMMIT; $body$",
    "CREATE FUNCTION a(i int) RETURNS int BEGIN ATOMIC SELECT CASE WHEN i > 0 THEN 1 ELSE 2 END; SELECT i; END",
    "/* outer /* COMMIT; */ COMMIT; */ SELECT 1",
    "-- COMMIT;\nSELECT 1",
    "SELECT a$1b, c$2d",
)


@pytest.mark.parametrize("sql", UNFIT)
def test_what_a_transaction_can_not_hold_or_would_be_ended_by_is_found(sql: str) -> None:
    found = first_unfit(f"SELECT 1;\n\n{sql};\nSELECT 2;")
    assert found is not None
    assert found.line == 3


@pytest.mark.parametrize("sql", FIT)
def test_what_a_transaction_can_hold_passes(sql: str) -> None:
    assert first_unfit(f"SELECT 1;\n{sql};\nSELECT 2;") is None


@given(st.sampled_from(UNFIT), st.sampled_from(["-- {}\n", "/* {} */", "/* /* x */ {} */", "SELECT $tag$ {} $tag$", 'SELECT "{}"']))
def test_nothing_inside_comments_and_literals_counts(unfit: str, wrapping: str) -> None:
    assert first_unfit(wrapping.format(f"; {unfit};")) is None


@given(st.lists(st.sampled_from([*UNFIT, *FIT]), max_size=6))
def test_every_statement_is_seen_on_its_own(several: list[str]) -> None:
    together = statements(";\n".join(several))
    assert [statement.words for statement in together] == [statement.words for sql in several for statement in statements(sql)]


@given(st.text(alphabet="abE'\"$;-/*\n (COMMIT)", max_size=60))
def test_no_text_is_too_strange(sql: str) -> None:
    lines = [statement.line for statement in statements(sql)]
    assert lines == sorted(lines)
    assert all(1 <= line <= sql.count("\n") + 1 for line in lines)


@pytest.mark.parametrize(
    "text", ["begin read write", "Commit and chain", "SET TRANSACTION READ WRITE", "set session characteristics as transaction read write"]
)
def test_what_is_about_a_transaction_is_found(text: str) -> None:
    assert [statement.of_transactions for statement in statements(f"SELECT 'COMMIT'; {text}")] == [False, True]


def test_copying_from_or_to_whoever_sends_it_is_found() -> None:
    text = "COPY a FROM '/tmp/STDIN'; COPY (SELECT 1) TO STDOUT; copy a (b) from stdin WITH (FORMAT csv); SELECT 'COPY a TO STDOUT'"
    assert [statement.copies for statement in statements(text)] == [False, True, True, False]
