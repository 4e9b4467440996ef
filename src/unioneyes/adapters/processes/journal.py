"""The log file of one process: what it writes, and what the supervisor says about it. Bounded in size."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

SUPERVISOR = "supervisor"
"""Who made a remark."""


def open_log(log: Path) -> IO[bytes]:
    """Return the log, opened for appending."""
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab")


def remark(log: Path, level: str, message: str, *, process: str) -> None:
    """The log has a line of ours, one JSON object as the processes' own lines: it also dates the plain text around it."""
    line = json.dumps(
        {"timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "message": message, "process": process, "by": SUPERVISOR}
    )
    with open_log(log) as file:
        file.write(f"{line}\n".encode())


def rotated(log: Path) -> Path:
    """Return where the older part of a log stands."""
    return log.with_name(f"{log.name}.1")


def rotate(log: Path, *, at_bytes: int) -> bool:
    """The log is smaller than `at_bytes`; what it held stands in the rotated one. Return whether there was anything to do.

    Copied and cut off, because its writers keep it open: what they write in the microseconds between is lost.
    """
    try:
        if log.stat().st_size < at_bytes:
            return False
        with log.open("rb+") as current, rotated(log).open("wb") as older:
            shutil.copyfileobj(current, older, 1 << 20)
            current.truncate(0)
    except FileNotFoundError:
        return False
    return True
