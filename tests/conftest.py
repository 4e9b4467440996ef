"""What drills share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack import RunningStack, running_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """One stack for all drills of a worker that leave it as they found it; others start their own."""
    with running_stack() as running:
        yield running
