"""The way back is watched as the new release is: when it is lost, people know it; it is mended; and nobody is sent where nothing answers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import pytest

from tests.drills.main_job.main_job import JsonObject, MainJob
from tests.stack import eventually
from unioneyes.environments.local.members import run_members
from unioneyes.environments.local.parts import build_supervisor

RATE = 30.0
KILL_EVERY = 0.3


@contextmanager
def keeps_dying(job: MainJob, colour: str) -> Iterator[None]:
    """The replicas of `colour` are killed as often as they come back, so that their supervisor waits longer each time."""
    over = Event()

    def kill() -> None:
        while not over.wait(KILL_EVERY):
            for process in job.stack.status().processes:
                if process.name.startswith(colour) and process.pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGKILL)

    killer = Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


def told_of_the_way_back(job: MainJob, run: str) -> list[str]:
    return [str(entry["message"]) for entry in job.journal(run) if str(entry["message"]).startswith("Rollback ")]


def alarms(messages: list[JsonObject]) -> list[str]:
    return [text for message in messages if "Rollback" in (text := str(message))]


def test_a_way_back_that_is_lost_is_told_once_mended_and_told_again(serving: MainJob) -> None:
    before = len(serving.announced())
    old = serving.serving().colour
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.started("1.0.0", "--bake", "10m")
        serving.wait_for_step(run, "watch_release")
        assert eventually(lambda: "now takes about" in serving.stack.ue("deploy", "status").out, within=60)
        with keeps_dying(serving, old):
            assert eventually(lambda: "NOT READY since" in serving.stack.ue("deploy", "status").out, within=60), serving.journal(run)[-3:]
            assert eventually(lambda: any(each.name.startswith(old) and each.state == "backing-off" for each in serving.stack.status().processes), within=60)
            assert eventually(lambda: len(serving.announced()) == before + 1, within=60)
            assert not serving.traffic_option().possible
        assert eventually(lambda: "now takes about" in serving.stack.ue("deploy", "status").out, within=90), serving.journal(run)[-3:]
        assert eventually(lambda: len(serving.announced()) == before + 2, within=60)
        back = serving.stack.ue("rollback", "traffic", "--reason", "the way back is open again", "--yes", "-o", "json", within=90)
        seen = members.finish()
    assert back.code == 0, back.err
    assert seen.lost == 0
    assert ["NOT READY" in told for told in told_of_the_way_back(serving, run)] == [True, False]
    lost, regained = alarms(serving.announced()[before : before + 2])
    assert "NOT READY" in lost
    assert "ready again" in regained
    assert serving.serving().version == "1.1.0"


@pytest.mark.campaign
def test_an_old_version_that_was_stopped_is_started_again_by_the_watch(serving: MainJob) -> None:
    """Nobody but the watch would: its supervisor was told to end it."""
    old = serving.serving().colour
    run = serving.started("1.0.0", "--bake", "10m")
    serving.wait_for_step(run, "watch_release")
    assert eventually(lambda: "now takes about" in serving.stack.ue("deploy", "status").out, within=60)
    with serving.chat(mode="down"):
        build_supervisor(serving.stack.layout).stop(f"{old}-1", f"{old}-2")
        assert eventually(lambda: told_of_the_way_back(serving, run) != [], within=60)
        assert eventually(lambda: "now takes about" in serving.stack.ue("deploy", "status").out, within=90), serving.journal(run)[-3:]
    serving.stack.ue("run", "cancel", run, "--reason", "seen enough")
    ended = serving.ended(run)
    assert serving.run(ended)["status"] == "cancelled"
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)


@pytest.mark.campaign
def test_members_are_not_sent_back_to_what_does_not_answer_but_as_soon_as_it_does(serving: MainJob) -> None:
    old = serving.serving().colour
    with run_members(serving.stack.home, rate=RATE):
        run = serving.started("1.2.0-sick", "--bake", "15s")
        serving.wait_for_step(run, "watch_release")
        with keeps_dying(serving, old):
            assert eventually(lambda: serving.shown(run)["status"] == "held", within=120), serving.journal(run)[-3:]
            question = next(str(entry["message"]) for entry in serving.journal(run) if entry["kind"] == "held")
            assert "there is no way back" in question
            assert serving.serving().version == "1.2.0-sick"
        ended = serving.stack.ue("run", "logs", run, "--follow", within=120)
    assert ended.code == 5, ended.out[-500:]
    after = serving.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)
