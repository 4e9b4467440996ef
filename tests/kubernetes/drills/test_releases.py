"""Releases go out and back on a real Kubernetes, by the same commands as on the embedded stack. In this order: each begins where the one before ended."""

from __future__ import annotations

import json

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.kubernetes.cluster.lent import Lent
from unioneyes.environments.local.members import run_members
from unioneyes.environments.local.rehearsal_cluster import namespace_of
from unioneyes.kernel.status import RunStatus

pytestmark = pytest.mark.timeout(600)
RATE = 20.0


def deployments(lent: Lent, job: MainJob) -> dict[str, tuple[int, str]]:
    """Return how many pods each colour should have, and which version, as the API server says."""
    listed = json.loads(lent.kubectl("get", "deployments", "--namespace", namespace_of(job.stack.home), "--selector", "app=unioneyes-web", "--output=json"))
    return {
        each["metadata"]["labels"]["version"]: (each["spec"]["replicas"], each["spec"]["template"]["metadata"]["labels"].get("app.kubernetes.io/version", ""))
        for each in listed["items"]
    }


def test_the_environment_is_up_and_says_where_the_service_is(job: MainJob) -> None:
    status = job.status()

    assert (status["state"], status["environment"]) == ("up", "cluster-test")
    assert str(status["service_url"]).startswith("http://10.94.")


def test_a_plan_shows_what_a_person_would_type_and_the_image_by_digest(job: MainJob) -> None:
    said = job.stack.ue("deploy", "start", "1.0.0", "--migrate", "--dry-run")

    assert said.code == 0, said.err
    assert "kubectl -n " in said.out
    assert "/service@sha256:" in said.out
    assert "rollout status deployment unioneyes-web-blue" in said.out


def test_the_first_release_goes_out(job: MainJob, lent: Lent) -> None:
    job.deployed("1.0.0", "--migrate", "--bake", "1s")

    assert deployments(lent, job) == {"blue": (2, "1.0.0"), "green": (0, "")}
    assert job.serving().version == "1.0.0"


def test_the_next_one_replaces_it_under_load_with_its_migration_and_loses_nothing(job: MainJob, lent: Lent) -> None:
    with run_members(job.stack.home, rate=RATE) as members:
        receipt = job.result(job.deploy("1.1.0", "--migrate", "--bake", "5s", within=300))
        seen = members.finish()

    assert receipt["outcome"]
    assert (seen.lost, seen.sent > 100) == (0, True), seen
    assert {each.version for each in seen.versions} == {"1.0.0", "1.1.0"}
    assert deployments(lent, job) == {"blue": (0, "1.0.0"), "green": (2, "1.1.0")}


def test_a_release_that_fails_its_members_is_taken_back_by_itself(job: MainJob, lent: Lent) -> None:
    with run_members(job.stack.home, rate=RATE) as members:
        said = job.deploy("1.2.0-errors", "--bake", "120s", within=400)
        seen = members.finish()

    assert said.code == 5, said.err
    assert job.result(said)["rolled_back"]
    assert seen.lost_outside("1.2.0-errors") == 0, seen
    assert deployments(lent, job)["green"] == (2, "1.1.0")
    assert deployments(lent, job)["blue"][0] == 0
    assert any("1.2.0-errors" in json.dumps(message) for message in job.announced())


def test_one_that_crashes_is_refused_with_its_own_words_long_before_its_time_is_up(job: MainJob, lent: Lent) -> None:
    said = job.deploy("1.2.0-crash", "--bake", "1s", within=200)

    assert said.code == 5, said.err
    assert "ended by itself" in said.err
    assert "exit code 1" in said.err
    assert deployments(lent, job)["blue"][0] == 0
    assert job.serving().version == "1.1.0"


def test_members_go_back_in_the_middle_of_a_watch_by_one_command(job: MainJob, lent: Lent) -> None:
    with run_members(job.stack.home, rate=RATE) as members:
        run = job.started("1.0.0", "--bake", "10m")
        job.wait_for_step(run, "watch_release")
        back = job.stack.ue("rollback", "traffic", "--reason", "drill", within=200)
        seen = members.finish()

    assert back.code == 0, back.err
    assert job.shown(run)["status"] == RunStatus.SUPERSEDED
    assert (seen.lost, seen.sent > 100) == (0, True), seen
    assert job.serving().version == "1.1.0"
    assert deployments(lent, job)["green"] == (2, "1.1.0")
