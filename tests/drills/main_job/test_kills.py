"""The worker is killed in each step, and killed or stopped at each boundary, of a deployment and of a rollback: it ends as if nothing had happened.

`make campaign` keeps the table that this file writes as `docs/measured/kills.md`.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import LiteralString

import pytest

from tests.drills.main_job.boundaries import Before, Boundary, EndState, boundaries, end_state, held_at, incidents, wait_until_held
from tests.drills.main_job.main_job import MainJob
from unioneyes.cli.output import Ink, table
from unioneyes.environments.local.members import run_members
from unioneyes.runbook.views import EntryKind

RATE = 30.0
KEPT = Path(__file__).parents[3] / ".cache" / "kills.txt"
HELD_UP_BY: dict[str, LiteralString] = {
    "back_up_database": "lock table login_attempts in access exclusive mode",
    "apply_migrations": "lock table claims in access share mode",
}
"""What a quick step has to wait for, so that the kill falls within it."""
COLUMNS = ("killed in", "the kill fell", "taken over in", "ended as", "lost by the kill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What one kill came to."""

    step: str
    within: bool
    """True when the step was still under way."""
    taken_over: float
    """Seconds from the kill to the first line of the worker that took over."""
    status: str
    lost: int

    @property
    def row(self) -> tuple[str, ...]:
        return (self.step, "within it" if self.within else "just after it", f"{self.taken_over:.1f} s", self.status, str(self.lost))


@pytest.fixture(scope="module")
def kills() -> Iterator[list[Killed]]:
    """What the kills came to; the table of them is kept."""
    found: list[Killed] = []
    yield found
    keep(table(Ink(colour=False), COLUMNS, (killed.row for killed in found), empty="no kill came to its end"))


class Disturbance(StrEnum):
    """What happens to the worker while it is held at a boundary."""

    KILLED = "killed"
    STOPPED = "stopped for 3 s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A run that is disturbed at every boundary of it."""

    name: str
    prepare: Callable[[MainJob], None]
    """Makes the world the same before each run."""
    begin: Callable[[MainJob], str]
    """Starts the run."""
    bad_version: str | None
    """Whose own failures are not counted."""


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="a deployment with its migration",
            prepare=lambda job: job.ensure_not_migrated(serving="1.0.0", to="1.1.0"),
            begin=lambda job: job.begin({"version": "1.1.0", "migrate": True, "bake": "PT2S"}),
            bad_version=None,
        ),
        Scenario(
            name="an automatic rollback",
            prepare=lambda job: job.ensure_serving("1.1.0"),
            begin=lambda job: job.begin({"version": "1.2.0-errors", "bake": "PT60S"}),
            bad_version="1.2.0-errors",
        ),
    )
}
"""A further runbook is one more of these."""
DEPLOYMENT = SCENARIOS["a deployment with its migration"]
STOPPED_FOR = 3
"""Seconds: longer than a worker is silent by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbed:
    """What one disturbance came to."""

    boundary: Boundary
    state: EndState
    lost: int
    """Requests that members lost, and that no bad version answered."""


@pytest.mark.campaign
@pytest.mark.parametrize("disturbance", list(Disturbance))
@pytest.mark.parametrize("scenario", list(SCENARIOS.values()), ids=list(SCENARIOS))
def test_a_run_that_is_disturbed_at_any_of_its_boundaries_ends_as_its_undisturbed_twin(job: MainJob, scenario: Scenario, disturbance: Disturbance) -> None:
    twin, found = undisturbed(job, scenario)
    came_to = [disturbed(job, scenario, disturbance, boundary) for boundary in found]
    other = {str(each.boundary): differences(twin, each.state) for each in came_to if each.state != twin}
    lost = {str(each.boundary): each.lost for each in came_to if each.lost}
    keep(
        f"{scenario.name}: the worker is {disturbance} at each of its {len(found)} boundaries; "
        f"{len(came_to) - len(other)} ended as the undisturbed twin, {sum(lost.values())} requests lost"
    )
    assert other == {}
    assert lost == {}


@pytest.mark.parametrize(
    ("disturbance", "boundary"),
    [
        (Disturbance.KILLED, Boundary(child="", kind=EntryKind.STEP_DONE, step="apply_migrations")),
        (Disturbance.STOPPED, Boundary(child="", kind=EntryKind.STEP_STARTED, step="shift_traffic")),
    ],
    ids=str,
)
def test_a_deployment_that_is_disturbed_ends_as_its_undisturbed_twin(
    job: MainJob, twin: tuple[EndState, tuple[Boundary, ...]], disturbance: Disturbance, boundary: Boundary
) -> None:
    state, found = twin
    assert boundary in found
    came_to = disturbed(job, DEPLOYMENT, disturbance, boundary)
    assert differences(state, came_to.state) == {}
    assert came_to.lost == 0


@pytest.fixture(scope="module")
def twin(job: MainJob) -> tuple[EndState, tuple[Boundary, ...]]:
    """What an undisturbed deployment leaves behind, and its boundaries."""
    return undisturbed(job, DEPLOYMENT)


@pytest.mark.campaign
@pytest.mark.parametrize(
    "step",
    [
        "back_up_database",
        "verify_backup",
        "rehearse_migrations",
        "apply_migrations",
        "start_replicas",
        "smoke_test",
        "shift_traffic",
        "watch_release",
        "verify_deployment",
        "retire_old_colour",
    ],
)
def test_a_deployment_survives_the_kill_of_its_worker_in_any_step(job: MainJob, kills: list[Killed], step: str) -> None:
    job.ensure_not_migrated(serving="1.0.0", to="1.1.0")
    with run_members(job.stack.home, rate=RATE) as members:
        with held_up(job, step):
            run, killed_at = job.kill_in(step, {"version": "1.1.0", "migrate": True, "bake": "PT5S"})
        ended = job.ended(run)
        seen = members.finish()
    kills.append(killed(job, run, step, killed_at, lost=seen.lost))
    assert ended.code == 0, ended.err
    assert seen.lost == 0
    after = job.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)
    assert job.ledger() == [migration.sha256 for migration in job.stack.environment.migrations.folder("1.1.0")]


@pytest.mark.campaign
@pytest.mark.parametrize("step", ["shift_traffic_back", "stop_bad_replicas", "write_incident_report", "tell_stakeholders"])
def test_an_automatic_rollback_survives_the_kill_of_its_worker_in_any_step(job: MainJob, kills: list[Killed], step: str) -> None:
    job.ensure_serving("1.1.0")
    told, reports = len(job.announced()), incidents(job)
    with run_members(job.stack.home, rate=RATE) as members, job.chat(mode="slow", seconds=2, method="chat.postMessage"):
        run, killed_at = job.kill_in(step, {"version": "1.2.0-errors", "bake": "PT60S"})
        ended = job.ended(run)
        seen = members.finish()
    lost = seen.lost_outside("1.2.0-errors")
    kills.append(killed(job, run, step, killed_at, lost=lost))
    assert ended.code == 5, ended.err
    assert lost == 0
    after = job.serving()
    assert (after.version, after.idle_version) == ("1.1.0", None)
    assert len(job.announced()) == told + 1
    assert len(incidents(job) - reports) == 1


@contextmanager
def held_up(job: MainJob, step: str) -> Iterator[None]:
    """`step`, where it is a quick one, does not end in the block; members notice nothing."""
    with job.database() as holder:
        if step in HELD_UP_BY:
            holder.execute(HELD_UP_BY[step])
        yield


def killed(job: MainJob, run: str, step: str, at: datetime, *, lost: int) -> Killed:
    """Return what a kill came to, as the journal tells it; it was taken over, and nothing ended twice."""
    journal = job.journal(run)
    ends = Counter(str(entry["run_id"]) for entry in journal if entry["kind"] == EntryKind.RUN_ENDED)
    assert ends[run] == 1
    assert set(ends.values()) == {1}, ends
    takeovers = [datetime.fromisoformat(str(entry["at"])) for entry in journal if entry["kind"] == EntryKind.TAKEN_OVER]
    assert takeovers, journal
    ended_before = any(entry["step"] == step and entry["kind"] == EntryKind.STEP_DONE and datetime.fromisoformat(str(entry["at"])) < at for entry in journal)
    return Killed(step=step, within=not ended_before, taken_over=(min(takeovers) - at).total_seconds(), status=str(job.shown(run)["status"]), lost=lost)


def undisturbed(job: MainJob, scenario: Scenario) -> tuple[EndState, tuple[Boundary, ...]]:
    """Return what the run leaves behind when nobody disturbs it, and its boundaries."""
    scenario.prepare(job)
    before = Before.of(job)
    with run_members(job.stack.home, rate=RATE):
        run = scenario.begin(job)
        job.ended(run)
    return end_state(job, run, before), boundaries(job.journal(run))


def disturbed(job: MainJob, scenario: Scenario, disturbance: Disturbance, boundary: Boundary) -> Disturbed:
    """Return what the run leaves behind when its worker is disturbed at `boundary`."""
    scenario.prepare(job)
    before, worker = Before.of(job), job.stack.pid("control")
    with run_members(job.stack.home, rate=RATE) as members:
        with held_at(job, boundary) as gate:
            run = scenario.begin(job)
            wait_until_held(gate)
            os.kill(worker, signal.SIGKILL if disturbance is Disturbance.KILLED else signal.SIGSTOP)
        if disturbance is Disturbance.STOPPED:
            time.sleep(STOPPED_FOR)
            os.kill(worker, signal.SIGCONT)
        job.ended(run)
        seen = members.finish()
    lost = seen.lost if scenario.bad_version is None else seen.lost_outside(scenario.bad_version)
    return Disturbed(boundary=boundary, state=end_state(job, run, before), lost=lost)


def differences(wanted: EndState, found: EndState) -> dict[str, tuple[object, object]]:
    """Return what differs: (wanted, found) by the field's name."""
    return {field.name: pair for field in fields(EndState) if (pair := (getattr(wanted, field.name), getattr(found, field.name)))[0] != pair[1]}


def keep(text: str) -> None:
    """What was found stands in the campaign's results."""
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.open("a", encoding="utf-8") as kept:
        kept.write(f"{text}\n")
