"""When a colour has nothing under way any more, by whatever counts its requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from unioneyes.kernel.cancelling import sleep
from unioneyes.ports.traffic import Colour, ColourCounters, Drained

_POLL_SECONDS = 0.05


def await_drained(counters: Callable[[], ColourCounters], colour: Colour, *, within: timedelta) -> Drained:
    """Return when `colour` has no request under way in two looks running and got none between them, or when the time is up. Raises: what `counters` does."""
    started = time.monotonic()
    before = None
    while True:
        counted = counters()
        took = timedelta(seconds=time.monotonic() - started)
        still = (counted.active, counted.answers)
        if still == before and counted.active == 0:
            return Drained(colour=colour, took=took, left=0)
        if took >= within:
            return Drained(colour=colour, took=took, left=counted.active)
        before = still
        sleep(_POLL_SECONDS)
