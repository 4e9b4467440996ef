"""The schema is as the tables say: migrated at launch, by one process at a time."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.schema import CreateSchema

from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.tables import SCHEMA

_ONE_AT_A_TIME = 0x7565_0001
"""Key of the advisory lock under which the schema is changed."""
_PATIENCE = "60s"


def migrate(database: ControlDatabase) -> None:
    """Every migration stands in the database. Safe to repeat, and to call from several processes at once."""
    with database.transaction() as connection:
        connection.execute(text("SELECT set_config('statement_timeout', :patience, true)"), {"patience": _PATIENCE})
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        config = Config()
        config.set_main_option("script_location", "unioneyes.runbook.store:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
