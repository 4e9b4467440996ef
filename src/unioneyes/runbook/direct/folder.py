"""Where the break-glass journals stand, and who is at it: one person at a time, and the engine's workers wait meanwhile."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from unioneyes.kernel.clock import Deadline, now, rfc3339
from unioneyes.kernel.problems import Refused
from unioneyes.runbook.direct.journal import JournalNotKept

_SUFFIX = ".jsonl"
_DONE = ".imported"
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class DirectFolder:
    """A folder of the environment's home. It need not be there: nobody has needed it yet."""

    path: Path

    def open_journals(self) -> tuple[Path, ...]:
        """Return the journals that were not brought into the audit log, oldest first. Asked at each step of each run, so it only looks at names."""
        try:
            with os.scandir(self.path) as found:
                return tuple(sorted(self.path / each.name for each in found if each.name.endswith(_SUFFIX) and each.name.isascii()))
        except FileNotFoundError:
            return ()

    def journal_of(self, run_id: str) -> Path:
        """Return where the run's journal stands, or will."""
        return self.path / f"{run_id}{_SUFFIX}"

    def set_aside(self, journal: Path) -> None:
        """The journal was brought in; it is kept under a name that says so."""
        journal.rename(journal.with_name(f"{journal.name}{_DONE}"))

    @contextmanager
    def alone(self, who: str, *, within: timedelta = timedelta(0)) -> Iterator[None]:
        """Nobody else is at it in the block, person or worker; waited for as long as that. Raises: SomebodyIsAtIt with who, JournalNotKept."""
        deadline = Deadline.after(within)
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise JournalNotKept(what=f"{self.path} can't be written: {error.strerror}", remedy="make room or give permission, then try again") from None
        try:
            while not _locked(descriptor):
                if deadline.passed:
                    said = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
                    raise SomebodyIsAtIt(what=f"break-glass is under way {said or 'already'}", remedy="wait for them, or end that process; nothing was changed")
                time.sleep(_POLL_SECONDS)
            with suppress(OSError):  # a full disk keeps nobody out
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"by {who}, process {os.getpid()}, since {rfc3339(now())}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)  # and the lock is free


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class SomebodyIsAtIt(Refused):
    """Another person carries out a break-glass run on this environment."""
