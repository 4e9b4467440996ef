"""The durations that PostgreSQL logged as JSON on this machine: how a server is made to log a share of them, and what its files say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from unioneyes.adapters.postgres.query_texts import valueless
from unioneyes.ports.query_history import LoggedQuery, Means

MOST = 64 << 20
"""Bytes of the log that are read, the newest: some 150,000 queries, in about a second."""
_DURATION = b'"duration: '
_SAID = re.compile(r"duration: (?P<took>\d+\.\d+) ms  (?:(?P<plan>plan:)|statement:|execute [^\n]*?:)\s*(?P<rest>.*)", re.DOTALL)
"""Source: PostgreSQL, `exec_simple_query`, `exec_execute_message` and auto_explain's `explain_ExecutorEnd`. Parsing and binding have lines of their own."""
_QUERY_TEXT = re.compile(r"Query Text: (?P<text>.*?)(?:\nQuery Parameters: |\n[^\n]*\(cost=|\Z)", re.DOTALL)
_QUERY_TEXT_JSON = re.compile(r'"Query Text": (?P<text>"(?:[^"\\]|\\.)*")')


def logging_a_share(folder: Path) -> Mapping[str, str]:
    """Return the settings by which a server logs to `folder`, as JSON, a twentieth of the durations, all that took a second, and everything else that it says.

    The values that a client sends beside its statement are left out. An hour has one file, and the hour of the next day takes its place.
    """
    return {
        "compute_query_id": "on",
        "log_destination": "jsonlog",
        "log_directory": str(folder),
        "log_filename": "server-%H",
        "log_min_duration_sample": "0",
        "log_min_duration_statement": "1s",
        "log_parameter_max_length": "0",
        "log_rotation_age": "1h",
        "log_rotation_size": "0",
        "log_statement_sample_rate": "0.05",
        "log_timezone": "UTC",
        "log_truncate_on_rotation": "on",
        "logging_collector": "on",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A file of the log, and where its reading begins."""

    file: Path
    begin: int
    """Byte; where that is not 0, in the middle of a line that is left out."""

    def lines(self) -> Iterator[bytes]:
        """Yield its whole lines. Raises: OSError."""
        with self.file.open("rb") as opened:
            opened.seek(self.begin)
            if self.begin:
                opened.readline()
            yield from opened


def pieces(folder: Path, *, since: datetime, most: int = MOST) -> tuple[Piece, ...]:
    """Return the newest `most` bytes of what may have been logged since then, newest file first. Raises: OSError."""
    chosen: list[Piece] = []
    room = most
    there = ((found.st_mtime, found.st_size, path) for path in folder.glob("*.json") for found in (path.stat(),))
    for at, size, file in sorted(there, reverse=True):
        if at < since.timestamp() or room <= 0:
            break
        chosen.append(Piece(file=file, begin=max(size - room, 0)))
        room -= size
    return tuple(chosen)


def begins(piece: Piece, *, zone: ZoneInfo) -> datetime | None:
    """Return when the first line was logged that is read of it. Raises: OSError."""
    return next((at for line in piece.lines() if (said := _line(line)) is not None and (at := _moment(said.get("timestamp"), zone)) is not None), None)


@dataclass(slots=True, kw_only=True)
class _Kept:
    said: str
    planned: bool
    last: datetime
    took: list[float] = field(default_factory=list)


def read_durations(lines: Iterable[bytes], *, means: Means, database: str, since: datetime, zone: ZoneInfo) -> tuple[LoggedQuery, ...]:
    """Return what the lines say of the queries on `database` that ended since then, by query. Pure; a line that says nothing of it is passed over.

    One without an id is passed over too: no two of its kind could be told to be of one.
    """
    found: dict[str, _Kept] = {}
    for line in lines:
        if _DURATION not in line or (said := _line(line)) is None or said.get("dbname") != database:
            continue
        match = _SAID.match(str(said.get("message", "")))
        at = _moment(said.get("timestamp"), zone)
        if match is None or at is None or at < since or (match["plan"] is not None) is not (means is Means.AUTO_EXPLAIN):
            continue
        number = said.get("query_id")
        if not isinstance(number, int) or number == 0:
            continue
        kept = found.setdefault(str(number), _Kept(said=match["rest"], planned=match["plan"] is not None, last=at))
        if at > kept.last:
            kept.said, kept.last = match["rest"], at
        kept.took.append(float(match["took"]))
    return tuple(
        LoggedQuery(query_id=number, query=valueless(_planned(kept.said) if kept.planned else kept.said), took=tuple(kept.took), last=kept.last)
        for number, kept in found.items()
    )


def newest_statement(lines: Iterable[bytes], *, database: str, query_id: str) -> str | None:
    """Return the statement of this id that was logged last, with whatever stands in it; None where none was. Pure."""
    found = None
    for line in lines:
        if _DURATION not in line or query_id.encode() not in line or (said := _line(line)) is None or said.get("dbname") != database:
            continue
        if str(said.get("query_id")) == query_id and (match := _SAID.match(str(said.get("message", "")))) is not None:
            found = _planned(match["rest"]) if match["plan"] else match["rest"]
    return found


def _line(line: bytes) -> dict[str, object] | None:
    """Return what a line holds; None of one that is not whole, as the last of a file may be."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _moment(said: object, zone: ZoneInfo) -> datetime | None:
    """Return the moment of a line, which is written as the server's zone has it: `2026-05-01 02:00:00.123 CEST`."""
    try:
        return datetime.strptime(str(said).rpartition(" ")[0], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _planned(rest: str) -> str:
    """Return the query of a plan that auto_explain logged, in its form for people or as JSON."""
    if (found := _QUERY_TEXT_JSON.search(rest)) is not None:
        return str(json.loads(found["text"], strict=False))
    return found["text"] if (found := _QUERY_TEXT.match(rest)) is not None else ""
