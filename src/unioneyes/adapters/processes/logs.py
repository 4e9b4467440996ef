"""Reading what processes logged."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from unioneyes.adapters.processes.journal import SUPERVISOR, rotated
from unioneyes.kernel.logged import Entry, moment_of, parse

_BLOCK = 256 << 10
"""Bytes by which a log is searched backwards."""
_TAIL = 16 << 10
"""Bytes in which last words are looked for."""
_COARSE = timedelta(seconds=2)
"""By how much a file's own time may lie before that of a line in it."""


def read_log(log: Path, *, since: datetime) -> tuple[Entry, ...]:
    """Return what was logged since then, oldest first, the rotated part included. Exact to the millisecond, as log lines are."""
    since = since.replace(microsecond=since.microsecond // 1000 * 1000)
    entries: list[Entry] = []
    for part in (rotated(log), log):
        try:
            if datetime.fromtimestamp(part.stat().st_mtime, UTC) >= since - _COARSE:
                entries.extend(entry for entry in parse(_lines_since(part, since), undated=since) if entry.at >= since)
        except FileNotFoundError:
            continue
    return tuple(entries)


def read_tail(log: Path, *, lines: int, since: datetime | None = None, upto: int | None = None) -> tuple[Entry, ...]:
    """Return the last `lines` lines of a log, oldest first, those alone that were logged since then; of its first `upto` bytes, where that is given.

    What is plain text in front of the first dated line counts as logged then.
    """
    try:
        with log.open("rb") as file:
            end = log.stat().st_size if upto is None else upto
            text = _last_lines(file, end, lines)
    except FileNotFoundError:
        return ()
    first = next((moment for moment in (_dated(line.encode()) for line in text) if moment), datetime.now(UTC))
    return tuple(entry for entry in parse(text, undated=first) if since is None or entry.at >= since)


def last_words(log: Path, lines: int) -> str:
    """Return the last lines that the process logged, as one line of text, or why it could not be started; empty when there is nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            text = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    said = [entry.message for entry in parse(text, undated=datetime.now(UTC)) if entry.by != SUPERVISOR or entry.level == "CRITICAL"]
    return " / ".join(said[-lines:])


def _lines_since(file: Path, since: datetime) -> list[str]:
    """Return the end of the file, from a line before `since` on: found backwards, so that a long log costs little."""
    with file.open("rb") as log:
        start = file.stat().st_size
        while start > 0:
            start = max(0, start - _BLOCK)
            log.seek(start)
            if start:
                log.readline()  # cut in the middle
            start_of_line = log.tell()
            first = next((moment for moment in map(_dated, log) if moment), None)
            if first and first < since:
                log.seek(start_of_line)
                return log.read().decode(errors="replace").splitlines()
        log.seek(0)
        return log.read().decode(errors="replace").splitlines()


def _last_lines(file: BinaryIO, end: int, lines: int) -> list[str]:
    """Return the last `lines` lines before the byte `end`: found backwards."""
    start, held = end, b""
    while start > 0 and held.count(b"\n") <= lines:
        step = min(_BLOCK, start)
        start -= step
        file.seek(start)
        held = file.read(step) + held
    return held.decode(errors="replace").splitlines()[-lines:]


def _dated(line: bytes) -> datetime | None:
    if not line.startswith(b"{"):
        return None
    try:
        return moment_of(json.loads(line).get("timestamp"))
    except ValueError:
        return None
