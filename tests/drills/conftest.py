"""A stack on which 1.1.0 serves, brought there by two real deployments: one stack per test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drills.main_job.main_job import MainJob
from tests.stack import running_stack


@pytest.fixture(scope="module")
def job() -> Iterator[MainJob]:
    with running_stack() as stack:
        job = MainJob(stack=stack)
        job.deployed("1.0.0", "--migrate", "--bake", "1s")
        yield job


@pytest.fixture
def serving(job: MainJob) -> MainJob:
    """1.1.0 serves, and the other colour is idle."""
    job.ensure_serving("1.1.0")
    return job
