"""The worker is killed in each step of a deployment and of a rollback: another takes over, and members lose nothing by it.

`make campaign` keeps the table that this file writes as `docs/measured/kills.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import LiteralString

import pytest

from tests.drills.main_job.main_job import MainJob
from unioneyes.cli.output import Ink, table
from unioneyes.environments.local.members import run_members
from unioneyes.runbook.views import EntryKind

pytestmark = pytest.mark.campaign

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
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(table(Ink(colour=False), COLUMNS, (killed.row for killed in found), empty="no kill came to its end") + "\n", encoding="utf-8")


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


def incidents(job: MainJob) -> set[Path]:
    """Return the incident reports that stand."""
    return set((job.stack.layout.documents / "docs" / "incidents").glob("*.md"))
