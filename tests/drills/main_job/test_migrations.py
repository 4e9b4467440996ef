"""What only the real database shows: a migration that fails half-way there, and a ledger that no longer says what was planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drills.main_job.main_job import MainJob
from unioneyes.environments.local.members import run_members

RATE = 30.0


@pytest.fixture
def old_schema(job: MainJob) -> MainJob:
    """1.0.0 serves, and the migration of 1.1.0 is still to be applied."""
    job.ensure_not_migrated(serving="1.0.0", to="1.1.0")
    return job


def test_a_migration_that_fails_half_way_on_the_real_database_leaves_nothing_of_itself(old_schema: MainJob) -> None:
    """The rehearsal passed, and then somebody made `claims` such that the second of the statements that change it is refused."""
    before, ledger, columns = old_schema.serving(), old_schema.ledger(), claims_columns(old_schema)
    with run_members(old_schema.stack.home, rate=RATE) as members:
        run = old_schema.started("1.1.0", "--migrate", "--bake", "1s")
        try:
            with old_schema.database() as holder:
                old_schema.wait_for_step(run, "rehearse_migrations")
                holder.execute("lock table claims in access share mode")  # the migration waits behind it, the members do not
                old_schema.wait_for_step(run, "apply_migrations")
                refuse_comments(old_schema)
            ended = old_schema.ended(run)
        finally:
            allow_comments(old_schema)
        seen = members.finish()
    assert ended.code == 5, ended.err
    assert old_schema.run(ended)["step"] == "apply_migrations"
    assert "0001_claim_deadlines.sql, statement 4" in ended.err
    assert "everything was rolled back, and nothing was changed" in ended.err
    assert "correct the migration, and release it again" in ended.err
    assert claims_columns(old_schema) == columns, "the first statement's column stayed"
    assert (old_schema.serving(), old_schema.ledger()) == (before, ledger)
    assert before.idle_version is None
    assert seen.lost == 0


def test_a_verification_that_fails_after_a_good_watch_sends_the_members_back(old_schema: MainJob) -> None:
    """Somebody corrects the ledger by hand while the release is watched: both versions stay healthy, and only the verification sees it."""
    told = len(old_schema.announced())
    with run_members(old_schema.stack.home, rate=RATE) as members:
        run = old_schema.started("1.1.0", "--migrate", "--bake", "5s")
        old_schema.wait_for_step(run, "watch_release")
        move_newest_row_of_the_ledger(old_schema, by_ms=-1)
        ended = old_schema.ended(run)
        seen = members.finish()
    move_newest_row_of_the_ledger(old_schema, by_ms=1)
    assert ended.code == 5, ended.err
    receipt = old_schema.result(ended)
    assert "Release contract: schema" in str(receipt["outcome"])
    assert "0001_claim_deadlines was applied under another time" in str(receipt["outcome"])
    watched, rolled_back = receipt["watched"], receipt["rolled_back"]
    assert isinstance(watched, dict)
    assert isinstance(rolled_back, dict)
    assert isinstance(watched["verdict"], dict)
    assert watched["verdict"]["outcome"] == "keep"
    assert "Release contract: schema" in Path(str(rolled_back["incident"])).read_text(encoding="utf-8")
    assert len(old_schema.announced()) == told + 1
    after = old_schema.serving()
    assert (after.version, after.idle_version) == ("1.0.0", None)
    assert seen.lost == 0


def claims_columns(job: MainJob) -> list[str]:
    """Return the columns of the table that the migration changes."""
    with job.database() as connection:
        return [
            str(row[0]) for row in connection.execute("select attname from pg_attribute where attrelid = 'claims'::regclass and not attisdropped").fetchall()
        ]


def refuse_comments(job: MainJob) -> None:
    """From now on the database refuses every COMMENT."""
    with job.superuser() as connection:
        connection.execute("create function no_comments() returns event_trigger language plpgsql as $$begin raise 'no comments today'; end$$")
        connection.execute("create event trigger no_comments on ddl_command_start when tag in ('COMMENT') execute function no_comments()")


def allow_comments(job: MainJob) -> None:
    """The database is as it was before."""
    with job.superuser() as connection:
        connection.execute("drop event trigger if exists no_comments")
        connection.execute("drop function if exists no_comments()")


def move_newest_row_of_the_ledger(job: MainJob, *, by_ms: int) -> None:
    """The newest migration stands in the ledger under another time."""
    with job.database() as connection:
        connection.execute(
            "update drizzle.__drizzle_migrations set created_at = created_at + %s where id = (select max(id) from drizzle.__drizzle_migrations)", (by_ms,)
        )
