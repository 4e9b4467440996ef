"""The previous release is started again, with its own configuration, when it is not warm any more."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from pydantic import TypeAdapter

from tests.drills.main_job.main_job import JsonObject, MainJob
from tests.stack import DRILL_SETTINGS, Said, running_stack
from unioneyes.environments.local.members import run_members
from unioneyes.operations.rollback.model import ReleaseRolledBack

REASON = ("--reason", "vulnerability")


def settings(*, pool_size: int, replicas: int) -> str:
    return f"{DRILL_SETTINGS}\n[service]\npool_size = {pool_size}\nreplicas = {replicas}\n"


@pytest.fixture(scope="module")
def job() -> Iterator[MainJob]:
    """1.0.0 was deployed with one configuration, and 1.1.0 serves with another."""
    with running_stack(settings=settings(pool_size=3, replicas=2)) as stack:
        job = MainJob(stack=stack)
        job.deployed("1.0.0", "--migrate", "--bake", "1s")
        (stack.home / "environment.toml").write_text(settings(pool_size=5, replicas=1))
        assert stack.start().code == 0
        job.deployed("1.1.0", "--migrate", "--bake", "1s")
        yield job


def back(job: MainJob, *flags: str) -> Said:
    return job.stack.ue("rollback", "release", *REASON, *flags, "-o", "json", within=120)


def pool_size(job: MainJob) -> int:
    """Return how many connections a replica may have, as it says itself."""
    report: JsonObject = httpx.get(f"{job.parts.service_url}/api/health").json()
    checks = TypeAdapter(list[JsonObject]).validate_python(report["checks"])
    (database,) = (check for check in checks if check["name"] == "database")
    return int(str(TypeAdapter(JsonObject).validate_python(database["details"])["max"]))


def replicas(job: MainJob, version: str) -> int:
    return sum(replica.version == version and replica.ready for replica in job.stack.environment.replicas.all())


def test_a_dry_run_names_the_revision_s_own_configuration_and_changes_nothing(job: MainJob) -> None:
    said = job.stack.ue("rollback", "release", *REASON, "--dry-run")
    assert said.code == 0, said.err
    assert "CLAIMS_POOL_SIZE=3" in said.out
    assert job.serving().version == "1.1.0"


def test_an_unknown_revision_is_bad_input(job: MainJob) -> None:
    said = back(job, "--to", "99")
    assert said.code == 2, said.err
    assert "1" in said.err


def test_the_previous_release_comes_back_with_its_own_configuration_and_members_lose_nothing(job: MainJob) -> None:
    assert (pool_size(job), replicas(job, "1.1.0")) == (5, 1)
    told = len(job.announced())
    deployment = job.newest_run("deployment.start")
    with run_members(job.stack.home, rate=30.0) as members:
        said = back(job)
        seen = members.finish()
    assert said.code == 0, said.err
    result = TypeAdapter(ReleaseRolledBack).validate_python(job.result(said))
    assert (result.version, result.away_from, result.configuration) == ("1.0.0", "1.1.0", {"CLAIMS_POOL_SIZE": "3"})
    assert seen.lost == 0
    after = job.serving()
    assert (after.version, after.idle_version) == ("1.0.0", None)
    assert (pool_size(job), replicas(job, "1.0.0")) == (3, 2)
    assert [(one.version, one.bad) for one in job.stack.environment.replicas.revisions()] == [("1.0.0", False), ("1.1.0", True), ("1.0.0", False)]
    assert len(job.announced()) == told + 1
    report = (job.stack.layout.documents / result.afterwards.incident).read_text()
    assert "1.1.0 rolled back" in report
    assert "security vulnerability exposed" in report
    assert "FAILED - ROLLED BACK" in job.stack.ue("deploy", "list").out, f"{deployment} was taken back"


def test_a_bad_revision_is_no_way_back_unless_a_person_names_it(job: MainJob) -> None:
    said = back(job)
    assert said.code == 3, said.err
    assert "no good release served members before 1.0.0" in said.err
    named = back(job, "--to", "2")
    assert named.code == 0, named.err
    assert job.serving().version == "1.1.0"
    assert pool_size(job) == 5


def test_a_configuration_outlives_a_restart_of_the_machine(job: MainJob) -> None:
    (job.stack.home / "environment.toml").write_text(settings(pool_size=7, replicas=1))
    assert job.stack.ue("env", "down").code == 0
    assert job.stack.start().code == 0
    assert pool_size(job) == 5


def test_while_the_previous_release_is_warm_the_faster_way_is_named(job: MainJob) -> None:
    run = job.started("1.0.0", "--bake", "60s")
    job.wait_for_step(run, "watch_release")
    said = back(job)
    assert said.code == 3, said.err
    assert "ue rollback traffic" in said.err
    assert job.stack.ue("rollback", "traffic", "--reason", "drill", "--yes").code == 0


def test_a_release_that_fails_on_the_present_data_gets_no_member(job: MainJob) -> None:
    serving = job.serving()
    with job.database() as connection:
        connection.execute("alter table claims rename column priority to urgency")
    try:
        said = back(job, "--to", "1")
    finally:
        with job.database() as connection:
            connection.execute("alter table claims rename column urgency to priority")
    assert said.code == 5, said.err
    assert job.serving() == serving


def test_a_release_whose_migration_was_taken_back_is_refused(job: MainJob) -> None:
    job.ensure_not_migrated(serving="1.0.0", to="1.1.0")
    said = back(job, "--to", "2")
    assert said.code == 3, said.err
    assert "0001_claim_deadlines" in said.err
