"""A migration ends in its middle when its run must stop, and leaves the schema and the ledger as they were."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from tests.contract.migrations.test_migrations import COLUMNS, FIRST, SECOND, Folder, tags, written
from tests.contract.postgres.conftest import Database
from tests.contract.postgres.stopping import active, gone, stopped_in, waits

__all__ = ["written"]

pytestmark = pytest.mark.stack

SESSION = "ue-migrate"
ENDLESS = "ALTER TABLE claims ADD COLUMN due timestamptz;\n--> statement-breakpoint\nSELECT pg_sleep(120);\n"


def test_a_statement_that_lasts_ends_and_all_of_its_migration_is_rolled_back(written: Folder, database: Database) -> None:
    written.write({SECOND: ENDLESS})
    migrations = written.migrations(database)
    migrations.apply(migrations.folder("1.0.0"))
    sleeps = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'ue-migrate' AND wait_event = 'PgSleep'"
    stopped_in(partial(migrations.apply, migrations.folder("1.1.0")), when=lambda: database.value(sleeps))

    assert gone(partial(active, database, SESSION))
    assert database.value(COLUMNS) == "id status"
    assert tags(migrations.applied()) == [FIRST]


def test_a_wait_for_a_lock_ends_between_its_tries_too(written: Folder, database: Database) -> None:
    migrations = written.migrations(database, patience=timedelta(minutes=2))
    migrations.apply(migrations.folder("1.0.0"))
    with database.connect() as blocker, blocker.transaction():
        blocker.execute("SELECT FROM claims")
        stopped_in(partial(migrations.apply, migrations.folder("1.1.0")), when=partial(waits, database, SESSION))
    assert database.value(COLUMNS) == "id status"


def test_taking_back_ends_in_the_middle_and_the_migration_stands(written: Folder, database: Database) -> None:
    migrations = written.migrations(database, patience=timedelta(minutes=2))
    migrations.apply(migrations.folder("1.1.0"))
    with database.connect() as blocker, blocker.transaction():
        blocker.execute("SELECT FROM claims")
        stopped_in(partial(migrations.roll_back, migrations.folder("1.1.0")[1:]), when=partial(waits, database, SESSION))
    assert database.value(COLUMNS) == "id status due"
    assert tags(migrations.applied()) == [FIRST, SECOND]
