"""Pod by pod on a real Kubernetes: nothing is lost, a bad release goes back by itself, and whoever turns it round ends on the old one."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.drills.test_releases import deployments
from unioneyes.adapters.kubernetes.replicas import KubernetesReplicas
from unioneyes.environments.local.members import run_members
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.traffic import Colour

pytestmark = pytest.mark.timeout(600)
RATE = 20.0
ROLLING = ("--strategy", "rolling")


@pytest.fixture
def serving(job: MainJob) -> MainJob:
    """1.1.0 serves, and the other colour is idle."""
    if job.serving_nothing():
        job.deployed("1.0.0", "--migrate", "--bake", "1s")
    job.ensure_serving("1.1.0")
    return job


def only(job: MainJob, lent: Lent, version: str, colour: str) -> None:
    """Two pods of `version` run on `colour`, and nothing else; nothing is under way there."""
    found = deployments(lent, job)
    assert found[colour] == (2, version)
    assert found[Colour(colour).other.value][0] == 0
    replicas = job.stack.environment.replicas
    assert isinstance(replicas, KubernetesReplicas)
    with closing(replicas.cluster):
        assert {(replica.colour.value, replica.version) for replica in replicas.all()} == {(colour, version)}
        assert all(replicas.rolling(each) is None for each in Colour)


def test_a_good_release_takes_the_place_of_the_old_one_where_it_stands_and_no_request_is_lost(serving: MainJob, lent: Lent) -> None:
    colour = serving.serving().colour
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy("1.0.0", *ROLLING, "--canary-bake", "5s", "--bake", "5s", within=400)
        seen = members.finish()

    assert said.code == 0, said.err
    assert (seen.lost, seen.sent > 100) == (0, True), seen
    only(serving, lent, "1.0.0", colour)


def test_a_release_that_fails_its_members_is_taken_back_by_itself(serving: MainJob, lent: Lent) -> None:
    colour = serving.serving().colour
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy("1.2.0-errors", *ROLLING, "--canary-bake", "120s", "--bake", "120s", within=400)
        seen = members.finish()

    assert said.code == 5, said.err
    assert serving.result(said)["rolled_back"]
    assert seen.lost_outside("1.2.0-errors") == 0, seen
    only(serving, lent, "1.1.0", colour)


@pytest.mark.parametrize("moment", ["roll_replicas", "watch_release"])
def test_whoever_rolls_back_in_its_middle_ends_on_the_old_version(serving: MainJob, lent: Lent, moment: str) -> None:
    colour = serving.serving().colour
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.begin({"version": "1.0.0", "strategy": "rolling", "canary_bake": "PT1S", "bake": "PT10M"})
        serving.reach(run, moment)
        back = serving.stack.ue("rollback", "rolling", "--reason", "drill", "--yes", within=200)
        seen = members.finish()

    assert back.code == 0, back.err
    assert serving.shown(run)["status"] == RunStatus.SUPERSEDED
    assert seen.lost == 0, seen
    only(serving, lent, "1.1.0", colour)
