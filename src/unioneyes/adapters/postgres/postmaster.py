"""The postmaster, seen from outside by its lock file: who it is, whether it lives, and what a killed one left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

_POLL_SECONDS = 0.02
_LOCK_FILE_LINES = 7
_REMOVE_SECONDS = 5
_SEGMENTS = Path("/proc/sysvipc/shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Postmaster:
    """The process that a data folder's `postmaster.pid` names."""

    data: Path
    pid: int
    shared_memory: tuple[str, str] | None
    """Key and id of the System V segment that guards the data folder; it outlives a killed postmaster."""

    @classmethod
    def of(cls, data: Path) -> Postmaster | None:
        """Return the postmaster that last ran on `data`; None after an orderly end. Source: PostgreSQL, `pidfile.h`."""
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None
        memory = lines[_LOCK_FILE_LINES - 1].split() if len(lines) >= _LOCK_FILE_LINES else []
        return cls(data=data, pid=pid, shared_memory=(memory[0], memory[1]) if len(memory) > 1 else None)

    @property
    def alive(self) -> bool:
        """True while the process runs and is this data folder's postmaster, not a stranger that got its number."""
        process = Path("/proc") / str(self.pid)
        try:
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            words = (process / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError):
            return False
        return state not in {"Z", "X"} and os.fsencode(self.data) in words

    def stop(self, *, how: signal.Signals, within: timedelta) -> None:
        """The process is gone: asked by `how` (SIGINT fast, SIGQUIT at once), killed when it does not listen."""
        for wish, patience in ((how, within.total_seconds()), (signal.SIGKILL, 5.0)):
            if not self.alive:
                return
            with suppress(ProcessLookupError):
                os.kill(self.pid, wish)
            if self._gone_within(patience):
                return

    def _gone_within(self, seconds: float) -> bool:
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if not self.alive:
                return True
            time.sleep(_POLL_SECONDS)
        return False


def clear_leftovers(data: Path) -> bool:
    """Nothing of a killed postmaster stands in the way of the next: no lock file, no shared memory. Return True when there was something.

    PostgreSQL itself refuses to start while any process has the number in the lock file, which after a reboot is likely a stranger.
    """
    postmaster = Postmaster.of(data)
    if postmaster is None or postmaster.alive:
        return False
    if postmaster.shared_memory is not None and _abandoned(*postmaster.shared_memory):
        subprocess.run(["ipcrm", "-m", postmaster.shared_memory[1]], stdin=subprocess.DEVNULL, capture_output=True, timeout=_REMOVE_SECONDS, check=False)
    (data / "postmaster.pid").unlink(missing_ok=True)
    return True


def _abandoned(key: str, identifier: str) -> bool:
    """Return True when the segment is still there under the same key, and no process is attached to it."""
    header, *rows = (line.split() for line in _SEGMENTS.read_text().splitlines())
    segments = (dict(zip(header, row, strict=False)) for row in rows)
    return any(segment["key"] == key and segment["shmid"] == identifier and segment["nattch"] == "0" for segment in segments)
