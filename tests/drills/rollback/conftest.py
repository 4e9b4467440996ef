"""A stack on which releases went out by real deployments, for the ways back: one stack per test file."""

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
