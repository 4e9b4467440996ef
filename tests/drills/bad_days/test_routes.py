"""The edge on its worst days: routes changed by hand, a file that Envoy refuses, one cut off in the middle, Envoy killed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import Said
from unioneyes.environments.local.members import run_members
from unioneyes.operations.rehearsal.model import ClientSeen
from unioneyes.ports.traffic import Weights

RATE = 30.0
AWAY = timedelta(seconds=15)
"""Longer than the supervisor needs to start Envoy again on a busy machine."""
BAKE = ("--bake", "60s")


@pytest.mark.campaign
def test_routes_that_a_person_changes_during_the_watch_are_named_and_left_as_they_are(serving: MainJob) -> None:
    before = serving.serving()
    by_hand = Weights(blue=30, green=70)
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.started("1.0.0", *BAKE)
        serving.wait_for_step(run, "watch_release")
        change, _ask = serving.stack.environment.traffic.describe_shift(by_hand)
        subprocess.run(shlex.split(change), check=True, timeout=20)
        ended = serving.ended(run)
        left = {colour.colour: (colour.replicas, colour.traffic) for colour in serving.stack.status().colours}
        refused = serving.deploy("1.0.0", *BAKE)
        back = serving.stack.ue("rollback", "traffic", "--reason", "one version for all", "--yes", "-o", "json")
        seen = members.finish()
    assert ended.code == 1, ended.err
    assert str(serving.result(ended)["outcome"]).startswith(
        "FAILED, LEFT TO A PERSON: somebody changed the routes by hand during the watch: blue 30 %, green 70 %"
    )
    assert any("blue 30 %, green 70 %" in str(entry["message"]) for entry in serving.journal(run) if entry["kind"] == "step-failed")
    assert left == {"blue": (2, 30), "green": (2, 70)}
    assert refused.code == 3, refused.out
    assert "both colours serve members (blue 30 %, green 70 %)" in refused.err
    assert back.code == 0, back.err
    assert serving.serving() == before, "back is where the members came from, whoever gets most of them by hand"
    assert before.idle_version is None
    assert seen.lost == 0


@pytest.mark.campaign
@pytest.mark.parametrize("written", ["half", "refused"])
def test_a_file_that_envoy_does_not_take_is_named_and_the_old_routes_stay(serving: MainJob, written: str) -> None:
    file = serving.stack.layout.envoy / "routes.json"
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.started("1.0.0", *BAKE)
        serving.wait_for_step(run, "watch_release")
        text = file.read_text()
        move_there(file, text[: len(text) // 2] if written == "half" else text.replace('"name": "blue", "weight"', '"name": "purple", "weight"'))
        ended = serving.ended(run)
        served_by = serving.serving().version
        back = serving.stack.ue("rollback", "traffic", "--reason", "the routes were broken", "--yes", "-o", "json")
        seen = members.finish()
    assert ended.code == 1, ended.err
    outcome = str(serving.result(ended)["outcome"])
    assert "the routes' file says something else, which the data plane does not run" in outcome
    assert served_by == "1.0.0", "the routes of the switch did not stay"
    assert back.code == 0, back.err
    assert serving.stack.environment.traffic.view().in_force, "the next change did not mend the file"
    assert serving.serving().version == "1.1.0"
    assert seen.lost == 0


@pytest.mark.campaign
def test_an_edge_that_is_killed_in_the_switch_comes_back_and_the_switch_is_made(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.begin({"version": "1.0.0", "bake": "PT5S"})
        serving.reach(run, "smoke_test")
        with serving.routes_held():
            serving.reach(run, "shift_traffic")
            os.kill(serving.stack.pid("envoy"), signal.SIGKILL)
        ended = serving.ended(run)
        seen = members.finish()
    deployed_in_spite_of_it(serving, ended, seen)


@pytest.mark.campaign
def test_an_edge_that_is_killed_in_the_watch_comes_back_with_its_routes_and_no_release_is_blamed(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.started("1.0.0", "--bake", "10s")
        serving.wait_for_step(run, "watch_release")
        serving.kill("envoy")
        ended = serving.ended(run)
        seen = members.finish()
    deployed_in_spite_of_it(serving, ended, seen)


def deployed_in_spite_of_it(job: MainJob, ended: Said, seen: ClientSeen) -> None:
    """1.0.0 serves alone, and members missed nothing but the moments in which there was no edge."""
    assert ended.code == 0, ended.err
    after = job.serving()
    assert (after.version, after.idle_version) == ("1.0.0", None)
    assert seen.first_bad_at is not None, "nobody noticed that the edge was gone: it was not"
    assert seen.last_bad_at is not None
    assert seen.last_bad_at - seen.first_bad_at < AWAY


def move_there(file: Path, text: str) -> None:
    """`file` holds `text` at once, as an editor leaves it."""
    draft = file.with_name("by-hand.json")
    draft.write_text(text)
    draft.replace(file)
