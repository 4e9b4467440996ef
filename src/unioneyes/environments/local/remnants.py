"""What a crash left behind: processes without a supervisor, shared memory that nobody uses, sockets of nobody."""

from __future__ import annotations

import ctypes
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
_REMOVE_SEGMENT = 0
"""IPC_RMID of shmctl(2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A process of the stack."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remnants:
    """Everything of the stack that should not be there while no supervisor runs."""

    strays: tuple[Stray, ...] = ()
    segments: tuple[int, ...] = ()
    """Identifiers of System V shared memory segments that no process uses."""
    sockets: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        """True when there is anything."""
        return bool(self.strays or self.segments or self.sockets)


def find_remnants(layout: Layout) -> Remnants:
    """Return what stands in the way of a clean stack. Meaningful only while no supervisor runs."""
    return Remnants(strays=tuple(_strays(layout)), segments=tuple(_segments(layout)), sockets=tuple(_sockets(layout)))


def clear_remnants(layout: Layout, *, within: timedelta = timedelta(seconds=10)) -> Remnants:
    """Nothing of an earlier crash is left; return what there was. Call it only while no supervisor runs.

    Raises: StillRunning when a process could not be ended.
    """
    ended = _end(layout, within)
    left = find_remnants(layout)
    for segment in left.segments:
        ctypes.CDLL(None).shmctl(segment, _REMOVE_SEGMENT, None)
    for socket in left.sockets:
        socket.unlink(missing_ok=True)
    return Remnants(strays=ended, segments=left.segments, sockets=left.sockets)


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


def _segments(layout: Layout) -> Iterator[int]:
    """Yield the segments that dead PostgreSQL servers of this stack made, and that nobody uses."""
    try:
        lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    except OSError:
        return
    makers = {*_postmasters(layout.postgres), *_postmasters(layout.scratch)}
    for line in lines:
        _key, identifier, _mode, _size, maker, _last, attached, owner = line.split()[:8]
        if int(maker) in makers and int(attached) == 0 and int(owner) == os.getuid():
            yield int(identifier)


def _postmasters(folder: Path) -> Iterator[int]:
    """Yield the process ids in the servers' lock files."""
    for file in folder.glob("*/data/postmaster.pid"):
        try:
            yield int(file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            continue  # removed meanwhile, or cut off by a full disk


def _sockets(layout: Layout) -> Iterator[Path]:
    """Yield the Unix sockets in the stack's folder, PostgreSQL's lock files beside them included."""
    if not layout.sockets.is_dir():
        return
    for entry in layout.sockets.rglob("*"):
        if stat.S_ISSOCK(entry.lstat().st_mode) or entry.name.endswith(".lock"):
            yield entry


class StillRunning(Problem):
    """A process of the stack can't be ended."""
