"""What is noted at a database that a backup was restored into: by it, a restore knows what it made, and leaves alone what it did not."""

from __future__ import annotations

import psycopg

from unioneyes.adapters.postgres.databases import comment, databases
from unioneyes.adapters.postgres.manifest import Manifest
from unioneyes.ports.database import DatabaseExists


def whole(manifest: Manifest) -> str:
    """Return what is noted at a database that holds the backup."""
    return f"restored from {manifest.sha256}"


def begun(manifest: Manifest) -> str:
    """Return what is noted at a database that was made for the backup, and does not hold it yet."""
    return f"being restored from {manifest.sha256}"


def require_ours(session: psycopg.Connection, manifest: Manifest, database: str) -> None:
    """Return where there is no such database, or where a restore of this backup began it. Raises: DatabaseExists."""
    if database in databases(session) and not is_ours(session, manifest, database):
        raise already_there(database)


def is_ours(session: psycopg.Connection, manifest: Manifest, database: str) -> bool:
    """Return whether a restore of this backup made the database."""
    return comment(session, database) in {begun(manifest), whole(manifest)}


def already_there(database: str) -> DatabaseExists:
    """Return the problem that somebody's database is."""
    return DatabaseExists(
        what=f"there is a database called {database}, and nobody knows what it is good for; nothing was changed",
        remedy=f"name another one: --into {database}_2; or, when it is needed no more, dropdb {database}",
    )
