"""What is disturbed, and in which world: how it is brought about, how the run is begun, and who works on the service and who is asked meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum

from tests.drills.kills.boundaries import Boundary
from tests.drills.kills.end_state import Before
from tests.drills.kills.forgotten import nobody_forgotten
from tests.drills.kills.obstacles import without_obstacles
from tests.drills.kills.own import without_marks
from tests.drills.main_job.main_job import MainJob
from tests.drills.rollback.ways_back import drop_kept
from tests.stack import eventually
from unioneyes.cli.client import Api
from unioneyes.cli.options import Where
from unioneyes.environments.local.members import Members, run_members
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.views import Decision, RunView

RATE = 30.0
"""The members' requests a second."""
LOOK_EVERY = 0.3
NEWEST = 5
"""Runs among which the one that asks is looked for."""


class Disturbance(StrEnum):
    """What happens to the worker while it is held at a boundary."""

    KILLED = "killed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is disturbed at its boundaries."""

    name: str
    runbooks: tuple[str, ...]
    """Those that are disturbed in it."""
    prepare: Callable[[MainJob], None]
    """Makes the world the same before each run."""
    begin: Callable[[MainJob], tuple[str, ...]]
    """Starts the run; returns it, and those that it ends."""
    kills_at: Callable[[Boundary], bool] = lambda _boundary: True
    """At which of its boundaries the worker is killed: not where another scenario passes the same ones."""
    stops_at: Callable[[Boundary], bool] = lambda _boundary: True
    """At which of these it is stopped, too."""
    decides: Decision | None = None
    """What a person decides when the run asks; None where it must not ask."""
    bad_version: str | None = None
    """Whose own failures are not counted as lost."""
    keeps_members_out: bool = False
    """True where members are told to come back in a moment: such answers are not counted as lost."""
    replaces_data: bool = False
    """True where members find gone what they wrote since the backup: such answers are not counted as lost."""
    not_kept: bool = False
    """True where a step that is done and taken once more must be told apart from one that was not: see `NOT_KEPT`."""
    in_doubt: Callable[[Boundary], bool] = lambda _boundary: False
    """Where, after a kill, nobody can tell what became of the step but by looking: a person is asked, once, and says that it was done. Source: decision 18."""

    def disturbed_at(self, found: Iterable[Boundary], disturbance: Disturbance) -> tuple[Boundary, ...]:
        """Return those of the boundaries at which its worker is disturbed so."""
        return tuple(each for each in found if self.kills_at(each) and (disturbance is Disturbance.KILLED or self.stops_at(each)))

    @property
    def page(self) -> str:
        """What files about it are called."""
        return self.name.replace(" ", "-")


def prepared(job: MainJob, scenario: Scenario) -> Before:
    """The world is as `scenario` needs it, and nothing of an earlier one is left; return what is there."""
    nothing_left(job)
    scenario.prepare(job)
    return Before.of(job)


def nothing_left(job: MainJob) -> None:
    """Nothing that scenarios make is left."""
    drop_kept(job)
    without_marks(job)
    without_obstacles(job)
    nobody_kept_away(job)
    nobody_forgotten(job)


def nobody_kept_away(job: MainJob) -> None:
    """Everybody may ask as much as they like."""
    job.stack.environment.edge.limit(None)
    job.stack.environment.edge.deny(())


@contextmanager
def members_at_work(job: MainJob) -> Iterator[Members]:
    """Members are signed in and work on the service, from the beginning of the block on."""
    with run_members(job.stack.home, rate=RATE) as members:
        assert eventually(lambda: members.seen().sent > 0), "no member could sign in"
        yield members


@contextmanager
def a_person_decides(job: MainJob, decision: Decision | None) -> Iterator[None]:
    """Whatever run asks in the block is decided so, as soon as somebody can be told."""
    over = threading.Event()

    def look() -> None:
        with closing(Api(Where(home=job.stack.home))) as api:
            while decision is not None and not over.wait(LOOK_EVERY):
                with suppress(Problem):  # its server is being killed
                    for run in api.get("runs", tuple[RunView, ...], {"limit": NEWEST}).value:
                        if run.status is RunStatus.HELD:
                            api.post(f"runs/{run.id}/decision", {"decision": decision.value, "reason": "a drill"}, RunView)

    person = threading.Thread(target=look)
    person.start()
    try:
        yield
    finally:
        over.set()
        person.join()
