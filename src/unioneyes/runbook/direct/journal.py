"""The local journal of a break-glass run: one line of JSON for each thing that happens, on the disk before anything is changed.

Each line holds the SHA-256 of the one before, so that a line that was changed, taken out or put in shows. A last line that a kill cut in two is none.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from unioneyes.kernel.files import keep_name
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.runbook.views import JournalEntry

FORM = 1
"""Of a line: raised when a field changes its meaning."""
_PRIVATE = 0o600
_ENTRY = TypeAdapter(JournalEntry)
_FIELDS = {"v", "by", "before", "entry"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectLine:
    """One line: what happened, and who was at it."""

    by: str
    """The person's login name."""
    entry: JournalEntry
    """Numbered from 1 in its own file."""


class DirectJournal:
    """One run's file, open to be written. One process at a time: see `DirectFolder.alone`."""

    def __init__(self, path: Path) -> None:
        """Go on after the last whole line of `path`, which is made where it is missing. Raises: JournalNotKept, JournalDamaged."""
        self.path = path
        try:
            new = not path.exists()
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, _PRIVATE)
            if new:
                keep_name(path.parent)
        except OSError as error:
            raise _not_kept(path, error) from None
        kept = path.read_bytes()
        self.lines = read_lines(kept, path.name)
        whole = kept[: kept.rfind(b"\n") + 1]
        self._length = len(whole)
        self._before = _hash_of_last(whole)

    def append(self, line: DirectLine) -> None:
        """The file ends with the line, and a power cut leaves it there. Raises: JournalNotKept; what stood there before still stands."""
        text = _text(line, self._before)
        try:
            if os.fstat(self._descriptor).st_size > self._length:  # what an earlier try, or a kill, cut in two
                os.ftruncate(self._descriptor, self._length)
            written = 0
            while written < len(text):
                written += os.write(self._descriptor, text[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            raise _not_kept(self.path, error) from None
        self._length += len(text)
        self._before = _hash_of_last(text)
        self.lines = (*self.lines, line)

    def close(self) -> None:
        """The file is closed."""
        os.close(self._descriptor)


def read_journal(path: Path) -> tuple[DirectLine, ...]:
    """Return the whole lines of the file. Raises: JournalDamaged, also where it can't be read."""
    try:
        kept = path.read_bytes()
    except OSError as error:
        raise JournalDamaged(what=f"{path} can't be read: {error.strerror}", remedy="make it readable, or move it away") from None
    return read_lines(kept, path.name)


def read_lines(kept: bytes, name: str) -> tuple[DirectLine, ...]:
    """Return the lines of a file called `name`, up to the last whole one. Raises: JournalDamaged, with the first line that is not what was written."""
    lines: list[DirectLine] = []
    before = _hash_of_last(b"")
    run = None
    for number, text in enumerate(kept[: kept.rfind(b"\n") + 1].splitlines(keepends=True), start=1):
        try:
            document = from_json(text)
            if not isinstance(document, dict) or document.keys() != _FIELDS or document["v"] != FORM or document["before"] != before:
                raise _damaged(name, number)
            line = DirectLine(by=str(document["by"]), entry=_ENTRY.validate_python(document["entry"]))
        except (ValueError, ValidationError):
            raise _damaged(name, number) from None
        run = run or line.entry.run_id
        if line.entry.seq != number or line.entry.run_id != run or _text(line, before) != text:
            raise _damaged(name, number)
        before = _hash_of_last(text)
        lines.append(line)
    return tuple(lines)


def _text(line: DirectLine, before: str) -> bytes:
    document = {"v": FORM, "by": line.by, "before": before, "entry": _ENTRY.dump_python(line.entry, mode="json")}
    return f"{json.dumps(document, sort_keys=True, separators=(',', ':'))}\n".encode()  # in ASCII: no text in it ends a line


def _hash_of_last(whole: bytes) -> str:
    """Return the SHA-256 of the last line in `whole`; of nothing, where there is none."""
    return hashlib.sha256(whole[whole.rfind(b"\n", 0, -1) + 1 :]).hexdigest()


def _damaged(name: str, number: int) -> JournalDamaged:
    return JournalDamaged(what=f"line {number} of the break-glass journal {name} is not what was written", remedy="keep the file, and find out who changed it")


def _not_kept(path: Path, error: OSError) -> JournalNotKept:
    return JournalNotKept(what=f"{path} can't be written: {error.strerror}", remedy="make room or give permission, then try again")


class JournalDamaged(Problem):
    """A break-glass journal is not what was written."""


class JournalNotKept(Refused):
    """The break-glass journal can't be written, so nothing was changed."""
