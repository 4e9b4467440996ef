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
    if not _exists(session):
        return ()
    with session.cursor(row_factory=class_row(Entry)) as cursor:
        return tuple(cursor.execute(sql("ledger_read")))


def ensure_ledger(session: psycopg.Connection) -> None:
    """The ledger exists, in the words of Drizzle's own migrator."""
    if not _exists(session):
        session.execute(sql("ledger_create"))


def record(session: psycopg.Connection, migration: Migration) -> None:
    """The ledger says that `migration` was applied."""
    session.execute("INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES (%s, %s)", (migration.sha256, migration.when))


def strike(session: psycopg.Connection, migration: Migration) -> None:
    """The ledger no longer says that `migration` was applied."""
    session.execute("DELETE FROM drizzle.__drizzle_migrations WHERE hash = %s AND created_at = %s", (migration.sha256, migration.when))


def rows(entries: tuple[Entry, ...], names: Mapping[str, str], *, last: int) -> tuple[LedgerRow, ...]:
    """Return the newest `last` entries as people read them; `names` gives a migration's tag by its hash."""
    return tuple(
        LedgerRow(id=entry.id, tag=names.get(entry.sha256), sha256=entry.sha256, created_at=_EPOCH + timedelta(milliseconds=entry.when))
        for entry in entries[:last]
    )


def _exists(session: psycopg.Connection) -> bool:
    return session.execute("SELECT FROM pg_tables WHERE schemaname = 'drizzle' AND tablename = '__drizzle_migrations'").fetchone() is not None
