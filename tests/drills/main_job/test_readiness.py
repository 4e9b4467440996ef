"""A release that listens and never answers: nothing ends by itself, and still nobody waits for it longer than the environment says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import DRILL_SETTINGS, running_stack
from unioneyes.environments.local.members import run_members

RATE = 20.0
READY_WITHIN = 10
"""Seconds: enough for an honest release on a busy machine."""


@pytest.fixture(scope="module")
def impatient() -> Iterator[MainJob]:
    """A stack on which 1.1.0 serves, and that waits for replicas no longer than `READY_WITHIN`."""
    with running_stack(settings=f'{DRILL_SETTINGS}\n[service]\nready_within = "{READY_WITHIN}s"\n') as stack:
        job = MainJob(stack=stack)
        job.deployed("1.1.0", "--migrate", "--bake", "1s")
        yield job


@pytest.mark.campaign
def test_a_release_that_never_answers_is_ended_and_the_reason_says_which_replica_and_what_it_said_last(impatient: MainJob) -> None:
    before = impatient.serving()
    with run_members(impatient.stack.home, rate=RATE) as members:
        said = impatient.deploy("1.2.0-hang", "--bake", "5s")
        seen = members.finish()
    assert said.code == 5, said.err
    assert impatient.run(said)["step"] == "start_replicas"
    idle = "green" if before.colour == "blue" else "blue"
    assert f"{idle}-1 is starting after {READY_WITHIN}" in said.err
    assert "waiting for the deadline calendar" in said.err
    assert f"its whole log: {impatient.stack.layout.logs / f'{idle}-1.log'}" in said.err
    assert seen.of("1.2.0-hang") is None, "a member was answered by the faulty version"
    assert seen.lost == 0
    assert impatient.serving() == before
    assert before.idle_version is None
