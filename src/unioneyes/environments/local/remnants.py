"""What a crash left behind: processes without a supervisor, sockets of nobody, lock files of servers that are gone.

PostgreSQL's shared memory and lock files are cleared by its own adapter, which knows when that is safe.
"""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from unioneyes.environments.local.layout import Layout
from unioneyes.kernel.problems import Problem

MARK = "UE_STACK"
"""Variable in the environment of every process of a stack: the stack's home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A process of the stack."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remnants:
    """Everything of the stack that should not be there while no supervisor runs."""

    strays: tuple[Stray, ...] = ()
    sockets: tuple[Path, ...] = ()
    lock_files: tuple[Path, ...] = ()
    """Of PostgreSQL servers that did not end in order."""

    def __bool__(self) -> bool:
        """True when there is anything."""
        return bool(self.strays or self.sockets or self.lock_files)


def find_remnants(layout: Layout) -> Remnants:
    """Return what an earlier stack left. Meaningful only while no supervisor runs."""
    lock_files = tuple(layout.postgres.glob("*/data/postmaster.pid"))
    return Remnants(strays=tuple(_strays(layout)), sockets=tuple(_sockets(layout)), lock_files=lock_files)


def end_remnants(layout: Layout, *, within: timedelta = timedelta(seconds=10)) -> tuple[Stray, ...]:
    """No process of the stack runs, and none of its sockets is left; return the processes that ran. Call it only while no supervisor runs.

    Raises: StillRunning when a process could not be ended.
    """
    ended = _end(layout, within)
    for socket in _sockets(layout):
        socket.unlink(missing_ok=True)
    return ended


def _end(layout: Layout, within: timedelta) -> tuple[Stray, ...]:
    """Every stray was told to end, and was killed when it did not."""
    strays = tuple(_strays(layout))
    for order, share in ((signal.SIGTERM, 0.7), (signal.SIGKILL, 0.3)):
        for stray in _strays(layout):
            _send(stray.pid, order)
        deadline = time.monotonic() + within.total_seconds() * share
        while any(_strays(layout)) and time.monotonic() < deadline:
            time.sleep(0.02)
    if left := tuple(_strays(layout)):
        named = ", ".join(f"{stray.name} (pid {stray.pid})" for stray in left)
        raise StillRunning(what=f"{named} did not end", remedy=f"kill -9 {' '.join(str(stray.pid) for stray in left)}")
    return strays


def _send(pid: int, order: signal.Signals) -> None:
    try:
        os.kill(pid, order)
    except ProcessLookupError:
        return  # it ended by itself meanwhile


def _strays(layout: Layout) -> Iterator[Stray]:
    """Yield every process that bears the stack's mark, or that works in one of its data folders, as PostgreSQL does."""
    mark = f"{MARK}={layout.home}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            bears_mark = mark in (process / "environ").read_bytes().split(b"\0")
            works_in = (process / "cwd").readlink()
            name, state = (process / "comm").read_text().strip(), (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue  # ended meanwhile, or another user's
        if state != "Z" and (bears_mark or works_in.is_relative_to(layout.postgres) or works_in.is_relative_to(layout.scratch)):
            yield Stray(pid=int(process.name), name=name)


def _sockets(layout: Layout) -> Iterator[Path]:
    """Yield the Unix sockets in the stack's folder, PostgreSQL's lock files beside them included."""
    if not layout.sockets.is_dir():
        return
    for entry in tuple(layout.sockets.rglob("*")):
        if stat.S_ISSOCK(entry.lstat().st_mode) or entry.name.endswith(".lock"):
            yield entry


class StillRunning(Problem):
    """A process of the stack can't be ended."""
