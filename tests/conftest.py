"""What drills share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.stack import RunningStack, running_stack

settings.register_profile("unioneyes", deadline=None)  # a busy machine is no failed property
settings.load_profile("unioneyes")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in its background deaf to Ctrl-C, and some tests press it


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """One stack for all drills of a worker that leave it as they found it; others start their own."""
    with running_stack() as running:
        yield running
