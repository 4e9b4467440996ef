"""A release whose health report is bad every third second, and that serves its members well, stays; and whoever reads about it is told."""

from __future__ import annotations

import pytest

from tests.drills.main_job.main_job import MainJob
from unioneyes.environments.local.members import run_members

pytestmark = pytest.mark.campaign

RATE = 40.0


def test_health_that_flaps_rolls_nothing_back_while_members_are_served(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        ended = serving.deploy("1.2.0-flap", "--bake", "30s")
        seen = members.finish()
    assert ended.code == 0, ended.err
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.2.0-flap", None)
    assert seen.lost == 0
    assert "health reports were bad" in str(serving.result(ended)["watched"])
    explained = serving.stack.ue("deploy", "explain", str(serving.run(ended)["id"]))
    assert "reports were bad" in explained.out
