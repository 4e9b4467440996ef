"""Every faulty release ends in a clear state: caught before members see it, or taken back within seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.drills.main_job.main_job import MainJob
from unioneyes.environments.local.members import run_members

RATE = 40.0


@pytest.mark.parametrize("version", ["1.2.0-errors", "1.2.0-slow", pytest.param("1.2.0-sick", marks=pytest.mark.campaign)])
def test_a_release_that_harms_its_members_goes_back_by_itself(serving: MainJob, version: str) -> None:
    before = len(serving.announced())
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy(version, "--bake", "60s")
        seen = members.finish()
    assert said.code == 5, said.err
    receipt = serving.result(said)
    assert str(receipt["outcome"]).startswith("FAILED - ROLLED BACK")
    assert receipt["rolled_back"] is not None
    back = serving.serving()
    assert (back.version, back.idle_version) == ("1.1.0", None)
    assert seen.lost_outside(version) == 0, "a request was lost that the faulty version did not answer"
    assert len(serving.announced()) == before + 1
    rolled_back = receipt["rolled_back"]
    assert isinstance(rolled_back, dict)
    report = Path(str(rolled_back["incident"])).read_text(encoding="utf-8")
    assert f"# Incident: {version} rolled back" in report
    assert "## Timeline" in report


@pytest.mark.parametrize(
    ("version", "code", "caught_by"),
    [
        ("1.2.0-crash", 5, "start_replicas"),
        ("1.2.0-wrong", 5, "smoke_test"),
        ("1.2.0-broken-migration", 5, "rehearse_migrations"),
        ("1.2.0-incompatible-migration", 5, "rehearse_migrations"),
    ],
)
def test_a_release_that_a_check_can_see_never_reaches_a_member(serving: MainJob, version: str, code: int, caught_by: str) -> None:
    ledger = serving.ledger()
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy(version, "--migrate", "--bake", "5s")
        seen = members.finish()
    assert said.code == code, said.err
    assert serving.run(said)["step"] == caught_by
    assert seen.of(version) is None, "a member was answered by the faulty version"
    assert seen.lost == 0
    receipt = serving.result(said)
    assert "1.1.0 serves" in str(receipt["outcome"])
    assert receipt["lost"] == 0
    assert 0 < int(str(receipt["requests"])) <= seen.sent
    assert receipt["migrations"] == []
    assert serving.ledger() == ledger
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)


def test_an_unsafe_migration_is_refused_before_anything_happens(serving: MainJob) -> None:
    said = serving.deploy("1.2.0-unsafe-migration", "--migrate")
    assert said.code == 3
    assert "0002_claims_by_priority.sql" in said.err
    assert serving.serving().idle_version is None


def test_without_automatic_rollback_the_bad_release_stays_and_a_person_goes_back(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy("1.2.0-errors", "--bake", "60s", "--no-auto-rollback")
        assert said.code == 1, said.err
        assert serving.serving().version == "1.2.0-errors"
        back = serving.stack.ue("rollback", "traffic", "--reason", "members see errors", "--yes", "-o", "json")
        seen = members.finish()
    assert back.code == 0, back.err
    assert serving.serving().version == "1.1.0"
    assert seen.lost_outside("1.2.0-errors") == 0


@pytest.mark.parametrize(
    ("version", "told"),
    [("1.2.0-route", "route POST /api/claims/{claim_id}/assign"), pytest.param("1.2.0-tenant", "tenant org_members_small", marks=pytest.mark.campaign)],
)
@pytest.mark.parametrize("flags", [(), pytest.param(("--canary", "40", "--canary-bake", "90s"), marks=pytest.mark.campaign)], ids=["all-at-once", "canary"])
def test_a_release_in_which_one_part_is_broken_goes_back_although_the_average_hides_it(
    serving: MainJob, version: str, told: str, flags: tuple[str, ...]
) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy(version, "--bake", "90s", *flags, within=180)
        seen = members.finish()
    assert said.code == 5, said.err
    receipt = serving.result(said)
    assert str(receipt["outcome"]).startswith(f"FAILED - ROLLED BACK: {told}"), receipt["outcome"]
    explained = serving.run(serving.stack.ue("deploy", "explain", str(serving.run(said)["id"]), "-o", "json"))
    assert f'"rule": "{told}"' in json.dumps(explained)
    answered = seen.of(version)
    assert answered is not None
    assert answered.bad < 0.2 * answered.answers
    assert seen.lost_outside(version) == 0
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)
