"""The engine's own tables."""

from __future__ import annotations

from datetime import timedelta

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr

from tests.drills.engine.conftest import Drill, url
from tests.drills.engine.runbooks import Move
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.schema import migrate, newest_revision
from unioneyes.runbook.store.tables import SCHEMA, metadata


def ours(_object: object, name: str | None, kind: str, _reflected: object, _compared: object) -> bool:
    return kind != "table" or name != "schema_version"


def test_the_migrations_make_the_tables_that_the_code_knows(fresh: Drill) -> None:
    database = ControlDatabase(SecretStr(url(fresh.server, fresh.control)), name="test")
    migrate(database)  # a second time: nothing happens
    with database.transaction() as connection:
        options = {"version_table_schema": SCHEMA, "include_schemas": True, "include_object": ours, "include_name": in_schema}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    database.close()


def test_the_newest_migration_is_the_one_that_alembic_ends_at() -> None:
    config = Config()
    config.set_main_option("script_location", "unioneyes.runbook.store:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [newest_revision()]


def in_schema(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name == SCHEMA


def test_runs_that_ended_long_ago_are_forgotten_with_all_that_was_kept_of_them(fresh: Drill) -> None:
    fresh.work()
    old, young = (fresh.ended(fresh.start(Move(key=key)).id) for key in "ab")
    fresh.in_control("UPDATE ue.runs SET ended_at = ended_at - interval '40 days' WHERE id = %s", old.id)

    assert fresh.engine.prune(older_than=timedelta(days=30)) == 1

    assert fresh.engine.runs() == (young,)
    assert fresh.in_control("SELECT FROM ue.journal WHERE run_id = %s", old.id) == 0
