"""Reading what processes logged: JSON lines, and the plain text of whatever did not get that far."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from unioneyes.adapters.processes.journal import SUPERVISOR, rotated

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
"""From the quietest."""

_BLOCK = 256 << 10
"""Bytes by which a log is searched backwards."""
_TAIL = 16 << 10
"""Bytes in which last words are looked for."""
_COARSE = timedelta(seconds=2)
"""By how much a file's own time may lie before that of a line in it."""
_LEVEL_IN_TEXT = re.compile(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL|PANIC)\b")
_OTHER_NAMES = {"FATAL": "CRITICAL", "PANIC": "CRITICAL", "WARN": "WARNING", "LOG": "INFO"}
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that was logged."""

    at: datetime
    level: str
    """One of LEVELS."""
    message: str
    request_id: str | None = None
    by: str | None = None
    """`supervisor` for its own remarks."""


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


def parse(lines: Iterable[str], *, undated: datetime) -> Iterator[Entry]:
    """Yield what the lines say. Plain text has the time of the dated line before it, or `undated`; a traceback is one ERROR, named by its last line."""
    at, in_traceback = undated, False
    for line in lines:
        entry = _from_json(line, undated=at)
        if in_traceback and (entry or not line.startswith((" ", "\t"))) and line.strip():
            in_traceback = False
            if entry is None:
                yield Entry(at=at, level="ERROR", message=line.strip())
                continue
            yield Entry(at=at, level="ERROR", message=_TRACEBACK)
        if entry:
            at = entry.at
            yield entry
        elif line.startswith(_TRACEBACK):
            in_traceback = True
        elif line.strip() and not in_traceback:
            yield _from_text(line.strip(), at=at)
    if in_traceback:
        yield Entry(at=at, level="ERROR", message=_TRACEBACK)


def _from_json(line: str, *, undated: datetime) -> Entry | None:
    if not line.startswith("{"):
        return None
    try:
        fields: dict[str, object] = json.loads(line)
    except ValueError:
        return None
    level = str(fields.get("level", "INFO")).upper()
    level = _OTHER_NAMES.get(level, level)
    message, request, by = str(fields.get("message", line)), fields.get("request_id"), fields.get("by")
    if exception := str(fields.get("exception") or "").strip():
        message = f"{message}: {exception.splitlines()[-1]}"
    return Entry(
        at=_moment(fields.get("timestamp")) or undated,
        level=level if level in LEVELS else "INFO",
        message=message,
        request_id=str(request) if request else None,
        by=str(by) if by else None,
    )


def _from_text(line: str, *, at: datetime) -> Entry:
    found = _LEVEL_IN_TEXT.search(line)
    level = found[1] if found else "INFO"
    return Entry(at=at, level=_OTHER_NAMES.get(level, level), message=line)


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


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


def _dated(line: bytes) -> datetime | None:
    if not line.startswith(b"{"):
        return None
    try:
        return _moment(json.loads(line).get("timestamp"))
    except ValueError:
        return None
