"""Which rows two databases do not share, in flat memory: sums first, and only where they differ the rows' hashes, side by side in their order."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from unioneyes.adapters.postgres.connections import sql
from unioneyes.ports.database import TableDifference

_AT_A_TIME = 10_000
"""Hashes that are held in memory of each side."""

Table = tuple[str, str]
"""Schema and name."""


def compare(live: psycopg.Connection, restored: psycopg.Connection, table: Table, ours: tuple[str, ...], theirs: tuple[str, ...]) -> TableDifference:
    """Return what stands on one side only; a table that both hold alike is read once and sorted never."""
    both = tuple(column for column in ours if column in theirs)
    if not both:
        return TableDifference(table=named(table), only_live=count_rows(live, table) if ours else 0, only_backup=count_rows(restored, table) if theirs else 0)
    if _sum(live, table, both) == _sum(restored, table, both):
        return TableDifference(table=named(table), only_live=0, only_backup=0)
    only_live, only_backup = merged(_hashes(live, table, both), _hashes(restored, table, both))
    return TableDifference(table=named(table), only_live=only_live, only_backup=only_backup)


def merged(ours: Iterator[int], theirs: Iterator[int]) -> tuple[int, int]:
    """Return how many of two ascending rows of numbers stand in the first only, and in the second only; equal ones are paired, one to one. Pure."""
    only_ours = only_theirs = 0
    one, other = next(ours, None), next(theirs, None)
    while one is not None or other is not None:
        if one == other:
            one, other = next(ours, None), next(theirs, None)
        elif other is None or (one is not None and one < other):
            only_ours += 1
            one = next(ours, None)
        else:
            only_theirs += 1
            other = next(theirs, None)
    return only_ours, only_theirs


def _hash(columns: tuple[str, ...]) -> Composed:
    return SQL("hashtextextended(ROW({})::text, 0)").format(SQL(", ").join(map(Identifier, columns)))


def _hashes(session: psycopg.Connection, table: Table, columns: tuple[str, ...]) -> Iterator[int]:
    with session.cursor(name="ue_hashes") as cursor:
        cursor.itersize = _AT_A_TIME
        cursor.execute(SQL("SELECT {} FROM ONLY {} ORDER BY 1").format(_hash(columns), Identifier(*table)))
        for (value,) in cursor:
            yield value


def _sum(session: psycopg.Connection, table: Table, columns: tuple[str, ...]) -> tuple[object, ...] | None:
    return session.execute(SQL("SELECT count(*), sum({}) FROM ONLY {}").format(_hash(columns), Identifier(*table))).fetchone()


def count_rows(session: psycopg.Connection, table: Table) -> int:
    """Return how many rows `table` has."""
    row = session.execute(SQL("SELECT count(*) FROM ONLY {}").format(Identifier(*table))).fetchone()
    return int(row[0]) if row else 0


def columns_of(session: psycopg.Connection) -> dict[Table, tuple[str, ...]]:
    """Return the columns of every table that has rows of its own."""
    return {(schema, name): tuple(columns) for schema, name, columns in session.execute(sql("restore_columns"))}


def named(table: Table) -> str:
    """Return a table as people name it: without its schema where that is `public`."""
    schema, name = table
    return name if schema == "public" else f"{schema}.{name}"
