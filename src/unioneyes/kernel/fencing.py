"""Fencing: a worker that was held for dead, and wakes up in the middle of a write, finds that what it writes to refuses it.

Each change of hands of a service raises a number, the fencing token. A step's writes carry the token of its run, and what is written to keeps the highest
that it has seen and refuses a lower one. Where it keeps files on one machine, `Fence` does both. Source: M. Kleppmann, "How to do distributed locking".
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.pidfd import open_pidfd, send_signal
from unioneyes.kernel.problems import Refused

fencing_token: ContextVar[int | None] = ContextVar("fencing_token", default=None)
"""Of the run that this thread takes a step of, set by the engine; None outside a run that holds its service: what an environment does for itself."""
OVER_ALL: Final = -1
"""The token of break-glass: it passes everywhere, and what came before does not any more."""
LEAP: Final = 1_000
"""By how much a token is higher than the one before, at least: room for each write of break-glass to count as one more."""

WITHIN = timedelta(seconds=15)
"""How long to wait for whoever is inside: longer than any write lasts."""
_STOPPED_FOR = 2.0
"""Seconds after which a process that holds others up, and is stopped, is ended."""
_logger = logging.getLogger(__name__)
_POLL_SECONDS, _LONG_POLL_SECONDS = 0.005, 0.1
"""Between looks whether one may go in: at first, and where that lasts."""
_LONGEST = 32
"""Bytes of a token."""


@dataclass(kw_only=True, eq=False)
class FencedOff(Refused):
    """The write came from a run that something newer has taken over from."""

    remedy: str = "nothing to do: a newer run is in charge"


class StillInside(TimeoutError):  # noqa: N818 - as problems are called
    """Another process has been inside for too long."""


def advance(what: str, *, token: int, seen: int) -> int:
    """Return the highest token that `what` has seen, once `token` came through. Raises: FencedOff, where a later one was there before."""
    if token == OVER_ALL:
        return seen + 1
    if token < seen:
        raise FencedOff(what=f"{what} refuses a late write: it has seen the token {seen}, and this one is {token}")
    return token


@dataclass(frozen=True, slots=True)
class Fence:
    """The gate before files that several processes of one machine write."""

    file: Path
    """Holds the highest token that came through, and the lock of whoever is inside."""

    @contextmanager
    def entered(self, *, within: timedelta = WITHIN) -> Iterator[None]:
        """Be inside for the length of a `with` block, alone among threads and processes.

        A process that was stopped (SIGSTOP) inside is ended: it would go on in the middle of its write. Raises: FencedOff, StillInside, OSError.
        """
        handle = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(handle, within)
            self._pass(handle)
            yield
        finally:
            os.close(handle)

    def check(self) -> None:
        """Return where this run's token may pass; it did so then. Raises: FencedOff, StillInside, OSError."""
        if fencing_token.get() is not None:
            with self.entered():
                pass

    def _lock(self, handle: int, within: timedelta) -> None:
        began = time.monotonic()
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waited = time.monotonic() - began
                if waited > within.total_seconds():
                    raise StillInside(errno.ETIMEDOUT, "another process has been inside for too long", str(self.file)) from None
                if waited > _STOPPED_FOR:
                    _end_stopped(handle)
                sleep(_POLL_SECONDS if waited < _STOPPED_FOR else _LONG_POLL_SECONDS)
            else:
                return

    def _pass(self, handle: int) -> None:
        if (token := fencing_token.get()) is None:
            return
        said = os.pread(handle, _LONGEST, 0)
        highest = advance(str(self.file.parent), token=token, seen=int(said) if said.strip().isdigit() else 0)
        new = f"{highest}\n".encode()
        if new != said:
            with suppress(OSError):  # a full disk keeps no rollback from its write; what stands there is written over, and not emptied before
                os.pwrite(handle, new, 0)
                os.ftruncate(handle, len(new))


def _end_stopped(handle: int) -> None:
    """The process that holds the lock on this file has ended, where it is stopped and ours. The kernel says who holds it."""
    inside = os.fstat(handle)
    try:
        locks = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return  # it is waited for then
    for line in locks:
        fields = line.split()  # proc_locks(5): "1: FLOCK  ADVISORY  WRITE 14078 fe:00:9978142 0 EOF"
        if fields[1] == "FLOCK" and fields[5].endswith(f":{inside.st_ino}"):
            with suppress(OSError):
                _end_if_stopped(int(fields[4]), inside)


def _end_if_stopped(pid: int, inside: os.stat_result) -> None:
    """The process has ended where it is stopped and has the file open. Raises: OSError, where it is gone or another user's."""
    process = open_pidfd(pid)
    try:
        stopped = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"T"
        if stopped and any(os.path.samestat(inside, entry.stat()) for entry in Path(f"/proc/{pid}/fd").iterdir()):
            _logger.warning("process %s was stopped while it held others up, and is ended", pid)
            send_signal(process, signal.SIGKILL)
    finally:
        os.close(process)
