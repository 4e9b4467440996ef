"""Following what processes log, as they log it, also when a log becomes its older part and begins anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from unioneyes.adapters.processes.journal import rotated
from unioneyes.adapters.processes.logs import read_tail
from unioneyes.kernel.logged import Entry, parse

_LOOK_SECONDS = 0.2
_AT_MOST_SILENT_SECONDS = 1.0
_PIECE = 1 << 20
"""Bytes that are read of a log at one look: one that writes faster is read on at the next."""


@dataclass(slots=True)
class Followed:
    """One log, from its end on."""

    log: Path
    _read: int = 0
    """Bytes that were read."""
    _rest: bytes = field(default=b"")
    """The beginning of a line whose end is not written yet."""
    _at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the last dated line was logged: plain text behind it was, too."""

    def begin(self, *, last: int, since: datetime | None) -> tuple[Entry, ...]:
        """Return its `last` lines since then; what comes behind them is `new`."""
        try:
            self._read = self.log.stat().st_size
        except FileNotFoundError:
            self._read = 0
        return read_tail(self.log, lines=last, since=since, upto=self._read)

    def new(self) -> tuple[Entry, ...]:
        """Return what was logged since the last look, whole lines only."""
        *whole, self._rest = (self._rest + self._new_bytes()).split(b"\n")
        entries = tuple(parse((line.decode(errors="replace") for line in whole), undated=self._at))
        if entries:
            self._at = entries[-1].at
        return entries

    def _new_bytes(self) -> bytes:
        try:
            size = self.log.stat().st_size
            if size >= self._read:
                return self._piece(self.log)
            found = self._piece(rotated(self.log), most=-1)
            self._read = 0  # it was copied, and cut off
            return found + self._piece(self.log)
        except FileNotFoundError:
            return b""

    def _piece(self, log: Path, *, most: int = _PIECE) -> bytes:
        with log.open("rb") as file:
            file.seek(self._read)
            piece = file.read(most)
        self._read += len(piece)
        return piece


def follow(logs: tuple[Path, ...], *, last: int, since: datetime | None, while_there: Callable[[], bool]) -> Iterator[tuple[Path, Entry] | None]:
    """Yield the `last` lines of all, then each that comes, with its log; None at least once a second while none does. Ends when `while_there` says so."""
    followed = [Followed(log) for log in logs]
    yield from _in_order([(each.log, entry) for each in followed for entry in each.begin(last=last, since=since)])[-last:]
    looked = spoke = time.monotonic()
    while True:
        come = _in_order([(each.log, entry) for each in followed for entry in each.new()])
        yield from come
        now = time.monotonic()
        if come:
            spoke = now
        elif now - spoke >= _AT_MOST_SILENT_SECONDS:
            spoke = now
            yield None
        if now - looked >= _AT_MOST_SILENT_SECONDS:
            looked = now
            if not while_there():
                return
        time.sleep(_LOOK_SECONDS)


def _in_order(entries: list[tuple[Path, Entry]]) -> list[tuple[Path, Entry]]:
    return sorted(entries, key=lambda found: found[1].at)
