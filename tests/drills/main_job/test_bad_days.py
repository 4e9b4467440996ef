"""Bad input and bad days of a deployment: each ends in a clear state, with its remedy, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import UE, eventually
from unioneyes.environments.local.members import run_members

RATE = 30.0


def test_an_unknown_version_is_refused_and_the_known_ones_are_named(serving: MainJob) -> None:
    said = serving.deploy("9.9.9")
    assert said.code == 2
    assert "1.1.0" in said.err


def test_a_version_that_serves_already_is_refused(serving: MainJob) -> None:
    said = serving.deploy("1.1.0")
    assert said.code == 3


def test_a_dry_run_changes_nothing_and_names_every_step_with_its_command(serving: MainJob) -> None:
    said = serving.deploy("1.2.0-errors", "--dry-run")
    assert said.code == 0, said.err
    steps = serving.run(said)["steps"]
    assert isinstance(steps, list)
    named = [str(step["step"]) for step in steps if isinstance(step, dict)]
    assert {"start_replicas", "smoke_test", "shift_traffic", "watch_release", "rollback.traffic"} <= set(named)
    assert serving.serving().idle_version is None


def test_a_second_deployment_is_told_who_holds_the_service_and_why(serving: MainJob) -> None:
    first = serving.stack.ue("deploy", "start", "1.0.0", "--bake", "8s", "--detach", "-o", "json")
    run = str(serving.run(first)["id"])
    second = serving.deploy("1.2.0-errors")
    assert second.code == 3
    assert run in second.err
    assert "1.0.0" in second.err
    watched = serving.stack.ue("run", "watch", run, within=90)
    assert watched.code == 0, watched.err


def test_a_person_who_stops_watching_does_not_stop_the_deployment(serving: MainJob) -> None:
    watching = subprocess.Popen(
        [UE, "deploy", "start", "1.0.0", "--bake", "3s", "--home", serving.stack.home],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert watching.stderr is not None
        line = next(line for line in watching.stderr if "start_replicas" in line or "replicas" in line)
        assert line
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=20)
    finally:
        if watching.poll() is None:
            watching.kill()
    assert watching.returncode == 130
    assert "ue run watch" in err
    run = serving.newest_run("deployment.start")
    ended = serving.stack.ue("run", "watch", run, within=90)
    assert ended.code == 0, ended.err
    assert serving.serving().version == "1.0.0"


@pytest.mark.parametrize("killed_in", [pytest.param("start_replicas", marks=pytest.mark.campaign), "watch_release"])
def test_a_killed_worker_s_deployment_is_taken_over_and_finished(serving: MainJob, killed_in: str) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        run, _ = serving.kill_in(killed_in, {"version": "1.0.0", "bake": "PT6S"})
        ended = serving.stack.ue("run", "watch", run, "-o", "json", within=120)
        seen = members.finish()
    assert ended.code == 0, ended.err
    assert seen.lost == 0
    assert serving.serving().version == "1.0.0"
    kinds = [entry["kind"] for entry in serving.journal(run)]
    assert "taken-over" in kinds
    assert kinds.count("run-ended") == 1


def test_a_cancelled_deployment_is_undone(serving: MainJob) -> None:
    started = serving.stack.ue("deploy", "start", "1.0.0", "--bake", "60s", "--detach", "-o", "json")
    run = str(serving.run(started)["id"])
    serving.wait_for_step(run, "watch_release")
    serving.stack.ue("run", "cancel", run, "--reason", "wrong release")
    ended = serving.stack.ue("run", "watch", run, "-o", "json", within=90)
    assert serving.run(ended)["status"] == "cancelled"
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)


def test_a_person_s_rollback_supersedes_the_deployment_that_is_being_watched(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        started = serving.stack.ue("deploy", "start", "1.0.0", "--bake", "60s", "--detach", "-o", "json")
        run = str(serving.run(started)["id"])
        serving.wait_for_step(run, "watch_release")
        back = serving.stack.ue("rollback", "traffic", "--reason", "members complain", "--yes", "-o", "json", within=60)
        seen = members.finish()
    assert back.code == 0, back.err
    assert serving.result(back)["deployment"] == run
    assert seen.lost == 0
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)
    superseded = serving.stack.ue("run", "show", run, "-o", "json")
    assert serving.run(superseded)["status"] == "superseded"
    receipt = serving.result(superseded)
    assert receipt["lost"] == 0
    assert receipt["switch_took"] is not None
    assert {str(one["version"]) for one in receipt["served_by"] if isinstance(one, dict)} == {"1.0.0", "1.1.0"}  # type: ignore[union-attr]  # a list, by its type


def test_a_fault_outside_that_begins_in_the_middle_of_a_watch_rolls_nothing_back(serving: MainJob) -> None:
    """The database refuses the service for a few seconds: both versions suffer alike."""
    with run_members(serving.stack.home, rate=RATE) as members:
        started = serving.stack.ue("deploy", "start", "1.0.0", "--bake", "12s", "--detach", "-o", "json")
        run = str(serving.run(started)["id"])
        serving.wait_for_step(run, "watch_release")
        with serving.database() as connection:
            connection.execute("revoke select on claims from claims_app")
        try:
            assert eventually(lambda: members.seen().lost > RATE, within=30)
        finally:
            with serving.database() as connection:
                connection.execute("grant select on claims to claims_app")
        ended = serving.stack.ue("run", "watch", run, "-o", "json", within=90)
    assert ended.code == 0, ended.err
    assert serving.serving().version == "1.0.0"
    assert "outside" in str(serving.result(ended)["watched"])


def test_a_backup_that_can_be_restored_nowhere_else_stops_the_deployment(serving: MainJob) -> None:
    """A row that only this very server accepts: the dump of it looks fine, and only restoring it shows that it is none."""
    with serving.database() as connection:
        connection.execute("create table only_here (port text)")
        connection.execute("insert into only_here select current_setting('port')")
        connection.execute("alter table only_here add constraint only_here_check check (port = current_setting('port'))")
    ledger = serving.ledger()
    try:
        said = serving.deploy("1.2.0-incompatible-migration", "--migrate")
    finally:
        with serving.database() as connection:
            connection.execute("drop table only_here")
    assert said.code == 5, said.err
    assert serving.run(said)["step"] == "verify_backup"
    assert "only_here" in said.err
    assert serving.ledger() == ledger
    assert serving.serving().idle_version is None


def test_a_stack_that_was_killed_comes_back_with_what_served(serving: MainJob) -> None:
    os.kill(serving.stack.pid("supervisor"), signal.SIGKILL)
    assert eventually(lambda: serving.stack.ue("env", "status").code != 0)
    assert serving.stack.start().code == 0
    assert serving.serving().version == "1.1.0"
    assert serving.stack.ue("deploy", "verify").code == 0
