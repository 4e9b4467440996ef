"""Looking at both colours, once every half second: the data plane's counters, probes, health reports, restarts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread
from time import monotonic
from typing import Generic, TypeVar

from unioneyes.kernel.clock import Deadline, now
from unioneyes.kernel.problems import Problem, Unavailable
from unioneyes.operations.deployment.comparison import Counts
from unioneyes.operations.deployment.model import Figures
from unioneyes.operations.deployment.readings import Readings
from unioneyes.operations.deployment.slices import Slice
from unioneyes.operations.deployment.verdict import HAMPERED_MS, HEALTH_EVERY, SLOW_LIMIT_MS, Look, Seen, Tally, less, total
from unioneyes.ports.replicas import Outcome, Replicas
from unioneyes.ports.service import HealthStatus, Probe, Service
from unioneyes.ports.traffic import Colour, ColourCounters, Counters, Traffic

T = TypeVar("T")

PROBES_EVERY = timedelta(milliseconds=100)
"""Per colour: enough that a few seconds tell a fault of one version from a fault that hits both. The data plane counts what they are answered, in the
same reading as what members are: on a busy machine this program hears of it seconds later, and would compare one version's now with the other's then."""

LOGS_EVERY = timedelta(seconds=5)

PROBES_AT_ONCE = 50
"""Members do not wait for each other. Probes that did would hardly be there while something outside hangs, and what only probes ask would seem spared."""


OUTCOMES_EVERY = timedelta(seconds=1)

REHEARSE_EVERY = timedelta(seconds=2)
"""How often going back is tried, as far as that can be done without going: the routes are written anew each time."""

BLIND_FOR = timedelta(seconds=10)
"""How long the data plane may be silent before the watch can't say anything any more."""


class Repeated(Generic[T]):
    """Asks the same thing again and again in threads of its own, so that a slow answer delays nobody else."""

    def __init__(self, ask: Callable[[], T], *, every: timedelta, at_once: int = 1) -> None:
        """Ask from now on, until `stop`, whether or not earlier answers are still due; with `at_once` of them due, as soon as one has come."""
        self._ask, self._every = ask, every
        self._answers: SimpleQueue[T] = SimpleQueue()
        self._stopped = Event()
        self._places = Semaphore(at_once)
        Thread(target=self._repeat, name="watch", daemon=True).start()

    def answers(self) -> Iterator[T]:
        """Yield what was answered since the last call."""
        with suppress(Empty):
            while True:
                yield self._answers.get_nowait()

    def stop(self) -> None:
        """Ask no more; what is still being asked is left to its own time limit."""
        self._stopped.set()

    def _repeat(self) -> None:
        began = monotonic()
        while not self._stopped.wait(max(0.0, began + self._every.total_seconds() - monotonic())):
            self._places.acquire()  # given back by the thread that asks
            if self._stopped.is_set():
                return
            began = monotonic()
            Thread(target=self._ask_once, name="watch", daemon=True).start()

    def _ask_once(self) -> None:
        try:
            self._answers.put(self._ask())
        finally:
            self._places.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How long answers took."""

    at_most: tuple[tuple[float, int], ...] = ()
    """Cumulative: (upper bound in ms, answers at or below it)."""
    timed: int = 0
    """All of them."""

    def plus(self, earlier: ColourCounters, later: ColourCounters) -> Histogram:
        """Return the histogram with what `later` counted after `earlier`."""
        had, was = dict(self.at_most), dict(earlier.latency)
        return Histogram(
            at_most=tuple((bound, had.get(bound, 0) + count - was.get(bound, 0)) for bound, count in later.latency),
            timed=self.timed + later.timed - earlier.timed,
        )

    def quantile(self, share: float) -> float | None:
        """Return the milliseconds within which `share` (0-1) of the answers came, linear within a bucket; None without answers."""
        wanted = share * self.timed
        if self.timed <= 0 or not self.at_most:
            return None
        low, below = 0.0, 0
        for bound, count in self.at_most:
            if count >= wanted:
                return low + (bound - low) * (wanted - below) / max(count - below, 1)
            low, below = bound, count
        return low


@dataclass(slots=True, kw_only=True)
class Gathered:
    """What came in of one colour since the switch."""

    counters: ColourCounters
    """The last reading of its members."""
    preview: ColourCounters
    """The last reading of its probes."""
    probing: Repeated[Probe]
    asking: Repeated[bool]
    counting: Repeated[tuple[Outcome, ...] | None]
    reading: Repeated[int | None]
    members: Tally = field(default_factory=Tally)
    probes: Tally = field(default_factory=Tally)
    """Those that were answered, as the data plane counts them, and those that gave up."""
    latency: Histogram = field(default_factory=Histogram)
    """Members' answers since the switch."""
    healthy: bool | None = None
    """The last health report since the last look; None when none came."""
    answered: bool | None = None
    """Whether a probe since the last look was answered well; None when none came back."""
    log_errors: int | None = None
    """Lines at ERROR since the switch, as read since the last look; None when they were not, or could not be."""
    readings: Readings = field(default_factory=Readings)

    @property
    def heard(self) -> Tally:
        """Members' and probes' answers since the switch."""
        return total((self.members, self.probes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the replicas stand, by colour."""

    restarts: Mapping[Colour, int]
    """How often they were started again."""
    ready: Mapping[Colour, int]
    ended: Mapping[Colour, str]
    """How one of them ended by itself."""


class Lookout:
    """The watch's eyes: one per watch."""

    def __init__(
        self,
        *,
        traffic: Traffic,
        replicas: Replicas,
        service: Service,
        new: Colour,
        old: Colour | None,
        since: Counters,
        split: bool,
        failed_before: Mapping[Slice, Counts] | None = None,
    ) -> None:
        """Look at `new`, and at `old` where there is one, from the reading `since` on; `split`: both get members.

        `failed_before` is where the old version failed, as replicas that have ended since counted it.
        """
        self._failed_before = failed_before or {}
        self._traffic, self._replicas, self._service = traffic, replicas, service
        self._new, self._old, self._since, self._split = new, old, since.at, split
        self._began, self._began_at = monotonic(), now()
        self._blind_from = Deadline.after(BLIND_FOR)
        standing = self._standing()
        self._restarts_before = standing.restarts if standing else {}
        self._rehearsing = None if old is None else Repeated(partial(self._rehearse, old), every=REHEARSE_EVERY)
        self.rollback_takes: timedelta | None = None
        """What going back took when it was last tried: the routes' confirmation and an answer of the old version. None when it could not be done."""
        self._seen = {
            colour: Gathered(
                counters=since.of(colour),
                preview=since.preview_of(colour),
                probing=Repeated(partial(service.probe, colour), every=PROBES_EVERY, at_once=PROBES_AT_ONCE),
                asking=Repeated(partial(self._healthy, colour), every=HEALTH_EVERY),
                counting=Repeated(partial(self._outcomes, colour), every=OUTCOMES_EVERY),
                reading=Repeated(partial(self._log_errors, colour), every=LOGS_EVERY),
            )
            for colour in ([new] if old is None else [new, old])
        }

    def stop(self) -> None:
        """Look no more."""
        for seen in self._seen.values():
            seen.probing.stop()
            seen.asking.stop()
            seen.counting.stop()
            seen.reading.stop()
        if self._rehearsing is not None:
            self._rehearsing.stop()

    @property
    def blind(self) -> bool:
        """True when the data plane has been silent for too long."""
        return self._blind_from.passed

    def look(self) -> Look:
        """Return what was seen since the last look."""
        before = {colour: seen.heard for colour, seen in self._seen.items()}
        self._read_counters()
        standing = self._standing()
        for takes in self._rehearsing.answers() if self._rehearsing else ():
            self.rollback_takes = takes
        found = {}
        for colour, seen in self._seen.items():
            _take_in(seen)
            stands = standing.ready.get(colour, 0) if standing is not None else None
            found[colour] = Seen(
                tally=less(seen.heard, before[colour])
                if colour is self._new or stands != 0
                else Tally(),  # of an old version that stands nowhere, nothing is heard
                healthy=seen.healthy,
                slices=seen.readings.slices,
                before=seen.readings.before if colour is self._new else {**self._failed_before, **seen.readings.before},
                ready=stands,
                answered=seen.answered,
                restarts=(standing.restarts.get(colour, 0) if standing else 0) - self._restarts_before.get(colour, 0),
                ended=standing.ended.get(colour) if standing else None,
                log_errors=seen.log_errors,
            )
        self._failed_before = {}
        at = self._began_at + timedelta(seconds=monotonic() - self._began)  # the window of five minutes moves by it, so it must not jump
        return Look(at=at, new=found[self._new], old=found[self._old] if self._old else None, split=self._split)

    def _rehearse(self, old: Colour) -> timedelta | None:
        try:
            routes = self._traffic.rehearse_shift()
        except Problem:
            return None
        probe = self._service.probe(old)
        return routes + probe.took if probe.ok else None

    @property
    def of_new(self) -> Figures:
        """What was seen of the new version since the switch."""
        return self.figures(self._new)

    @property
    def of_old(self) -> Figures | None:
        """What was seen of the old one; None where there is none."""
        return self.figures(self._old) if self._old else None

    def figures(self, colour: Colour) -> Figures:
        """Return what was seen of `colour` since the switch."""
        seen = self._seen[colour]
        heard = seen.heard
        return Figures(
            answers=heard.answers,
            errors=heard.errors,
            slow=heard.slow,
            p99_ms=seen.latency.quantile(0.99),
            hampered=heard.hampered,
        )

    def _read_counters(self) -> None:
        with suppress(Unavailable):
            counters = self._traffic.counters()
            self._blind_from = Deadline.after(BLIND_FOR)
            for colour, seen in self._seen.items():
                reading = counters.of(colour)
                if reading.answers >= seen.counters.answers:  # a counter that fell means a restarted data plane: start anew from here
                    seen.members = total((seen.members, answered(seen.counters, reading)))
                    seen.latency = seen.latency.plus(seen.counters, reading)
                seen.counters = reading
                reading = counters.preview_of(colour)
                if reading.answers >= seen.preview.answers:
                    seen.probes = total((seen.probes, _probed(seen.preview, reading)))
                seen.preview = reading

    def _standing(self) -> Standing | None:
        """Return how the replicas stand; None when nobody can say now."""
        try:
            replicas = self._replicas.all()
        except Unavailable:
            return None
        restarts, ready = Counter[Colour](), Counter[Colour]()
        for replica in replicas:
            restarts[replica.colour] += replica.restarts
            ready[replica.colour] += replica.ready
        return Standing(restarts=restarts, ready=ready, ended={replica.colour: replica.ended for replica in replicas if replica.ended})

    def _outcomes(self, colour: Colour) -> tuple[Outcome, ...] | None:
        try:
            return self._replicas.outcomes(colour)
        except Problem:
            return None

    def _log_errors(self, colour: Colour) -> int | None:
        try:
            return len(self._replicas.logs(colour, since=self._since, level="ERROR"))
        except Problem:
            return None

    def _healthy(self, colour: Colour) -> bool:
        try:
            return self._service.health(colour).status is not HealthStatus.UNHEALTHY
        except Unavailable:
            return False


def _take_in(seen: Gathered) -> None:
    """Count the probes that gave up, and keep what was reported and read since the last look."""
    seen.answered = None
    for probe in seen.probing.answers():
        if probe.status is None:  # the data plane counts no request that was not answered
            seen.probes = total((seen.probes, Tally(answers=1, errors=1, slow=probe.took > timedelta(milliseconds=SLOW_LIMIT_MS))))
        seen.answered = seen.answered or probe.ok
    seen.healthy = None
    for report in seen.asking.answers():
        seen.healthy = report
    seen.log_errors = None
    for errors in seen.reading.answers():
        seen.log_errors = errors
    seen.readings.begin_look()
    for outcomes in seen.counting.answers():
        if outcomes is not None:
            seen.readings.take(outcomes)


def slower_than(counters: ColourCounters, limit_ms: float) -> int:
    """Return how many answers took longer than `limit_ms`, which is one of the histogram's bounds."""
    return counters.timed - max((count for bound, count in counters.latency if bound <= limit_ms), default=0)


def answered(earlier: ColourCounters, later: ColourCounters) -> Tally:
    """Return what members were answered between two readings."""
    answers = later.answers - earlier.answers
    return Tally(
        answers=answers,
        errors=min(later.answers_5xx - earlier.answers_5xx, answers),  # the two are not counted in the same moment
        slow=_more_slower_than(SLOW_LIMIT_MS, earlier, later),
    )


def _probed(earlier: ColourCounters, later: ColourCounters) -> Tally:
    """Return what probes were answered between two readings: those that failed, and those of which it is known by now how long they took."""
    errors = later.answers_5xx - earlier.answers_5xx
    return Tally(
        answers=max(errors, later.timed - earlier.timed),
        errors=errors,
        slow=_more_slower_than(SLOW_LIMIT_MS, earlier, later),
        hampered=_more_slower_than(HAMPERED_MS, earlier, later),
    )


def _more_slower_than(limit_ms: float, earlier: ColourCounters, later: ColourCounters) -> int:
    return max(0, slower_than(later, limit_ms) - slower_than(earlier, limit_ms))
