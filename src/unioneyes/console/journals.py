"""Journals of the runs that people look at, read once and then continued: a page that is open asks each second."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from unioneyes.runbook.engine import Engine
from unioneyes.runbook.views import JournalEntry

_PAGE = 500
_LONGEST = 20_000
"""Lines of one journal that are kept; a watch of ten minutes writes about 1200."""
_KEPT = 8
"""How many journals are kept."""


class Journals:
    """Whole journals, from the engine."""

    def __init__(self, engine: Engine) -> None:
        """Read from `engine`."""
        self._engine = engine
        self._read: OrderedDict[str, tuple[JournalEntry, ...]] = OrderedDict()
        self._lock = Lock()

    def of(self, run_id: str) -> tuple[JournalEntry, ...]:
        """Return every line of the run's journal so far, its children's included, in order."""
        with self._lock:
            entries = self._read.pop(run_id, ())
        while len(entries) < _LONGEST:
            page = self._engine.journal(run_id, after=entries[-1].seq if entries else 0, limit=_PAGE)
            entries = (*entries, *page)
            if len(page) < _PAGE:
                break
        with self._lock:
            self._read[run_id] = entries
            while len(self._read) > _KEPT:
                self._read.popitem(last=False)
        return entries
