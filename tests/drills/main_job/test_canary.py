"""A canary: the new release gets more and more of the requests, each share is watched, and there is a way back from any of them."""

from __future__ import annotations

import os
import signal

import pytest

from tests.drills.main_job.main_job import JsonObject, MainJob
from tests.stack import eventually
from unioneyes.environments.local.members import run_members

RATE = 40.0
QUICK = ("--canary", "10,50", "--canary-bake", "4s", "--bake", "3s")


def weights(job: MainJob) -> dict[str, int]:
    colours = job.status()["colours"]
    assert isinstance(colours, list)
    return {str(colour["version"]): int(str(colour["traffic"])) for colour in colours if isinstance(colour, dict) and colour["version"]}


def held_at(job: MainJob, run: str, times: int = 1) -> None:
    """Return when the deployment is held, for so many times by now."""

    def is_held() -> bool:
        holds = [entry for entry in job.journal(run) if entry["kind"] == "held"]
        return len(holds) >= times and job.shown(run)["status"] == "held"

    assert eventually(is_held, within=60), job.journal(run)[-5:]


def test_a_good_release_goes_out_share_by_share_and_no_request_is_lost(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy("1.0.0", *QUICK)
        seen = members.finish()
    assert said.code == 0, said.err
    assert seen.lost == 0
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.0.0", None)
    receipt = serving.result(said)
    assert receipt["lost"] == 0
    watches = [*_objects(receipt["canary"]), *_objects([receipt["watched"]])]
    assert [watch["share"] for watch in watches] == [10, 50, 100]
    first = _objects([watches[0]["old"]])[0]
    assert int(str(first["answers"])) > 2 * int(str(_objects([watches[0]["new"]])[0]["answers"])), "the old version's figures are its members' too"
    shifts = [entry for entry in serving.journal(str(serving.run(said)["id"])) if entry["step"] == "shift_traffic" and entry["kind"] == "step-done"]
    assert len(shifts) == 3


@pytest.mark.parametrize("shares", ["50,10", "0,50", "10,100", "10,10"])
def test_shares_that_make_no_sense_are_refused_with_a_remedy(serving: MainJob, shares: str) -> None:
    said = serving.deploy("1.0.0", "--canary", shares)
    assert said.code == 2
    assert "--canary 10,50" in said.err


def test_a_release_that_is_bad_at_its_first_share_goes_back_and_most_members_never_saw_it(serving: MainJob) -> None:
    before = len(serving.announced())
    with run_members(serving.stack.home, rate=RATE) as members:
        said = serving.deploy("1.2.0-errors", "--canary", "30", "--canary-bake", "60s", "--bake", "60s")
        seen = members.finish()
    assert said.code == 5, said.err
    assert "ROLLED BACK" in str(serving.result(said)["outcome"])
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)
    assert seen.lost_outside("1.2.0-errors") == 0
    good, bad = seen.of("1.1.0"), seen.of("1.2.0-errors")
    assert good is not None
    assert bad is not None
    assert bad.answers < good.answers
    assert len(serving.announced()) == before + 1


@pytest.mark.campaign
def test_a_held_canary_outlives_its_worker_and_goes_on_when_it_is_promoted(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        started = serving.deploy("1.0.0", *QUICK, "--hold")
        assert started.code == 8, started.err
        run = str(serving.run(started)["id"])
        assert "ue deploy promote" in serving.stack.ue("run", "watch", run).err
        assert weights(serving) == {"1.1.0": 90, "1.0.0": 10}
        assert "HELD" in serving.stack.ue("deploy", "status").out
        assert "held" in serving.stack.ue("run", "list").out
        os.kill(serving.stack.pid("control"), signal.SIGKILL)
        assert eventually(lambda: "taken-over" in {entry["kind"] for entry in serving.journal(run)}, within=60)
        held_at(serving, run)
        promoted = serving.stack.ue("deploy", "promote", run)
        assert promoted.code == 8, promoted.err
        held_at(serving, run, times=2)
        assert weights(serving) == {"1.1.0": 50, "1.0.0": 50}
        serving.stack.ue("deploy", "promote", run, "--reason", "the night was quiet")
        ended = serving.ended(run)
        seen = members.finish()
    assert ended.code == 0, ended.err
    assert seen.lost == 0
    assert serving.serving().version == "1.0.0"


@pytest.mark.parametrize("shares", [pytest.param("10", marks=pytest.mark.campaign), "50", pytest.param("90", marks=pytest.mark.campaign)])
def test_a_person_goes_back_from_any_share(serving: MainJob, shares: str) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        run = str(serving.run(serving.deploy("1.0.0", "--canary", shares, "--canary-bake", "2s", "--hold"))["id"])
        back = serving.stack.ue("rollback", "traffic", "--reason", "members complain", "--yes", "-o", "json", within=60)
        seen = members.finish()
    assert back.code == 0, back.err
    result = serving.result(back)
    assert (result["version"], result["deployment"]) == ("1.1.0", run)
    assert seen.lost == 0
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)
    assert serving.shown(run)["status"] == "superseded"


@pytest.mark.parametrize(("ending", "code"), [pytest.param("cancel", 1, marks=pytest.mark.campaign), ("undo", 5)])
def test_a_held_canary_that_is_cancelled_or_taken_back_leaves_everything_as_before(serving: MainJob, ending: str, code: int) -> None:
    run = str(serving.run(serving.deploy("1.0.0", "--canary", "20", "--canary-bake", "2s", "--hold"))["id"])
    if ending == "cancel":
        serving.stack.ue("run", "cancel", run, "--reason", "not today")
    else:
        serving.stack.ue("run", "resume", run, "--undo", "--reason", "not today")
    ended = serving.ended(run)
    assert ended.code == code, ended.err
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)


@pytest.mark.campaign
def test_a_release_that_turns_bad_while_it_is_held_goes_back_before_anybody_decides(serving: MainJob) -> None:
    """Its replicas have seen too few requests to fail until the members come."""
    started = serving.deploy("1.2.0-errors", "--canary", "50", "--canary-bake", "1s", "--hold")
    run = str(serving.run(started)["id"])
    if started.code == 8:
        with run_members(serving.stack.home, rate=RATE):
            started = serving.ended(run)
            assert eventually(lambda: serving.shown(run)["status"] != "held", within=60)
            started = serving.ended(run)
    assert started.code == 5, started.err
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)


@pytest.mark.campaign
def test_a_rollback_from_a_split_is_finished_after_its_worker_was_killed(serving: MainJob) -> None:
    with run_members(serving.stack.home, rate=RATE) as members:
        run, _ = serving.kill_in("shift_traffic_back", {"version": "1.2.0-errors", "canary": [40], "canary_bake": "PT60S", "bake": "PT60S"})
        ended = serving.ended(run)
        seen = members.finish()
    assert ended.code == 5, ended.err
    assert seen.lost_outside("1.2.0-errors") == 0
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)


@pytest.mark.campaign
def test_where_too_little_is_known_a_person_decides_if_that_was_asked_for(serving: MainJob) -> None:
    """The data plane says nothing for longer than a watch may be blind."""
    run = serving.started("1.0.0", "--bake", "10m", "--no-data", "hold")
    serving.wait_for_step(run, "watch_release")
    envoy = serving.stack.pid("envoy")
    os.kill(envoy, signal.SIGSTOP)
    try:
        assert eventually(lambda: any(entry["step"] == "hold" for entry in serving.journal(run)), within=60)
    finally:
        os.kill(envoy, signal.SIGCONT)
    held_at(serving, run)
    question = next(str(entry["message"]) for entry in serving.journal(run) if entry["kind"] == "held")
    assert question.startswith("too little is known of 1.0.0 at 100 %")
    assert question.endswith("decide: go, retry, undo")
    explained = serving.stack.ue("deploy", "explain", run)
    assert "not-enough-data" in explained.out
    decided = serving.stack.ue("run", "resume", run, "--go", "--reason", "seen by eye")
    assert decided.code == 8, decided.err
    ended = serving.ended(run)
    assert ended.code == 0, ended.err
    assert serving.serving().version == "1.0.0"


def _objects(document: object) -> list[JsonObject]:
    assert isinstance(document, list)
    return [one for one in document if isinstance(one, dict)]
