"""Somebody sets the control plane's wall clock, an hour on and an hour back, under a deployment and under the way back."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from tests.drills.bad_days import clocked
from tests.drills.main_job.main_job import MainJob
from unioneyes.environments.local.members import run_members
from unioneyes.environments.local.parts import build_supervisor
from unioneyes.environments.local.stack import control_process
from unioneyes.kernel.clock import now

pytestmark = pytest.mark.campaign

RATE = 30.0
BAKE = timedelta(seconds=15)
TAKEN = timedelta(seconds=90)
"""The longest that a deployment with this watch may take on a busy machine; a clock that counted would make it an hour."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Clock:
    """The wall clock of the control plane alone: the rest of the machine keeps the true time, as other machines do."""

    file: Path

    def set(self, ahead: timedelta) -> None:
        """From now on it is ahead of the true time by this much; behind it where that is negative."""
        beside = self.file.with_suffix(".new")
        beside.write_text(f"{ahead.total_seconds():+.0f}\n")
        beside.replace(self.file)


@pytest.fixture
def clock(serving: MainJob, tmp_path: Path) -> Iterator[Clock]:
    clock = Clock(tmp_path / "clock")
    clock.set(timedelta(0))
    honest = control_process(serving.parts)
    supervisor = build_supervisor(serving.stack.layout)
    supervisor.stop("control")
    argv = (sys.executable, clocked.__file__, str(clock.file), "local", str(serving.stack.home))
    supervisor.start(replace(honest, argv=argv), timedelta(seconds=60))
    yield clock
    supervisor.stop("control")
    supervisor.start(honest, timedelta(seconds=60))


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["an-hour-on", "an-hour-back"])
def test_a_wall_clock_that_jumps_ends_no_watch_early_and_keeps_none_waiting(serving: MainJob, clock: Clock, jump: timedelta) -> None:
    began = time.monotonic()
    with run_members(serving.stack.home, rate=RATE) as members:
        run = serving.started("1.0.0", "--bake", f"{BAKE.total_seconds():.0f}s")
        serving.wait_for_step(run, "watch_release")
        watching = time.monotonic()
        clock.set(jump)
        time.sleep(BAKE.total_seconds() / 3)
        shown = datetime.fromisoformat(str(serving.stack.ue("deploy", "status", "-o", "json").json()["at"]))
        assert abs(shown - now() - jump) < HOUR / 2, "the control plane's clock was not set"
        assert serving.shown(run)["step"] == "watch_release"
        ended = serving.ended(run)
        watched = time.monotonic() - watching
        seen = members.finish()
    assert ended.code == 0, ended.err
    told = serving.result(ended)["watched"]
    assert isinstance(told, dict)
    assert BAKE <= TypeAdapter(timedelta).validate_python(told["took"]) < 2 * BAKE
    assert watched >= BAKE.total_seconds() * 0.9
    assert time.monotonic() - began < TAKEN.total_seconds()
    assert serving.serving().version == "1.0.0"
    assert seen.lost == 0
    sequence = [int(str(entry["seq"])) for entry in serving.journal(run)]
    assert sequence == sorted(sequence)
    assert serving.stack.ue("audit", "verify").code == 0
