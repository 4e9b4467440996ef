"""Drizzle's ledger, `drizzle.__drizzle_migrations`, as Drizzle itself keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.rows import class_row

from unioneyes.adapters.postgres.connections import sql
from unioneyes.adapters.postgres.drift import Entry
from unioneyes.ports.database import LedgerRow, Migration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_ledger(session: psycopg.Connection) -> tuple[Entry, ...]:
    """Return every row, newest first; none when nothing was ever migrated."""
    columns = _columns(session)
    if not columns:
        return ()
    with session.cursor(row_factory=class_row(Entry)) as cursor:
        return tuple(cursor.execute(sql("ledger_read_named" if "name" in columns else "ledger_read")))


def ensure_ledger(session: psycopg.Connection, *, named: bool) -> None:
    """The ledger exists, in the words of Drizzle's own migrator: with names where it is made for the folders of 1.0. One that exists keeps its layout."""
    if not _columns(session):
        session.execute(sql("ledger_create_named" if named else "ledger_create"))


def record(session: psycopg.Connection, migration: Migration) -> None:
    """The ledger says that `migration` was applied."""
    row = {"hash": migration.sha256, "when": migration.when, "name": migration.tag}
    session.execute(sql("ledger_record_named" if "name" in _columns(session) else "ledger_record"), row)


def strike(session: psycopg.Connection, migration: Migration) -> None:
    """The ledger no longer says that `migration` was applied."""
    session.execute(sql("ledger_strike"), {"hash": migration.sha256, "when": migration.when, "precision": 1000 if migration.named else 1})


def rows(entries: tuple[Entry, ...], names: Mapping[str, str], *, last: int) -> tuple[LedgerRow, ...]:
    """Return the newest `last` entries as people read them; `names` gives a migration's tag by its hash."""
    return tuple(
        LedgerRow(
            id=entry.id,
            tag=names.get(entry.sha256, entry.name),
            sha256=entry.sha256,
            created_at=_EPOCH + timedelta(milliseconds=entry.when),
            applied_at=entry.applied_at,
        )
        for entry in entries[:last]
    )


def _columns(session: psycopg.Connection) -> frozenset[str]:
    """Return the names of the ledger's columns; none where it does not exist."""
    return frozenset(str(row[0]) for row in session.execute(sql("ledger_columns")))
