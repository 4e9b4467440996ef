"""Rolling: replica by replica on the colour that serves. Nothing is lost, a bad release goes back by itself, and whoever turns it round ends on the old one."""

from __future__ import annotations

import time

import pytest

from tests.drills.main_job.main_job import JsonObject, MainJob
from tests.stack import eventually
from unioneyes.environments.local.members import run_members
from unioneyes.ports.traffic import Colour
from unioneyes.simulators.report import read_exchanges

pytestmark = pytest.mark.timeout(400)

RATE = 40.0
ROLLING = ("--strategy", "rolling")
QUICK = (*ROLLING, "--canary-bake", "4s", "--bake", "3s")


def standing(job: MainJob) -> dict[str, str]:
    """Return the version of each replica."""
    return {replica.name: replica.version for replica in job.stack.environment.replicas.all()}


def only(job: MainJob, version: str) -> None:
    """Nothing but `version` stands, on one colour, with as many replicas as there should be; and nothing is under way there."""
    after = job.serving()
    assert (after.version, after.idle_version) == (version, None)
    assert standing(job) == {f"{after.colour}-{number}": version for number in (1, 2)}
    assert all(job.stack.environment.replicas.rolling(colour) is None for colour in Colour)


def test_a_good_release_takes_the_place_of_the_old_one_where_it_stands_and_no_request_is_lost(serving: MainJob) -> None:
    colour = serving.serving().colour
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy("1.0.0", *QUICK)
        seen = members.finish()
    assert said.code == 0, said.err
    assert seen.lost == 0, [exchange for exchange in read_exchanges(members.report) if exchange.lost]
    assert serving.serving().colour == colour
    only(serving, "1.0.0")
    receipt = serving.result(said)
    assert receipt["lost"] == 0
    (first,) = _objects(receipt["canary"])
    assert first["share"] == 33
    for side in _objects([first["new"], first["old"]]):
        assert int(str(side["answers"])) > 40, "both versions were heard apart, though members are sent to either"
    (last,) = _objects([receipt["watched"]])
    assert last["old"] is not None, "one replica of the old version was looked at beside it"


def test_a_release_that_is_bad_beside_the_old_one_goes_back_while_most_replicas_never_changed(serving: MainJob) -> None:
    before = len(serving.announced())
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy("1.2.0-errors", *ROLLING, "--canary-bake", "60s", "--bake", "60s")
        seen = members.finish()
    assert said.code == 5, said.err
    receipt = serving.result(said)
    assert "ROLLED BACK" in str(receipt["outcome"])
    only(serving, "1.1.0")
    assert seen.lost_outside("1.2.0-errors") == 0
    good, bad = seen.of("1.1.0"), seen.of("1.2.0-errors")
    assert good is not None
    assert bad is not None
    assert bad.answers < good.answers
    assert len(serving.announced()) == before + 1
    assert "ROLLED BACK" in serving.stack.ue("deploy", "list").out
    assert serving.stack.environment.replicas.revisions()[0].version == "1.1.0"


@pytest.mark.campaign
def test_a_release_that_shows_it_late_goes_back_from_every_replica(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy("1.2.0-sick", *ROLLING, "--canary-bake", "0s", "--bake", "60s")
        seen = members.finish()
    assert said.code == 5, said.err
    assert seen.lost_outside("1.2.0-sick") == 0
    only(serving, "1.1.0")


def test_a_release_that_does_not_work_is_tried_aside_and_no_member_sees_it(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy("1.2.0-wrong", *QUICK)
        seen = members.finish()
    assert said.code == 5, said.err
    assert seen.of("1.2.0-wrong") is None
    assert seen.lost == 0
    only(serving, "1.1.0")


@pytest.mark.campaign
def test_it_is_held_in_its_middle_and_goes_on_or_goes_back_as_a_person_says(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        started = serving.deploy("1.0.0", *QUICK, "--hold")
        run = str(serving.run(started)["id"])
        assert started.code == 8, started.err
        assert sorted(standing(serving).values()) == ["1.0.0", "1.1.0", "1.1.0"], "one more than usual, and no old one went yet"
        assert "1.0.0 and 1.1.0" in serving.stack.ue("deploy", "status").out
        refused = serving.stack.ue("rollback", "release", "--reason", "it looks wrong", "--yes")
        assert refused.code == 3
        assert "ue rollback rolling" in refused.err
        undone = serving.stack.ue("run", "resume", run, "--undo", "--reason", "not now")
        assert undone.code in {5, 8}, undone.err
        ended = serving.ended(run)
        assert ended.code == 5, ended.err
        only(serving, "1.1.0")
        again = serving.deploy("1.0.0", *QUICK, "--hold")
        assert again.code == 8, again.err
        run = str(serving.run(again)["id"])
        promoted = serving.stack.ue("deploy", "promote", run)
        assert promoted.code in {0, 8}, promoted.err
        ended = serving.ended(run)
        seen = members.finish()
    assert ended.code == 0, ended.err
    assert seen.lost == 0
    only(serving, "1.0.0")


@pytest.mark.parametrize(
    "moment", ["roll_replicas", pytest.param("watch_release", marks=pytest.mark.campaign), pytest.param("start_witness", marks=pytest.mark.campaign)]
)
def test_whoever_rolls_back_in_its_middle_ends_on_the_old_version(serving: MainJob, moment: str) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        for pause in (0.0, 0.7):
            run = serving.begin({"version": "1.0.0", "strategy": "rolling", "canary_bake": "PT1S", "bake": "PT10M"})
            serving.reach(run, moment)
            time.sleep(pause)
            back = serving.stack.ue("rollback", "rolling", "--reason", "members complain", "--yes", "-o", "json", within=90)
            assert back.code == 0, back.err
            assert serving.result(back)["version"] == "1.1.0"
            assert serving.shown(run)["status"] == "superseded"
            only(serving, "1.1.0")
        seen = members.finish()
    assert seen.lost == 0


def test_who_rolls_back_before_anything_was_replaced_stays_where_members_are(serving: MainJob) -> None:
    run = serving.begin({"version": "1.0.0", "strategy": "rolling", "bake": "PT10M"})
    serving.reach(run, "start_replicas")
    back = serving.stack.ue("rollback", "rolling", "--reason", "not today", "--yes", "-o", "json", within=90)
    assert back.code == 0, back.err
    assert serving.result(back)["version"] == "1.1.0"
    only(serving, "1.1.0")


@pytest.mark.campaign
def test_a_release_that_serves_goes_back_to_the_revision_before_with_its_own_settings(serving: MainJob) -> None:
    replicas = serving.stack.environment.replicas
    serving.deployed("1.0.0", *ROLLING, "--canary-bake", "1s", "--bake", "1s")
    before = replicas.revisions()[1]
    planned = serving.stack.ue("rollback", "plan")
    assert "ue rollback rolling" in planned.out
    dry = serving.stack.ue("rollback", "rolling", "--reason", "vulnerability", "--dry-run")
    assert dry.code == 0, dry.err
    assert f"revision {before.number}" in dry.out
    with run_members(serving.stack.home, rate=RATE) as members:
        assert eventually(lambda: members.seen().sent > 0)
        back = serving.stack.ue("rollback", "rolling", "--reason", "vulnerability", "--yes", "-o", "json", within=90)
        seen = members.finish()
    assert back.code == 0, back.err
    assert seen.lost == 0
    only(serving, "1.1.0")
    newest, bad, *_ = replicas.revisions()
    assert (newest.version, newest.configuration, bad.version, bad.bad) == ("1.1.0", before.configuration, "1.0.0", True)
    assert "ROLLED BACK" in serving.stack.ue("deploy", "list").out


def test_the_plan_says_each_command_in_its_order(serving: MainJob) -> None:
    said = serving.stack.ue("deploy", "start", "1.0.0", *ROLLING, "--dry-run", "-o", "json")
    assert said.code == 0, said.err
    steps = [f"{step['step']} {step['detail']}".rstrip() for step in _objects(serving.run(said)["steps"])]
    rolls = ["end_trial", "roll_replicas 33 %", "watch_release 33 %", "roll_replicas 100 %", "start_witness", "watch_release 100 %", "end_witness"]
    assert [step for step in steps if step in rolls] == rolls
    assert "-3.sock" in said.out, "the place of the one more"


def _objects(document: object) -> list[JsonObject]:
    assert isinstance(document, list)
    return [one for one in document if isinstance(one, dict)]
