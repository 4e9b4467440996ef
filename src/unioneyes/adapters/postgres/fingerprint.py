"""What a database holds, in few bytes: per table the number of rows and a sum over their hashes; sequences; and how many of each kind of object."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL, Literal
from pydantic import BaseModel, ConfigDict

from unioneyes.adapters.postgres.connections import sql

_ANY_BYTES = "SQL_ASCII"
"""The character set of a database that believes every byte. Asked in it, the server hands names on as they are, and so does psycopg: as bytes."""

_OF_COLUMNS = b"hashint8extended(hash_record_extended(ROW(%b), 0), 0)"
"""A row's hash, from the columns that are summed up: by the functions that find hashed partitions, which no new version may change, and five times as fast as
one of the row's text. It is hashed again, for it is itself a sum over the columns: values that two rows exchanged would not show.
"""
_OF_TEXT = b"hashtextextended(t::text, 0)"


class TablePrint(BaseModel):
    """A table's rows, whatever their order: the sum changes when any column of any row does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    """`schema.name`, quoted where needed."""
    rows: int
    hash: str
    protected: str
    """`forced`, `on` or `off`: row level security."""
    summed: str | None = None
    """What is summed up of each row: the columns, by name, as SQL. None where it was the row's text, before manifests of format 3."""


class SequencePrint(BaseModel):
    """Where a sequence stands. Sequences are outside of snapshots, so a dump may hold a later value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: str
    last_value: int
    called: bool


class ObjectCount(BaseModel):
    """How many objects of one kind there are: a lost policy or trigger shows here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    count: int


class Fingerprint(BaseModel):
    """What a database held in one snapshot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tables: tuple[TablePrint, ...]
    sequences: tuple[SequencePrint, ...]
    objects: tuple[ObjectCount, ...]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)


def take_names_as_they_are(session: psycopg.Connection) -> None:
    """Whatever names the database has come through, until the transaction ends: as bytes, where it believes every byte."""
    if session.info.parameter_status("server_encoding") == _ANY_BYTES:
        session.execute("SET LOCAL client_encoding = 'SQL_ASCII'")


def take_fingerprint(
    session: psycopg.Connection, *, lock_wait: timedelta, like: Fingerprint | None = None, seen: Callable[[int, int], None] = lambda _done, _of: None
) -> Fingerprint:
    """Return what the session's database holds. The session is in a transaction with one snapshot, as a role that row level security does not hold back.

    It is taken as the one was that it is to be compared with (`like`). `seen` is told before each table how many are done, and how many there are.
    """
    by_text = like is not None and any(table.summed is None for table in like.tables)
    session.execute(sql("fingerprint_settings"))
    take_names_as_they_are(session)
    session.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal(f"{round(lock_wait.total_seconds() * 1000)}ms")))
    tables = session.execute(sql("fingerprint_tables")).fetchall()
    sequences = session.execute(sql("fingerprint_sequences")).fetchall()
    with session.cursor(row_factory=class_row(ObjectCount)) as cursor:
        objects = tuple(cursor.execute(sql("fingerprint_objects")))
    prints: list[TablePrint] = []
    for named, protected, summed in tables:
        seen(len(prints), len(tables))
        prints.append(_table(session, named, protected, None if by_text else summed))
    return Fingerprint(tables=tuple(prints), sequences=tuple(_sequence(session, named) for (named,) in sequences), objects=objects)


def summing_up(table: bytes, summed: bytes | None) -> bytes:
    """Return the query that counts a table's rows and sums them up, by what is summed up of each. Pure."""
    return b"SELECT count(*), coalesce(sum(%b), 0) FROM ONLY %b AS t" % (_OF_TEXT if summed is None else _OF_COLUMNS % summed, table)


def differences(source: Fingerprint, restored: Fingerprint) -> tuple[str, ...]:
    """Return a sentence for each difference that matters; empty when `restored` holds what `source` held. Pure."""
    there = {table.table: table for table in restored.tables}
    lost = [f"{table.table} is missing" for table in source.tables if table.table not in there]
    more = [f"{name} is not in the source" for name in there.keys() - {table.table for table in source.tables}]
    changed = [_changed(table, there[table.table]) for table in source.tables if table.table in there and there[table.table] != table]
    positions = {sequence.sequence: sequence for sequence in restored.sequences}
    behind = [
        f"sequence {sequence.sequence} is missing or behind"
        for sequence in source.sequences
        if sequence.sequence not in positions or _behind(sequence, positions[sequence.sequence])
    ]
    counts = {entry.kind: entry.count for entry in restored.objects}
    objects = [f"{counts.get(entry.kind, 0)} {entry.kind} instead of {entry.count}" for entry in source.objects if counts.get(entry.kind, 0) != entry.count]
    return (*lost, *sorted(more), *changed, *behind, *objects)


def _changed(source: TablePrint, restored: TablePrint) -> str:
    if source.summed != restored.summed:
        return f"{source.table} has other columns"
    if source.rows != restored.rows:
        return f"{source.table} has {restored.rows} rows instead of {source.rows}"
    if source.hash != restored.hash:
        return f"{source.table} has other values in its {source.rows} rows"
    return f"{source.table} has row level security {restored.protected} instead of {source.protected}"


def _behind(source: SequencePrint, restored: SequencePrint) -> bool:
    return (restored.last_value, restored.called) < (source.last_value, source.called)


def _table(session: psycopg.Connection, named: bytes, protected: str, summed: bytes | None) -> TablePrint:
    row = session.execute(summing_up(named, summed)).fetchone()
    count, total = row or (0, 0)
    return TablePrint(table=_shown(named), rows=count, hash=str(total), protected=protected, summed=None if summed is None else _shown(summed))


def _sequence(session: psycopg.Connection, named: bytes) -> SequencePrint:
    row = session.execute(b"SELECT last_value, is_called FROM " + named).fetchone()
    last_value, called = row or (0, False)
    return SequencePrint(sequence=_shown(named), last_value=last_value, called=called)


def _shown(named: bytes) -> str:
    """Return a quoted name as a manifest spells it: bytes that are no UTF-8, which a database in SQL_ASCII may have in its names, by their numbers."""
    return named.decode(errors="backslashreplace")
