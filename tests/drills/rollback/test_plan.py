"""`ue rollback plan` ranks what is open now by what it loses and what it takes, and says why the rest is closed."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from tests.drills.main_job.main_job import MainJob
from tests.drills.rollback.ways_back import backed_up, drop_kept, filled_deadlines
from unioneyes.operations.rollback.model import RollbackOption

TRAFFIC, RELEASE, ROLLING, MIGRATION, RESTORE = "rollback.traffic", "rollback.release", "rollback.rolling", "rollback.migration", "rollback.restore"


def options(job: MainJob, *flags: str) -> dict[str, RollbackOption]:
    """Return the ways back by their runbooks, best first."""
    said = job.stack.ue("rollback", "plan", *flags, "-o", "json")
    assert said.code == 0, said.err
    return {option.runbook: option for option in TypeAdapter(tuple[RollbackOption, ...]).validate_json(said.out)}


def test_when_the_previous_release_is_cold_it_can_be_started_and_the_migration_has_to_wait_for_that(job: MainJob) -> None:
    job.ensure_serving("1.1.0")
    found = options(job, "--reason", "data-integrity")
    assert {runbook for runbook, option in found.items() if option.possible} == {RELEASE, ROLLING}
    assert "has no ready replica" in found[TRAFFIC].why
    assert "needs 0001_claim_deadlines" in found[MIGRATION].why
    assert "needs 0001_claim_deadlines" in found[RESTORE].why, "the backup was taken before the migration"
    release = found[RELEASE]
    assert release.takes is not None, "measured in the deployment that brought 1.1.0"
    assert release.proposed is not None
    assert "this opens it" in release.proposed
    assert release.command == "ue rollback release --reason data-integrity"
    assert next(iter(found)) == RELEASE


def test_while_the_previous_release_is_warm_it_is_the_fastest_and_loses_nothing(job: MainJob) -> None:
    job.ensure_serving("1.1.0")
    run = job.started("1.0.0", "--bake", "60s")
    job.wait_for_step(run, "watch_release")
    found = options(job, "--reason", "vulnerability")
    assert next(iter(found)) == TRAFFIC
    assert found[TRAFFIC].proposed is not None
    assert "ue rollback traffic" in found[TRAFFIC].command
    assert "no release needs to be started" in found[RELEASE].why
    assert "no release needs to be started" in found[ROLLING].why
    back = job.stack.ue("rollback", "traffic", "--reason", "vulnerability", "--yes")
    assert back.code == 0, back.err
    assert "security vulnerability exposed" in back.out


@pytest.mark.campaign
def test_when_nobody_needs_the_migration_both_kinds_of_c_are_open_and_say_what_they_cost(job: MainJob) -> None:
    job.ensure_serving("1.0.0")
    job.migrate("1.1.0")
    filled_deadlines(job)
    drop_kept(job)
    backed_up(job, "planned")
    found = options(job, "--reason", "data-corruption")
    assert found[MIGRATION].possible
    assert "claims.deadline:" in found[MIGRATION].data_lost
    assert found[RESTORE].possible
    assert found[RESTORE].takes is not None, "from the backup's own verification"
    assert (found[RESTORE].proposed or "").startswith("database corruption detected")
    assert "--confirm unioneyes" in found[RESTORE].command
    said = job.stack.ue("rollback", "plan", "--reason", "data-corruption")
    assert "next: ue rollback restore --reason data-corruption --confirm unioneyes" in said.err
