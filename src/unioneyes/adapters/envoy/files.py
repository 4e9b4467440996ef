"""Files that another process watches: one writer at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

_POLL_SECONDS = 0.005


@contextmanager
def only_writer(lock: Path, *, within: timedelta) -> Iterator[None]:
    """Hold `lock` for the length of a `with` block, against threads and processes alike. Raises: TimeoutError."""
    give_up = time.monotonic() + within.total_seconds()
    with lock.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise TimeoutError from None
                time.sleep(_POLL_SECONDS)
        yield
