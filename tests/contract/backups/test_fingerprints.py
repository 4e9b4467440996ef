"""A fingerprint shows any change of any value, also one that the type itself calls no change; on Debian's PostgreSQL 15, which knows collations of ICU, too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from tests.contract.postgres.conftest import Database, short_folder
from tests.contract.postgres.operated import NEEDS_DEBIAN, Operated, debian_15
from unioneyes.adapters.postgres.fingerprint import Fingerprint, TablePrint, differences, summing_up, take_fingerprint

pytestmark = pytest.mark.stack

ALL_KINDS = """
CREATE TYPE mood AS ENUM ('calm', 'cross');
CREATE DOMAIN word AS text;
CREATE TYPE pair AS (first int, second text);
CREATE TABLE kinds (
  id int PRIMARY KEY, said text, short varchar(20), fixed char(5), amount numeric, measured float8, paid boolean, raw json, parsed jsonb, attached bytea,
  key uuid, day date, at timestamptz, lasts interval, numbers int[], feels mood, named word, client inet, pairs pair,
  "od""d" text, twice int GENERATED ALWAYS AS (id * 2) STORED
);
INSERT INTO kinds VALUES
  (1, 'first', '', 'ab', 1.0, 0, true, '{"a": 1}', '{"a": 1.0}', '\\x00ff', '00000000-0000-0000-0000-000000000001', '2026-02-09', '2026-02-09 14:30+00',
   '1 day', '{1,NULL}', 'calm', '', '10.0.0.0/8', '(1,)', 'odd'),
  (2, 'second', NULL, 'cd', 2, 'NaN', NULL, '{}', '[]', '', NULL, 'infinity', '-infinity', '0', '{}', 'cross', NULL, '::1', NULL, NULL);
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
"""
CHANGES = {
    "a letter": "UPDATE kinds SET said = 'First' WHERE id = 1",
    "nothing for the empty text": "UPDATE kinds SET short = NULL WHERE id = 1",
    "the empty text for nothing": "UPDATE kinds SET short = '' WHERE id = 2",
    "nothing for the empty word of a domain": "UPDATE kinds SET named = NULL WHERE id = 1",
    "nothing in a pair for no pair": "UPDATE kinds SET pairs = ROW(NULL, NULL)::pair WHERE id = 2",
    "a cent": "UPDATE kinds SET amount = 1.01 WHERE id = 1",
    "a number's digits alone": "UPDATE kinds SET amount = 1.00 WHERE id = 1",
    "a zero's sign": "UPDATE kinds SET measured = '-0' WHERE id = 1",
    "a space in a document": "UPDATE kinds SET raw = '{\"a\":1}' WHERE id = 1",
    "a digit in a parsed document": "UPDATE kinds SET parsed = '{\"a\": 1.00}' WHERE id = 1",
    "a byte": "UPDATE kinds SET attached = '\\x00fe' WHERE id = 1",
    "nothing for no bytes": "UPDATE kinds SET attached = NULL WHERE id = 2",
    "a microsecond": "UPDATE kinds SET at = at + interval '1 microsecond' WHERE id = 1",
    "a day as hours": "UPDATE kinds SET lasts = '24 hours' WHERE id = 1",
    "the one infinity for the other": "UPDATE kinds SET day = '-infinity' WHERE id = 2",
    "an element": "UPDATE kinds SET numbers = '{1,0}' WHERE id = 1",
    "a label": "UPDATE kinds SET feels = 'cross' WHERE id = 1",
    "a network's host": "UPDATE kinds SET client = '10.0.0.0/9' WHERE id = 1",
    "values that two rows exchanged": "UPDATE kinds SET said = CASE id WHEN 1 THEN 'second' ELSE 'first' END",
    "values that two columns exchanged": 'UPDATE kinds SET said = "od""d", "od""d" = said WHERE id = 1',
    "a row without columns": "INSERT INTO nothing DEFAULT VALUES",
}


@pytest.fixture(scope="module")
def older() -> Iterator[Operated]:
    with short_folder() as folder, debian_15(folder) as made:
        yield made


def taken(session: psycopg.Connection, *, like: Fingerprint | None = None) -> Fingerprint:
    with session.transaction():
        return take_fingerprint(session, lock_wait=timedelta(seconds=5), like=like)


def of(taken: Fingerprint, name: str) -> TablePrint:
    return next(table for table in taken.tables if table.table == f'"public"."{name}"')


@contextmanager
def undone(session: psycopg.Connection) -> Iterator[None]:
    """What the block changed is undone with it."""
    with session.transaction(force_rollback=True):
        yield


def test_each_change_shows_and_is_gone_from_it_when_it_is_undone(database: Database) -> None:
    with database.connect() as session:
        session.execute(ALL_KINDS.encode())
        before = taken(session)
        for what, change in CHANGES.items():
            with undone(session):
                session.execute(change.encode())
                found = differences(before, taken(session))
            assert len(found) == 1, what
            assert re.search(r"has other values in its 2 rows|has 2 rows instead of 1", found[0]), what
        assert taken(session) == before


def test_the_order_of_rows_and_columns_is_no_change_and_another_type_is(database: Database) -> None:
    with database.connect() as session:
        session.execute("CREATE TABLE here (a int, b text); INSERT INTO here VALUES (1, 'x'), (2, 'y')")
        before = taken(session)
        with undone(session):
            session.execute(
                "DROP TABLE here; CREATE TABLE here (gone int, b text, a int); INSERT INTO here VALUES (0, 'y', 2), (0, 'x', 1); ALTER TABLE here DROP gone"
            )
            assert differences(before, taken(session)) == ()
        with undone(session):
            session.execute("ALTER TABLE here ALTER a TYPE numeric")
            assert differences(before, taken(session)) == ('"public"."here" has other columns',)


def test_what_a_manifest_says_is_summed_up_is_all_that_a_person_needs(database: Database) -> None:
    with database.connect() as session:
        session.execute(ALL_KINDS.encode())
        for table in taken(session).tables:
            with session.transaction():
                session.execute("SET LOCAL TimeZone = 'UTC'")
                count, total = session.execute(summing_up(table.table.encode(), (table.summed or "").encode())).fetchone() or (0, 0)
                assert (count, str(total)) == (table.rows, table.hash)


def test_a_table_s_owner_gets_no_function_run_by_who_makes_the_backup(database: Database) -> None:
    """A cast to text may be a function of the owner's own."""
    with database.connect() as session:
        session.execute(ALL_KINDS.encode())
        before = taken(session)
        session.execute("CREATE FUNCTION told(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'run by %', current_user; END $$")
        session.execute("CREATE CAST (mood AS text) WITH FUNCTION told(mood)")
        with pytest.raises(psycopg.errors.RaiseException):
            session.execute("SELECT feels::text FROM kinds")
        assert of(taken(session), "kinds") == of(before, "kinds")


def test_one_of_an_earlier_release_is_compared_as_it_was_taken(database: Database) -> None:
    with database.connect() as session:
        session.execute(ALL_KINDS.encode())
        with session.transaction():
            session.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL search_path = ''")
            row = session.execute("SELECT sum(hashtextextended(t::text, 0))::text FROM ONLY public.kinds AS t").fetchone()
        early = taken(session)
        early = early.model_copy(update={"tables": tuple(table.model_copy(update={"summed": None}) for table in early.tables)})
        again = taken(session, like=early)
        assert of(again, "kinds").hash == (row or ("",))[0]
        assert differences(again, taken(session, like=again)) == ()


@NEEDS_DEBIAN
def test_a_collation_for_which_two_letters_are_one_hides_no_change(older: Operated) -> None:
    with older.connect() as session:
        session.execute("CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        session.execute("CREATE TABLE here (said text COLLATE alike, short varchar COLLATE alike)")
        session.execute("INSERT INTO here VALUES ('first', 'a')")
        assert session.execute("SELECT said = 'FIRST' FROM here").fetchone() == (True,)
        before = taken(session)
        for change in (b"UPDATE here SET said = 'FIRST'", b"UPDATE here SET short = 'A'"):
            with undone(session):
                session.execute(change)
                assert differences(before, taken(session)) == ('"public"."here" has other values in its 1 rows',)


@NEEDS_DEBIAN
def test_every_version_says_the_same_of_the_same_rows(older: Operated, database: Database) -> None:
    said = []
    for server in (older, database):
        with server.connect() as session, undone(session):
            session.execute(ALL_KINDS.encode())
            said.append(of(taken(session), "kinds"))
    assert said[0] == said[1]
