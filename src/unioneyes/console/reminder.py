"""Reminds of a review of the runbook document that was missed: a warning in the server's log, when it starts and once a day."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.upkeep import Upkeep

EVERY = timedelta(days=1)
log = logging.getLogger(__name__)


class Reminder:
    """Looks in a thread of its own from `start` to `stop`."""

    def __init__(self, read: Callable[[], Upkeep], *, every: timedelta = EVERY) -> None:
        """Ask `read` what the policy says, once `every` so often. It may raise a Problem, which is told in place of the review."""
        self._read = read
        self._every = every
        self._stop = Event()
        self._thread = Thread(target=self._look, name="reminder", daemon=True)

    def start(self) -> None:
        """Look at once, and again and again."""
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended."""
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            try:
                missed = self._read().missed(now())
            except Problem as problem:
                missed = f"{problem}"
            if missed is not None:
                log.warning("%s", missed)
            if self._stop.wait(self._every.total_seconds()):
                return
