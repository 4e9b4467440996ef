"""What services log, as it is read: JSON lines, and the plain text of whatever did not get that far. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
"""From the quietest."""

_LEVEL_IN_TEXT = re.compile(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL|PANIC)\b")
_OTHER_NAMES = {"FATAL": "CRITICAL", "PANIC": "CRITICAL", "WARN": "WARNING", "LOG": "INFO"}
_WARNINGS = LEVELS[2:]
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
    """Who says it of the process, where the process does not say it itself: `supervisor`."""


def last_words(entries: Sequence[Entry], *, killed: bool) -> str:
    """Return the last thing that a service said about itself, and not to whoever asked it something; of one that was `killed`, a warning at least."""
    for entry in reversed(entries):
        if (entry.request_id is None and not killed) or entry.level in _WARNINGS:
            return entry.message
    return ""


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
        at=moment_of(fields.get("timestamp")) or undated,
        level=level if level in LEVELS else "INFO",
        message=message,
        request_id=str(request) if request else None,
        by=str(by) if by else None,
    )


def _from_text(line: str, *, at: datetime) -> Entry:
    found = _LEVEL_IN_TEXT.search(line)
    level = found[1] if found else "INFO"
    return Entry(at=at, level=_OTHER_NAMES.get(level, level), message=line)


def moment_of(text: object) -> datetime | None:
    """Return the moment that the text names, in UTC where it names no zone; None when it names none."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
