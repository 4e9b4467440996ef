"""The schema is as the tables say: migrated at launch, by one process at a time."""

from __future__ import annotations

from importlib.resources import files

from sqlalchemy import Connection, Text, column, inspect, select, table, text
from sqlalchemy.schema import CreateSchema

from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.tables import SCHEMA

_ONE_AT_A_TIME = 0x7565_0001
"""Key of the advisory lock under which the schema is changed."""
_PATIENCE = "60s"
_VERSIONS = table("schema_version", column("version_num", Text), schema=SCHEMA)
"""Where Alembic writes down how far it came."""


def migrate(database: ControlDatabase) -> None:
    """Every migration stands in the database. Safe to repeat, and to call from several processes at once."""
    with database.transaction() as connection:
        connection.execute(text("SELECT set_config('statement_timeout', :patience, true)"), {"patience": _PATIENCE})
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
        if _revision(connection) == newest_revision():
            return
        from alembic import command  # noqa: PLC0415 - 9 MiB and a sixth of a second, which a server on a schema of today does not need
        from alembic.config import Config  # noqa: PLC0415 - the same

        connection.execute(CreateSchema(SCHEMA, if_not_exists=True))
        config = Config()
        config.set_main_option("script_location", "unioneyes.runbook.store:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def newest_revision() -> str:
    """Return the revision that the newest migration brings: `0001` of `v0001_runs.py`."""
    return max(file.name for file in files(f"{__package__}.migrations.versions").iterdir() if file.name.startswith("v")).partition("_")[0].removeprefix("v")


def _revision(connection: Connection) -> str | None:
    """Return the revision that stands in the database; None in an empty one."""
    stands = inspect(connection).has_table(_VERSIONS.name, schema=SCHEMA)
    return connection.execute(select(_VERSIONS.c.version_num)).scalar() if stands else None
