"""Parts of the stack are killed under a deployment: PostgreSQL in each of its three places, and replicas one by one."""

from __future__ import annotations

import os
import re
import signal
from datetime import timedelta

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import eventually
from unioneyes.environments.local.members import run_members
from unioneyes.environments.local.status import StackState
from unioneyes.operations.deployment.vigil import SINCE

RATE = 30.0
AWAY = timedelta(seconds=30)
"""Longer than PostgreSQL needs to come back on a busy machine."""


@pytest.fixture
def old_schema(job: MainJob) -> MainJob:
    """1.0.0 serves, and the migration of 1.1.0 is still to be applied."""
    job.ensure_not_migrated(serving="1.0.0", to="1.1.0")
    return job


@pytest.mark.campaign
@pytest.mark.parametrize("step", ["start_replicas", "watch_release"])
def test_the_service_s_database_is_killed_under_a_deployment_and_no_release_is_blamed(serving: MainJob, step: str) -> None:
    restarts = serving.stack.process("postgres-primary").restarts
    with run_members(serving.stack.home, rate=RATE) as members:
        run, _ = serving.kill_in(step, {"version": "1.0.0", "bake": "PT15S"}, process="postgres-primary")
        ended = serving.ended(run)
        seen = members.finish()
    assert serving.stack.process("postgres-primary").restarts > restarts
    assert ended.code == 0, ended.err
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.0.0", None)
    assert serving.stack.ue("deploy", "verify").code == 0
    if seen.first_bad_at is not None and seen.last_bad_at is not None:  # sessions outlive their postmaster for a moment: it may be back before anybody notices
        assert seen.last_bad_at - seen.first_bad_at < AWAY


@pytest.mark.campaign
@pytest.mark.parametrize("step", ["back_up_database", "verify_backup", "apply_migrations", "verify_previous_release"])
def test_the_service_s_database_is_killed_while_it_is_changed_and_it_is_the_old_or_the_new_release_s_and_nothing_between(
    old_schema: MainJob, step: str
) -> None:
    old_ledger, before = old_schema.ledger(), old_schema.serving()
    run, _ = old_schema.kill_in(step, {"version": "1.1.0", "migrate": True, "bake": "PT3S"}, process="postgres-primary")
    ended = old_schema.ended(run)
    new_ledger = [migration.sha256 for migration in old_schema.stack.environment.migrations.folder("1.1.0")]
    after = old_schema.serving()
    assert after.idle_version is None
    if ended.code == 0:
        assert (old_schema.ledger(), after.version) == (new_ledger, "1.1.0")
    else:
        assert ended.code in {1, 5}, ended.err
        assert (old_schema.ledger(), after) == (old_ledger, before)
    assert old_schema.stack.ue("deploy", "verify").code == 0


@pytest.mark.campaign
@pytest.mark.parametrize("step", ["rehearse_migrations", "watch_release"])
def test_the_engine_s_own_database_is_killed_and_the_run_goes_on(old_schema: MainJob, step: str) -> None:
    with run_members(old_schema.stack.home, rate=RATE) as members:
        run, _ = old_schema.kill_in(step, {"version": "1.1.0", "migrate": True, "bake": "PT6S"}, process="postgres-control")
        ended = old_schema.ended(run)
        seen = members.finish()
    assert ended.code == 0, ended.err
    assert seen.lost == 0
    assert old_schema.serving().version == "1.1.0"


@pytest.mark.campaign
def test_a_deployment_without_the_database_s_replica_works_and_the_status_says_that_it_is_gone(old_schema: MainJob) -> None:
    replica = old_schema.stack.layout.postgres / "replica"
    broken = replica.with_name("replica.away")
    replica.rename(broken)
    try:
        os.kill(old_schema.stack.pid("postgres-replica"), signal.SIGKILL)
        with run_members(old_schema.stack.home, rate=RATE) as members:
            said = old_schema.deploy("1.1.0", "--migrate", "--bake", "3s")
            seen = members.finish()
        status = old_schema.stack.status()
    finally:
        broken.rename(replica)

    assert said.code == 0, said.err
    assert seen.lost == 0
    assert status.state is not StackState.UP
    assert eventually(lambda: old_schema.stack.status().state is StackState.UP, within=60)


@pytest.mark.campaign
def test_a_new_colour_whose_replicas_die_one_by_one_goes_back(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.started("1.0.0", "--bake", "60s")
        serving.wait_for_step(run, "watch_release")
        new = serving.serving().colour
        serving.kill(f"{new}-1")
        os.kill(serving.stack.pid(f"{new}-2"), signal.SIGKILL)
        ended = serving.ended(run)
        seen = members.finish()
    assert ended.code == 5, ended.err
    assert "restarts: the new version's replicas ended by themselves 2 times" in str(serving.result(ended)["outcome"])
    assert seen.lost_outside("1.0.0") == 0
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)


@pytest.mark.campaign
def test_a_warm_colour_that_dies_is_started_again_and_the_way_back_is_lost_and_regained(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.started("1.0.0", "--bake", "60s")
        serving.wait_for_step(run, "watch_release")
        warm = "green" if serving.serving().colour == "blue" else "blue"
        for replica in (f"{warm}-1", f"{warm}-2"):
            pause_replica(serving, replica)
        assert eventually(lambda: not_ready_since(serving, run) is not None, within=30)
        lost = serving.stack.ue("rollback", "plan")
        for replica in (f"{warm}-1", f"{warm}-2"):
            serving.kill(replica)
        assert eventually(lambda: not_ready_since(serving, run) is None, within=30)
        regained = serving.stack.ue("rollback", "plan")
        back = serving.stack.ue("rollback", "traffic", "--reason", "the drill is over", "--yes", "-o", "json")
        seen = members.finish()
    assert re.search(r"^A +Blue-green: send the traffic back +⊘ closed", lost.out, re.MULTILINE), lost.out
    assert re.search(r"^A +Blue-green: send the traffic back +✔ open", regained.out, re.MULTILINE), regained.out
    assert back.code == 0, back.err
    assert serving.serving().version == "1.1.0"
    assert seen.lost == 0


def pause_replica(job: MainJob, replica: str) -> None:
    """The replica runs, and does nothing any more."""
    os.kill(job.stack.pid(replica), signal.SIGSTOP)


def not_ready_since(job: MainJob, run: str) -> object:
    """Return since when the watch says that nobody can go back; None while somebody can."""
    told = [entry["data"] for entry in job.journal(run) if entry["kind"] == "step-progress"]
    assert isinstance(told[-1], dict)
    return told[-1][SINCE]
