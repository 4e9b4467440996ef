"""What Alembic runs: the migrations, on the connection that it was given, inside that connection's transaction."""

from __future__ import annotations

from alembic import context

from unioneyes.runbook.store.tables import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="schema_version",
    version_table_schema=SCHEMA,
    include_schemas=True,
)
context.run_migrations()
