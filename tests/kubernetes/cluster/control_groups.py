"""Every process of a cluster is in one control group, from before its program begins: so all of them are found, whoever was killed meanwhile.

Works on control groups v1, v2 and both together.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from unioneyes.kernel.pidfd import open_pidfd, send_signal
from unioneyes.kernel.problems import Problem

_MOUNTED = Path("/sys/fs/cgroup")
_CPUSET = ("cpuset.cpus", "cpuset.mems")
"""On v1 a new group has none of either, and no process may enter it."""


@dataclass(kw_only=True, eq=False)
class StillRunning(Problem):
    """Processes of the cluster did not end."""


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """The group called `name`, right below the root of each hierarchy that this machine has."""

    name: str

    @property
    def entrance(self) -> Path:
        """Write a process' id into this file, and it is of the cluster, with all that it starts."""
        return self._kept / "daemons" / "cgroup.procs"

    def make(self, *below: str) -> None:
        """The group stands in every hierarchy, and in it one for the cluster's own programs and each of those `below`."""
        for hierarchy in _hierarchies():
            for group in (self.name, f"{self.name}/daemons", *(f"{self.name}/{name}" for name in below)):
                _make(hierarchy / group)

    def members(self) -> tuple[int, ...]:
        """Return the ids of the processes of the cluster, containers' too."""
        found: set[int] = set()
        for procs in self._kept.rglob("cgroup.procs"):
            try:
                found.update(map(int, procs.read_text().split()))
            except OSError:  # the group went while it was read
                continue
        return tuple(sorted(found))

    def end_members(self, *, within: timedelta = timedelta(seconds=20)) -> int:
        """No process of the cluster runs; return how many did. Raises: StillRunning."""
        ended: set[int] = set()
        deadline = time.monotonic() + within.total_seconds()
        while left := self.members():
            if time.monotonic() > deadline:
                pids = " ".join(map(str, left))
                raise StillRunning(what=f"processes {pids} of {self.name} did not end", remedy=f"see what they wait for: ps -o pid,stat,wchan,args -p '{pids}'")
            ended.update(left)
            for pid in left:
                _kill(pid)
            time.sleep(0.02)
        return len(ended)

    def remove(self, *, within: timedelta = timedelta(seconds=10)) -> None:
        """The group stands nowhere any more. Raises: StillRunning when something is still in it."""
        deadline = time.monotonic() + within.total_seconds()
        while left := tuple(group for hierarchy in _hierarchies() for group in _deepest_first(hierarchy / self.name)):
            for group in left:
                try:
                    group.rmdir()
                except OSError:  # its last process is not reaped yet
                    continue
            if time.monotonic() > deadline:
                raise StillRunning(what=f"{left[-1]} is still in use", remedy="see by whom: its cgroup.procs")
            time.sleep(0.01)

    @property
    def _kept(self) -> Path:
        """The group in the hierarchy in which processes are looked for: the newest one."""
        return _hierarchies()[0] / self.name


def _hierarchies() -> tuple[Path, ...]:
    """Return where each hierarchy is mounted, that of v2 first."""
    mounts = (line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines())
    found = {Path(where): kind for where, kind in mounts if kind in {"cgroup", "cgroup2"} and Path(where).is_relative_to(_MOUNTED)}
    return tuple(sorted(found, key=lambda where: found[where], reverse=True))


def _make(group: Path) -> None:
    group.mkdir(exist_ok=True)
    handed_on = group.parent / "cgroup.subtree_control"
    if handed_on.exists():  # v2: a group has the controllers that its parent hands on
        handed_on.write_text(" ".join(f"+{controller}" for controller in (group.parent / "cgroup.controllers").read_text().split()))
        return
    for name in _CPUSET:
        if (group / name).exists() and not (group / name).read_text().strip():
            (group / name).write_text((group.parent / name).read_text())


def _deepest_first(group: Path) -> Iterator[Path]:
    for folder, _, _ in os.walk(group, topdown=False):
        yield Path(folder)


def _kill(pid: int) -> None:
    try:
        handle = open_pidfd(pid)
    except OSError:
        return
    try:
        send_signal(handle, signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(handle)
