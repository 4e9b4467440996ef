"""Files that another process watches: replaced at once, and by one writer at a time."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

_POLL_SECONDS = 0.005


def replace_file(path: Path, text: str) -> None:
    """The file holds `text`, whole or not at all. Made in the same folder, so that its watcher sees one move."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


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
