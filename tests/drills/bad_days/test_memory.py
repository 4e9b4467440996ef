"""A leak that shows after the switch: each replica grows until it gets no more memory, and the release goes back."""

from __future__ import annotations

import pytest

from tests.drills.main_job.main_job import MainJob
from unioneyes.environments.local.members import run_members

pytestmark = pytest.mark.campaign

RATE = 60.0
"""Requests a second: the more there are, the sooner the leak shows."""


def test_a_release_that_leaks_ends_at_its_limit_again_and_again_and_goes_back(serving: MainJob) -> None:
    before = serving.serving()
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy("1.2.0-leak", "--bake", "3m", within=240)
        members.finish()
    assert said.code == 5, said.err
    assert str(serving.result(said)["outcome"]).startswith("FAILED - ROLLED BACK: ")  # by what members feel or by the restarts, whichever is sure first
    idle = "green" if before.colour == "blue" else "blue"
    assert any("out of memory" in (serving.stack.layout.logs / f"{idle}-{number}.log").read_text() for number in (1, 2))
    assert serving.serving() == before
