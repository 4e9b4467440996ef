from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from unioneyes.adapters.processes.client import Supervisor


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
    running.shutdown(timedelta(seconds=10))
