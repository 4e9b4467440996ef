"""Worker, supervisor and machine are started again in the middle of a deployment: it goes on, or waits where it waited."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import eventually
from unioneyes.environments.local.members import run_members

pytestmark = pytest.mark.campaign

RATE = 30.0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_parked_deployment_outlives_the_worker_that_is_replaced_and_is_decided_on_the_next(serving: MainJob, how: signal.Signals) -> None:
    run = parked(serving)
    replace_worker(serving, how)
    still_parked_and_then_undone(serving, run)


def test_a_watch_goes_on_under_the_worker_that_takes_the_place_of_one_told_to_end(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.started("1.0.0", "--bake", "10s")
        serving.wait_for_step(run, "watch_release")
        replace_worker(serving, signal.SIGTERM)
        ended = serving.ended(run)
        seen = members.finish()
    assert ended.code == 0, ended.err
    assert "taken-over" in [entry["kind"] for entry in serving.journal(run)]
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.0.0", None)
    assert seen.lost == 0


@pytest.mark.parametrize("step", ["start_replicas", "watch_release"])
def test_a_deployment_goes_on_when_the_machine_is_started_again(serving: MainJob, step: str) -> None:
    run = serving.begin({"version": "1.0.0", "bake": "PT10S"})
    serving.reach(run, step)
    restart_the_machine(serving)
    ended = serving.ended(run)
    assert ended.code == 0, ended.err
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.0.0", None)
    assert serving.stack.ue("deploy", "verify").code == 0


def test_a_deployment_goes_on_when_the_supervisor_was_killed(serving: MainJob) -> None:
    run = serving.begin({"version": "1.0.0", "bake": "PT10S"})
    serving.reach(run, "smoke_test")
    os.kill(serving.stack.pid("supervisor"), signal.SIGKILL)
    assert eventually(lambda: serving.stack.ue("env", "status").code != 0)
    assert serving.stack.start().code == 0
    ended = serving.ended(run)
    assert ended.code == 0, ended.err
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.0.0", None)


def test_a_deployment_that_was_parked_overnight_is_still_parked_when_the_machine_was_started_again(serving: MainJob) -> None:
    run = parked(serving)
    restart_the_machine(serving)
    still_parked_and_then_undone(serving, run)


def parked(job: MainJob) -> str:
    """A deployment waits for a person; return its run."""
    run = job.started("1.2.0-wrong", "--park")
    assert job.run(job.ended(run))["status"] == "parked"
    return run


def still_parked_and_then_undone(job: MainJob, run: str) -> None:
    """The run waits where it waited, holds its service, and ends as a person decides; 1.1.0 served all the time."""
    assert eventually(lambda: job.stack.ue("deploy", "status").code == 0)
    assert job.shown(run)["status"] == "parked"
    refused = job.deploy("1.0.0")
    assert refused.code == 3, refused.out
    assert run in refused.err
    decided = job.stack.ue("run", "resume", run, "--undo", "--reason", "no member saw it")
    assert decided.code in {5, 8}, decided.err
    ended = job.ended(run)
    assert ended.code == 5, ended.err
    after = job.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)


def replace_worker(job: MainJob, how: signal.Signals) -> None:
    """Another worker runs in the place of the one that was ended by `how`."""
    worker = job.stack.pid("control")
    os.kill(worker, how)
    assert eventually(lambda: job.stack.process("control").pid not in {None, worker}, within=60)


def restart_the_machine(job: MainJob) -> None:
    """Every process of the stack was killed at once, and `ue env up` was called."""
    pids = [process.pid for process in job.stack.status().processes if process.pid is not None]
    for pid in (job.stack.pid("supervisor"), *pids):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: job.stack.ue("env", "status").code != 0)
    started = job.stack.start()
    assert started.code == 0, started.err
