from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from unioneyes.adapters.processes.client import Supervisor

PATIENCE = timedelta(seconds=20)
"""What no machine needs."""


def eventually(condition: Callable[[], bool], *, within: float = PATIENCE.total_seconds()) -> None:
    """Return when `condition` holds, within so many seconds."""
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether the process runs; a dead one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path that is short enough for Unix sockets."""
    made = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def supervisor(folder: Path) -> Iterator[Supervisor]:
    """A running supervisor; gone afterwards, and everything that it ran."""
    running = Supervisor(folder)
    running.launch()
    yield running
    running.shutdown(PATIENCE)
