"""The newest migration is taken back: after a proven backup, tried on its copy, and never under a release that needs it."""

from __future__ import annotations

from contextlib import closing

import pytest
from pydantic import TypeAdapter

from tests.drills.main_job.main_job import MainJob
from tests.drills.rollback.ways_back import COLUMNS, REASON, deadlines, filled_deadlines, one
from unioneyes.cli.client import Api
from unioneyes.cli.options import Where
from unioneyes.environments.local.members import run_members
from unioneyes.kernel.problems import ReportedProblem
from unioneyes.operations.rollback.model import MigrationsTakenBack


@pytest.fixture
def migrated(job: MainJob) -> MainJob:
    """1.0.0 serves on the schema of 1.1.0, and some claims have a deadline."""
    job.ensure_serving("1.0.0")
    job.migrate("1.1.0")
    filled_deadlines(job)
    return job


def test_members_notice_nothing_while_the_newest_migration_is_taken_back(migrated: MainJob) -> None:
    held, told = deadlines(migrated), len(migrated.announced())
    assert held > 0
    with run_members(migrated.stack.home, rate=30.0) as members:
        said = migrated.stack.ue("rollback", "migration", *REASON, "--confirm", "unioneyes", "-o", "json", within=120)
        seen = members.finish()
    assert said.code == 0, said.err
    assert seen.lost == 0
    result = TypeAdapter(MigrationsTakenBack).validate_python(migrated.result(said))
    assert result.tags == ("0001_claim_deadlines",)
    assert [(loss.what, loss.rows) for loss in result.losses] == [("claims.deadline", held)]
    assert [row.tag for row in result.ledger] == ["0000_initial"]
    assert migrated.ledger() == [migration.sha256 for migration in migrated.stack.environment.migrations.folder("1.0.0")]
    assert one(migrated, COLUMNS) == 0
    (backup, *_) = migrated.stack.environment.backups.all()
    assert (backup.name, backup.state, backup.schema) == (result.backup, "verified", "0001_claim_deadlines")
    messages = migrated.announced()
    assert len(messages) == told + 1
    assert "claims.deadline" in str(messages[-1])
    report = (migrated.stack.layout.documents / result.afterwards.incident).read_text()
    assert f"claims.deadline: {held} rows hold a value" in report
    assert "user data integrity compromised" in report


def test_the_command_shows_the_ledger_and_the_loss(migrated: MainJob) -> None:
    said = migrated.stack.ue("rollback", "migration", *REASON, "--confirm", "unioneyes", within=120)
    assert said.code == 0, said.err
    assert "Migration ledger, its last rows" in said.out
    assert "claims.deadline" in said.out


def test_a_dry_run_names_the_commands_the_loss_and_the_name_to_type_and_changes_nothing(migrated: MainJob) -> None:
    before = migrated.ledger()
    said = migrated.stack.ue("rollback", "migration", *REASON, "--dry-run")
    assert said.code == 0, said.err
    assert "0001_rollback.sql" in said.out
    assert "DELETE FROM drizzle.__drizzle_migrations" in said.out
    assert f"claims.deadline  {deadlines(migrated)} rows hold a value" in said.out
    assert "--confirm unioneyes" in said.out
    assert migrated.ledger() == before


@pytest.mark.parametrize("confirm", [(), ("--yes",), ("--confirm", "claims"), ("--confirm", "")])
def test_nothing_is_destroyed_before_its_name_was_typed(migrated: MainJob, confirm: tuple[str, ...]) -> None:
    before = migrated.ledger()
    said = migrated.stack.ue("rollback", "migration", *REASON, *confirm)
    assert said.code == 3, said.err
    assert "--confirm unioneyes" in said.err
    assert migrated.ledger() == before


def test_the_api_asks_for_the_name_too(migrated: MainJob) -> None:
    before = migrated.ledger()
    with closing(Api(Where(home=migrated.stack.home))) as api:
        for typed in (None, "", "claims"):
            with pytest.raises(ReportedProblem, match="can't be brought back"):
                api.start("rollback.migration", {"reason": "a drill"}, confirm=typed)
    assert migrated.ledger() == before


def test_a_migration_that_the_serving_release_needs_stays_and_the_way_is_named(job: MainJob) -> None:
    job.ensure_serving("1.1.0")
    before = job.ledger()
    said = job.stack.ue("rollback", "migration", *REASON, "--confirm", "unioneyes")
    assert said.code == 3, said.err
    assert "1.1.0" in said.err
    assert "ue rollback traffic" in said.err
    assert "ue rollback release" in said.err
    assert job.ledger() == before


@pytest.mark.parametrize(("to", "code"), [("0001_claim_deadlines", 3), ("9999_nothing", 2)])
def test_what_can_not_be_gone_back_to_is_refused(migrated: MainJob, to: str, code: int) -> None:
    said = migrated.stack.ue("rollback", "migration", *REASON, "--to", to, "--confirm", "unioneyes")
    assert said.code == code, said.err


def test_a_ledger_that_was_changed_by_hand_is_refused(migrated: MainJob) -> None:
    with migrated.database() as connection:
        connection.execute("INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('by hand', 1790000000000)")
    try:
        said = migrated.stack.ue("rollback", "migration", *REASON, "--confirm", "unioneyes")
        assert said.code == 3, said.err
        assert "explained by no release" in said.err
    finally:
        with migrated.database() as connection:
            connection.execute("DELETE FROM drizzle.__drizzle_migrations WHERE hash = 'by hand'")
