"""A stack on which releases went out by real deployments, shared by the files of a worker as long as each leaves it as it should be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import running_stack


class Shared:
    """One stack at a time: a file that leaves it broken, busy or unfinished gets its successor a new one, and spoils nobody else's drills."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._job: MainJob | None = None

    def job(self) -> MainJob:
        if self._job is None or not self._job.at_rest():
            self.end()
            self._job = MainJob(stack=self._held.enter_context(running_stack()))
            self._job.deployed("1.0.0", "--migrate", "--bake", "1s")
        return self._job

    def end(self) -> None:
        self._job = None
        self._held.close()


@pytest.fixture(scope="session")
def shared() -> Iterator[Shared]:
    stacks = Shared()
    try:
        yield stacks
    finally:
        stacks.end()


@pytest.fixture(scope="module")
def job(shared: Shared) -> MainJob:
    return shared.job()


@pytest.fixture
def serving(job: MainJob) -> MainJob:
    """1.1.0 serves, and the other colour is idle."""
    job.ensure_serving("1.1.0")
    return job
