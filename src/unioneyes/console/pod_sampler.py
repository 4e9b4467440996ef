"""Reads how the service's pods are every two seconds, and remembers which of them ended by themselves. No data is no data, never a zero."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from threading import Event, Thread

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.redaction import Redactor
from unioneyes.operations.deployment.status import PodEnd
from unioneyes.ports.pods import Pod, Pods
from unioneyes.ports.traffic import Colour

EVERY = timedelta(seconds=2)
KEPT = timedelta(minutes=15)
"""How long it is told that a pod ended by itself."""
_MOST = 200
"""Ends that are remembered: a crash loop of many pods fills no memory."""
_OLD_AFTER = 5
"""Readings that may fail in a row before the last good one says nothing about now."""

log = logging.getLogger(__name__)


class PodSampler:
    """Samples in a thread of its own from `start` to `stop`."""

    def __init__(self, pods: Pods, *, redact: Redactor, every: timedelta = EVERY) -> None:
        """Read `pods`, once `every` so often; `redact` what they say last."""
        self._pods, self._redact, self._every = pods, redact, every
        self._last: tuple[datetime, tuple[Pod, ...]] | None = None
        self._ends: deque[PodEnd] = deque(maxlen=_MOST)
        self._stop = Event()
        self._thread = Thread(target=self._sample, name="pod-sampler", daemon=True)

    def start(self) -> None:
        """Sample from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Sample no more; a reading that is under way is left to its own time limit."""
        self._stop.set()

    def pods(self, colour: Colour | None = None) -> tuple[Pod, ...] | None:
        """Return the pods, or those of one colour, as they were a moment ago; None when nobody says."""
        last = self._last
        if last is None or now() - last[0] > self._every * _OLD_AFTER:
            return None
        return tuple(pod for pod in last[1] if colour is None or pod.colour is colour)

    def ends(self) -> tuple[PodEnd, ...]:
        """Return which pods ended by themselves in the last quarter of an hour, newest first; those that are gone since, too."""
        since = now() - KEPT
        return tuple(end for end in reversed(tuple(self._ends)) if end.at > since)

    def look(self) -> None:
        """One reading is taken into account."""
        try:
            pods = self._pods.all()
        except Problem:
            return  # `pods` says so once the last good reading is too old
        at = now()
        self._last = (at, pods)
        for end in new_ends(pods, tuple(self._ends), at=at):
            told = PodEnd(pod=end.pod, colour=end.colour, version=end.version, restarts=end.restarts, at=end.at, how=self._redact(end.how), reason=end.reason)
            self._ends.append(told)
            log.warning("%s", told)

    def _sample(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(self._every.total_seconds())


def new_ends(pods: Iterable[Pod], known: Iterable[PodEnd], *, at: datetime) -> tuple[PodEnd, ...]:
    """Return which of the pods ended by themselves since they were looked at last; of those that did so long before `at`, nobody is told."""
    seen = {(end.pod, end.at) for end in known} | {(end.pod, end.restarts) for end in known}
    ended = [
        PodEnd(
            pod=pod.name,
            colour=pod.colour,
            version=pod.version,
            restarts=pod.restarts,
            at=pod.last_end.at or at,
            how=str(pod.last_end),
            reason=pod.last_end.reason,
        )
        for pod in pods
        if pod.last_end is not None
    ]
    return tuple(sorted((end for end in ended if end.at > at - KEPT and not {(end.pod, end.at), (end.pod, end.restarts)} & seen), key=lambda end: end.at))
