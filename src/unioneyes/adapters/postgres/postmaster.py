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

from unioneyes.kernel.variables import handed_on

_POLL_SECONDS = 0.02
_LOCK_FILE_LINES = 7
_REMOVE_SECONDS = 5
_ORPHANS_SECONDS = 5
"""How long sessions get to notice that their postmaster is gone; they do within milliseconds, unless they are in the middle of a statement."""
_KEY_BITS = 0xFFFFFFFF
_SEGMENTS = Path("/proc/sysvipc/shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A piece of System V shared memory, as PostgreSQL noted it. Ids are given anew, so the key must fit too."""

    key: int
    id: int

    @property
    def attached(self) -> int | None:
        """How many processes use it; None when it is gone."""
        header, *rows = (line.split() for line in _SEGMENTS.read_text().splitlines())
        for segment in (dict(zip(header, row, strict=False)) for row in rows):
            # The kernel shows the key as a signed number, PostgreSQL as an unsigned one.
            if int(segment["shmid"]) == self.id and int(segment["key"]) & _KEY_BITS == self.key & _KEY_BITS:
                return int(segment["nattch"])
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Postmaster:
    """The process that a data folder's `postmaster.pid` names."""

    data: Path
    pid: int
    shared_memory: Segment | None
    """Guards the data folder; outlives a killed postmaster."""

    @classmethod
    def of(cls, data: Path) -> Postmaster | None:
        """Return the postmaster that last ran on `data`; None after an orderly end. Source: PostgreSQL, `pidfile.h`."""
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None
        memory = lines[_LOCK_FILE_LINES - 1].split() if len(lines) >= _LOCK_FILE_LINES else []
        return cls(data=data, pid=pid, shared_memory=Segment(key=int(memory[0]), id=int(memory[1])) if len(memory) > 1 else None)

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

    PostgreSQL itself refuses to start while any process has the number in the lock file, which after a reboot is likely a stranger. Sessions that outlive
    their postmaster could still write: as long as one does, everything is left as it is, and PostgreSQL refuses to start.
    """
    postmaster = Postmaster.of(data)
    if postmaster is None or postmaster.alive:
        return False
    segment = postmaster.shared_memory
    if segment is not None:
        give_up = time.monotonic() + _ORPHANS_SECONDS
        while segment.attached and time.monotonic() < give_up:
            time.sleep(_POLL_SECONDS)
        match segment.attached:
            case None:
                pass
            case 0:
                subprocess.run(
                    ["ipcrm", "-m", str(segment.id)], stdin=subprocess.DEVNULL, capture_output=True, timeout=_REMOVE_SECONDS, check=False, env=handed_on()
                )
            case _:
                return False
    (data / "postmaster.pid").unlink(missing_ok=True)
    return True
