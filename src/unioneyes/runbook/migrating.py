"""The engine's own database is brought to this release's tables, by whoever may change them, before a server starts."""

from __future__ import annotations

from pydantic import SecretStr

from unioneyes.runbook.durable import migrate_durable
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.schema import migrate, newest_revision


def migrate_all(database_url: SecretStr) -> str:
    """Our tables and DBOS's are those of this release; return the number of our newest migration. Safe to repeat, and by several at once.

    Raises: ControlDatabaseUnavailable, MigrationFailed.
    """
    database = ControlDatabase(database_url, name="ue-migrate")
    try:
        migrate(database)
        migrate_durable(database.url)
    finally:
        database.close()
    return newest_revision()
