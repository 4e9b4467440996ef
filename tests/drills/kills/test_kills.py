"""The worker is killed, or stopped for a while, at each boundary of every runbook that there is: it ends as if nothing had happened.

A block of a document that was under way is the one exception: nobody can tell how far it got, so it is not begun again, and a person is asked.

`make campaign DRILLS=kills` keeps the table that this file writes as `docs/measured/kills.md`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

from tests.drills.kills.boundaries import NOT_KEPT, Boundary, boundaries, drop_held, held_at, part_of, wait_until_held, with_not_kept
from tests.drills.kills.end_state import EndState, differences, end_state
from tests.drills.kills.own import document, marks, without_marks
from tests.drills.kills.passes import KEPT, keep_passed, passed
from tests.drills.kills.scenario import Disturbance, Scenario, a_person_decides, members_at_work, nothing_left, prepared
from tests.drills.kills.scenarios import DEPLOYMENT, DOCUMENT, SCENARIOS
from tests.drills.main_job.main_job import MainJob
from tests.stack import eventually
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.views import EntryKind
from unioneyes.simulators.report import SUBMIT, Exchange, read_exchanges

pytestmark = pytest.mark.timeout(600)

ENDED_WITHIN = 180
STOPPED_FOR = 3
"""Seconds: longer than a worker is silent by itself."""
COLUMNS = {"SCENARIO": 31, "BOUNDARY": 50, "WORKER": 7, "TAKEN OVER IN": 13, "ENDED AS": 12, "AS ITS TWIN": 11, "LOST": 4}
"""And how wide they are."""
NOT_FOUND, UNAVAILABLE = 404, 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A run that nobody disturbed."""

    state: EndState
    boundaries: tuple[Boundary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbed:
    """What one disturbance came to."""

    scenario: Scenario
    boundary: Boundary
    disturbance: Disturbance
    taken_over: float | None
    """Seconds from the kill to the first line of the worker that took over; None when nobody had to."""
    ended_as: str
    differs: dict[str, tuple[object, object]]
    """From the undisturbed twin: (the twin's, its own) by what it is."""
    lost: tuple[str, ...]
    """Requests that members lost by it, and what became of each."""
    asked: tuple[str, ...] = ()
    """Steps of which a person had to say what became of them."""

    @property
    def whole(self) -> bool:
        """True when nobody could tell it from its twin."""
        killed = self.disturbance is Disturbance.KILLED
        wanted = (self.boundary.step,) if killed and self.scenario.in_doubt(self.boundary) else ()
        return not self.differs and not self.lost and (self.taken_over is not None) is killed and self.asked == wanted

    @property
    def row(self) -> tuple[str, ...]:
        taken_over = f"{self.taken_over:.1f} s" if self.taken_over is not None else "-"
        as_twin = f"NO: {', '.join(self.differs)}" if self.differs else "yes"
        ended_as = f"{self.ended_as} (asked)" if self.asked else self.ended_as
        return (self.scenario.name, str(self.boundary), self.disturbance, taken_over, ended_as, as_twin, str(len(self.lost)))


@pytest.fixture(scope="module")
def twin(job: MainJob) -> Iterator[Callable[[Scenario], Twin]]:
    """What a scenario leaves behind when nobody disturbs it; it is run when first asked for. Whoever gets the stack next finds nothing of any."""
    yield cache(lambda scenario: undisturbed(job, scenario))
    nothing_left(job)


@pytest.mark.parametrize(
    ("scenario", "disturbance", "boundary"),
    [
        (DEPLOYMENT, Disturbance.KILLED, Boundary(part="deployment", kind=EntryKind.STEP_DONE, step="apply_migrations")),
        (DEPLOYMENT, Disturbance.STOPPED, Boundary(part="deployment", kind=EntryKind.STEP_STARTED, step="shift_traffic")),
        (DOCUMENT, Disturbance.KILLED, Boundary(part="document", kind=EntryKind.STEP_DONE, step="mark-the-table:28")),
        (DOCUMENT, Disturbance.KILLED, Boundary(part="document", kind=NOT_KEPT, step="mark-the-page:12")),
    ],
    ids=lambda value: value.name if isinstance(value, Scenario) else str(value),
)
def test_what_is_disturbed_in_its_most_delicate_moment_ends_as_its_undisturbed_twin(
    job: MainJob, twin: Callable[[Scenario], Twin], scenario: Scenario, disturbance: Disturbance, boundary: Boundary
) -> None:
    assert boundary in twin(scenario).boundaries
    came_to = disturbed(job, scenario, twin(scenario), disturbance, boundary)
    assert (came_to.differs, came_to.lost) == ({}, ())
    assert came_to.whole, came_to.row


def test_a_block_that_was_under_way_is_not_begun_again_and_is_taken_back_where_nobody_is_asked(job: MainJob) -> None:
    prepared(job, DOCUMENT)
    before, worker = marks(job), job.stack.pid("control")
    with held_at(job, Boundary(part="document", kind=EntryKind.STEP_DONE, step="mark-the-page:12")) as gate:
        run = job.begin(document(job), runbook="document.run")
        wait_until_held(gate)
        assert marks(job) == (*before, "marked"), "it was carried out"
        os.kill(worker, signal.SIGKILL)
        drop_held(gate)
    assert job.ended(run, within=ENDED_WITHIN).code == ExitCode.UNDONE
    assert marks(job) == before
    told = [entry for entry in job.journal(run) if entry["step"] == "mark-the-page:12"]
    assert "a worker died while the block of line 12 was under way" in str(told)
    without_marks(job)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("disturbance", list(Disturbance))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_what_is_disturbed_at_any_of_its_boundaries_ends_as_its_undisturbed_twin(
    job: MainJob, twin: Callable[[Scenario], Twin], scenario: Scenario, disturbance: Disturbance
) -> None:
    found = scenario.disturbed_at(twin(scenario).boundaries, disturbance)
    assert found
    came_to: list[Disturbed] = []
    page = KEPT / f"{scenario.page}-{disturbance}.txt"
    keep(page, laid_out(tuple(COLUMNS)))
    try:
        for boundary in found:
            came_to.append(disturbed(job, scenario, twin(scenario), disturbance, boundary))
            keep(page, laid_out(came_to[-1].row))
    finally:
        as_twin, lost = sum(not each.differs for each in came_to), sum(len(each.lost) for each in came_to)
        reached = f"{scenario.name}, {disturbance} at {len(came_to)} of {len(found)} boundaries"
        keep(page, f"= {reached}: {as_twin} ended as the undisturbed twin, {lost} requests lost\n")
    assert {str(each.boundary): (each.differs, each.lost) for each in came_to if each.differs or each.lost} == {}
    assert [each.row for each in came_to if not each.whole] == []


def undisturbed(job: MainJob, scenario: Scenario) -> Twin:
    """Return what the scenario leaves behind when nobody disturbs it, and the boundaries that its journal tells from its beginning on."""
    before = prepared(job, scenario)
    with members_at_work(job), a_person_decides(job, scenario.decides):
        runs = scenario.begin(job)
        assert [asked for run in runs for asked in carried_to_its_end(job, run)] == []
    lines = sorted((entry for run in runs for entry in job.journal(run)), key=lambda entry: int(str(entry["seq"])))
    since = (entry for entry in lines if datetime.fromisoformat(str(entry["at"])) >= before.at)
    found = boundaries(since)
    keep_passed(scenario, found)
    assert set(found) == set(passed(scenario)), "what stands in passes/ is not what the run passed; what it passed stands in .cache/kills/passes/"
    return Twin(state=end_state(job, runs, before), boundaries=with_not_kept(found) if scenario.not_kept else found)


def disturbed(job: MainJob, scenario: Scenario, twin: Twin, disturbance: Disturbance, boundary: Boundary) -> Disturbed:
    """Return what the scenario comes to when its worker is disturbed at `boundary`."""
    before, worker = prepared(job, scenario), job.stack.pid("control")
    with members_at_work(job) as members, a_person_decides(job, scenario.decides):
        with held_at(job, boundary) as gate:
            runs = scenario.begin(job)
            wait_until_held(gate)
            os.kill(worker, signal.SIGKILL if disturbance is Disturbance.KILLED else signal.SIGSTOP)
            at = now()
            if disturbance is Disturbance.KILLED:
                drop_held(gate)
        if disturbance is Disturbance.STOPPED:
            time.sleep(STOPPED_FOR)
            os.kill(worker, signal.SIGCONT)
        asked = tuple(step for run in runs for step in carried_to_its_end(job, run))
        members.finish()
        lost = tuple(
            f"{exchange.method} {exchange.path}: {exchange.status or exchange.error} of {exchange.version}"
            for exchange in read_exchanges(members.report)
            if counts_as_lost(scenario, exchange)
        )
    state = end_state(job, runs, before)
    takeovers = [datetime.fromisoformat(str(entry["at"])) for run in runs for entry in job.journal(run) if entry["kind"] == EntryKind.TAKEN_OVER]
    return Disturbed(
        scenario=scenario,
        boundary=boundary,
        disturbance=disturbance,
        taken_over=(min(takeovers) - at).total_seconds() if takeovers else None,
        ended_as=state.status[part_of(runs[0])],
        differs=differences(twin.state, state),
        lost=lost,
        asked=asked,
    )


def carried_to_its_end(job: MainJob, run: str) -> tuple[str, ...]:
    """The run has ended; return the steps that waited for a person, who looked, and said that they were done."""
    asked: list[str] = []
    while job.ended(run, within=ENDED_WITHIN).code == ExitCode.PENDING:
        waits = job.shown(run)
        if waits["status"] != RunStatus.PARKED:  # it is held, and whoever is asked decides
            assert eventually(lambda: job.shown(run)["status"] != RunStatus.HELD), waits
            continue
        asked.append(str(waits["step"]))
        said = job.stack.ue("run", "resume", run, "--skip", "--reason", "looked: it was done")
        assert said.code in {ExitCode.DONE, ExitCode.PENDING}, said.err
        assert eventually(lambda: job.shown(run)["status"] != RunStatus.PARKED)
    return tuple(asked)


def counts_as_lost(scenario: Scenario, exchange: Exchange) -> bool:
    """Return whether a member lost the request by the disturbance, and not by what the scenario itself does."""
    by_bad_version = scenario.bad_version is not None and exchange.version == scenario.bad_version
    kept_out = scenario.keeps_members_out and exchange.status == UNAVAILABLE and exchange.version is None
    kept_aside = scenario.replaces_data and exchange.status == NOT_FOUND and exchange.path.startswith(f"{SUBMIT}/")
    return exchange.lost and not (by_bad_version or kept_out or kept_aside)


def keep(page: Path, line: str) -> None:
    """The line stands in the campaign's results as soon as it is known, whatever comes of the next."""
    page.parent.mkdir(parents=True, exist_ok=True)
    with page.open("a", encoding="utf-8") as kept:
        kept.write(f"{line}\n")


def laid_out(cells: tuple[str, ...]) -> str:
    """Return one line of the table."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, COLUMNS.values(), strict=True)).rstrip()
