"""What processes take of their machine, as the kernel counts it. Source: proc(5)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_BETWEEN_SECONDS = 0.2
"""Between the two readings of which the difference is a rate: twenty of the kernel's ticks."""
_USER_TICKS, _SYSTEM_TICKS, _RESIDENT_PAGES = 11, 12, 21
"""Fields of /proc/PID/stat behind the program's name, counted from the process's state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one process takes."""

    cpu: float
    """Cores, over the last fifth of a second."""
    memory: int
    """Bytes that are in memory, those included that it shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    ticks: int
    pages: int
    at: float


def usage(pids: Iterable[int]) -> Mapping[int, Usage]:
    """Return what each of the processes takes; nothing of one that is gone. Lasts a fifth of a second."""
    before = {pid: reading for pid in pids if (reading := _read(pid))}
    if before:
        time.sleep(_BETWEEN_SECONDS)
    after = {pid: reading for pid in before if (reading := _read(pid))}
    per_second, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    return {
        pid: Usage(cpu=max(reading.ticks - before[pid].ticks, 0) / per_second / (reading.at - before[pid].at), memory=reading.pages * page)
        for pid, reading in after.items()
    }


def _read(pid: int) -> _Reading | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return _Reading(ticks=int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS]), pages=int(fields[_RESIDENT_PAGES]), at=time.monotonic())
