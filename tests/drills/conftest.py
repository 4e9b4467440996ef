"""A stack on which releases went out by real deployments, shared by the files of a worker as long as each leaves it as it should be.

And what each drill drilled: the report of the tests names the runbooks that were carried out in it, with the hash of their code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from tempfile import TemporaryDirectory

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import DRILL_SETTINGS, RunningStack, carried_out, running_stack
from unioneyes.environments.chapters import CHAPTERS
from unioneyes.kernel.clock import now
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.freshness import codes

NOBODY_WAS_ERASED = '[privacy]\nerase_again = ["echo", "0"]\n'
"""Restores ask a program who was erased since the backup: so it is killed in the middle of that, too."""
ENDED_WELL = {RunStatus.DONE, RunStatus.UNDONE}
"""As a runbook is meant to end: with what it promises, or with nothing changed."""


class Shared:
    """One stack at a time: a file that leaves it broken, busy or unfinished gets its successor a new one, and spoils nobody else's drills."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._job: MainJob | None = None

    def job(self) -> MainJob:
        if self._job is None or not self._job.at_rest():
            self.end()
            runbooks = self._held.enter_context(TemporaryDirectory(prefix="ue-own-"))
            settings = f'{DRILL_SETTINGS}\n[runbooks]\nfolder = "{runbooks}"\n{NOBODY_WAS_ERASED}'
            self._job = MainJob(stack=self._held.enter_context(running_stack(settings=settings)))
            self._job.deployed("1.0.0", "--migrate", "--bake", "1s")
        return self._job

    def end(self) -> None:
        self._job = None
        self._held.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that share no stack come first: a stack that waits for its turn takes a tenth of a processor."""
    items.sort(key=lambda item: isinstance(item, pytest.Function) and "shared" in item.fixturenames)


@pytest.fixture(scope="session")
def code_hashes() -> Mapping[str, str]:
    """The hash of each runbook's code, as it was when the drills began."""
    assert CHAPTERS
    return codes()


@pytest.fixture(autouse=True)
def drilled(code_hashes: Mapping[str, str], record_property: Callable[[str, object], None]) -> Iterator[None]:
    """The report says of each runbook whether the drill carried it out, or only began it; what is drilled of it is told by bench/drilled.py."""
    since = now()
    yield
    runs = carried_out(since)
    ended_well = {run.runbook for run in runs if run.status in ENDED_WELL}
    for name in sorted({run.runbook for run in runs} & code_hashes.keys()):
        record_property("carried-out" if name in ended_well else "begun", f"{name} {code_hashes[name]}")


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    stacks = Shared()
    try:
        yield stacks
    finally:
        stacks.end()


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    """A stack with nothing deployed, for the tests of one file, which leave it as they found it."""
    with running_stack() as running:
        yield running


@pytest.fixture(scope="module")
def job(shared: Shared) -> MainJob:
    return shared.job()


@pytest.fixture
def serving(job: MainJob) -> MainJob:
    """1.1.0 serves, and the other colour is idle."""
    job.ensure_serving("1.1.0")
    return job
