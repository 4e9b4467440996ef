"""Looking at two versions whose replicas stand on one colour: members are sent to either, so only the replicas themselves can tell them apart.

Each counts what it answered by route, and says its version with each answer and each health report. Where a service counts nothing, the colour as a whole
is looked at: the new version's share of it is what it is, and there is nothing beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from time import monotonic

from unioneyes.kernel.clock import Deadline, now
from unioneyes.kernel.problems import Problem, Unavailable
from unioneyes.operations.deployment.model import Figures, Mixed
from unioneyes.operations.deployment.readings import Readings
from unioneyes.operations.deployment.verdict import HAMPERED_MS, HEALTH_EVERY, SLOW_LIMIT_MS, Look, Seen, Tally, total
from unioneyes.operations.deployment.watch import BLIND_FOR, LOGS_EVERY, OUTCOMES_EVERY, PROBES_AT_ONCE, PROBES_EVERY, Repeated, answered
from unioneyes.ports.replicas import Outcome, Replica, Replicas
from unioneyes.ports.service import Health, HealthStatus, Probe, Service
from unioneyes.ports.traffic import Colour, Counters, Traffic

REPORTS_EVERY = HEALTH_EVERY / 4
"""Whoever answers the question for a health report is one of several: asked so often, each of them is asked about once in `HEALTH_EVERY`."""

COUNTS_WITHIN = timedelta(seconds=5)
"""How long replicas have to show that they count anything: several readings of each."""


@dataclass(slots=True, kw_only=True)
class Side:
    """What came in of one version."""

    version: str
    readings: Readings = field(default_factory=Readings)
    heard: Tally = field(default_factory=Tally)
    """All since the watch began."""
    healthy: bool | None = None
    """The last health report since the last look; None when none came."""
    slow: int = 0
    """Probes since the last reading that took more than 2000 ms, by whom they were answered."""
    hampered: int = 0

    def begin_look(self) -> None:
        """Nothing came in since the last look yet."""
        self.readings.begin_look()
        self.healthy = None

    def hear(self, probe: Probe) -> None:
        """Take how long a probe took into account; whether it failed is counted by who answered it."""
        self.slow += probe.took > timedelta(milliseconds=SLOW_LIMIT_MS)
        self.hampered += probe.took > timedelta(milliseconds=HAMPERED_MS)

    def tally(self) -> Tally:
        """Return what was answered since the last reading; nothing in a look into which none came."""
        errors, answers = self.readings.added
        if not answers:
            return Tally()
        tally = Tally(answers=answers, errors=errors, slow=min(self.slow, answers), hampered=min(self.hampered, answers))
        self.slow = self.hampered = 0
        self.heard = total((self.heard, tally))
        return tally


class MixedLookout:
    """The watch's eyes while both versions stand on one colour: one per watch."""

    rollback_takes: timedelta | None = None
    """Nobody can try it without doing it."""

    def __init__(self, *, traffic: Traffic, replicas: Replicas, service: Service, colour: Colour, mixed: Mixed, since: Counters) -> None:
        """Look at both versions on `colour`, from the reading `since` on."""
        self._traffic, self._replicas, self._colour, self._since = traffic, replicas, colour, since.at
        self._began, self._began_at = monotonic(), now()
        self._blind_from, self._counts_until = Deadline.after(BLIND_FOR), Deadline.after(COUNTS_WITHIN)
        self._counters = since.of(colour)
        self._new, self._old = Side(version=mixed.new), Side(version=mixed.old)
        self._restarts_before = self._restarts(self._standing() or ())
        self._counting = Repeated(self._outcomes, every=OUTCOMES_EVERY)
        self._probing = Repeated(partial(service.probe, colour), every=PROBES_EVERY, at_once=PROBES_AT_ONCE)
        self._asking = Repeated(partial(_report, service, colour), every=REPORTS_EVERY)
        self._reading = Repeated(self._log_errors, every=LOGS_EVERY)

    def stop(self) -> None:
        """Look no more."""
        for repeated in (self._counting, self._probing, self._asking, self._reading):
            repeated.stop()

    @property
    def blind(self) -> bool:
        """True when neither the data plane nor the replicas have said anything for too long."""
        return self._blind_from.passed

    @property
    def of_new(self) -> Figures:
        """What was seen of the new version since the watch began."""
        return _figures(self._new)

    @property
    def of_old(self) -> Figures | None:
        """What was seen of the old one; None where the replicas count nothing, so that nobody can tell."""
        return None if self._whole else _figures(self._old)

    def look(self) -> Look:
        """Return what was seen since the last look."""
        self._take_in()
        members = self._members()
        if self._whole:
            self._new.heard = total((self._new.heard, members))
        standing = self._standing()
        errors = None
        for read in self._reading.answers():
            errors = read
        new, old = (self._seen(side, standing, errors) for side in self._sides)
        at = self._began_at + timedelta(seconds=monotonic() - self._began)  # as in `Lookout`
        if self._whole:
            return Look(at=at, new=Seen(tally=members, healthy=new.healthy, restarts=new.restarts, ready=new.ready, log_errors=new.log_errors), old=None)
        return Look(at=at, new=new, old=old, split=True)

    @property
    def _sides(self) -> tuple[Side, Side]:
        return self._new, self._old

    def _take_in(self) -> None:
        """Each side has what came in of it since the last look; an answer that does not say its version is nobody's."""
        for side in self._sides:
            side.begin_look()
        for reading in self._counting.answers():
            for side, outcomes in zip(self._sides, reading or (), strict=False):
                side.readings.take(outcomes)
        for probe in self._probing.answers():
            for side in self._sides:
                if probe.version == side.version:
                    side.hear(probe)
        for report in self._asking.answers():
            for side in self._sides:
                if report is not None and report.version == side.version:
                    side.healthy = report.status is not HealthStatus.UNHEALTHY

    @property
    def _whole(self) -> bool:
        """True where the replicas count nothing by which they could be told apart."""
        return self._counts_until.passed and not (self._new.readings.outcomes or self._old.readings.outcomes)

    def _seen(self, side: Side, standing: tuple[Replica, ...] | None, errors: Counter[str] | None) -> Seen:
        own = None if standing is None else tuple(replica for replica in standing if replica.version == side.version)
        names = {replica.name for replica in own or ()}
        ready = None if own is None else sum(replica.ready for replica in own)
        return Seen(
            tally=side.tally(),
            healthy=side.healthy,
            slices=side.readings.slices,
            before=side.readings.before,
            ready=ready,
            answered=None if ready is None else ready > 0,  # it serves members already, and is not waited for
            restarts=max(0, self._restarts(own or ()).get(side.version, 0) - self._restarts_before.get(side.version, 0)),
            log_errors=None if errors is None else sum(errors[name] for name in names),
        )

    def _log_errors(self) -> Counter[str] | None:
        """Return the lines at ERROR since the watch began, by replica; None when they can't be read."""
        try:
            return Counter(line.replica for line in self._replicas.logs(self._colour, since=self._since, level="ERROR"))
        except Problem:
            return None

    def _members(self) -> Tally:
        """Return what the data plane counted of the whole colour since the last look."""
        with suppress(Unavailable):
            reading = self._traffic.counters().of(self._colour)
            self._blind_from = Deadline.after(BLIND_FOR)
            earlier, self._counters = self._counters, reading
            if reading.answers >= earlier.answers:
                return answered(earlier, reading)
        return Tally()

    def _standing(self) -> tuple[Replica, ...] | None:
        try:
            return tuple(replica for replica in self._replicas.all() if replica.colour is self._colour)
        except Unavailable:
            return None

    def _restarts(self, replicas: Iterable[Replica]) -> dict[str, int]:
        found: dict[str, int] = {}
        for replica in replicas:
            found[replica.version] = found.get(replica.version, 0) + replica.restarts
        return found

    def _outcomes(self) -> tuple[tuple[Outcome, ...], tuple[Outcome, ...]] | None:
        """Return one reading: what the new version's replicas counted, and what the old one's did; None when nobody can say now."""
        try:
            versions = {replica.name: replica.version for replica in self._replicas.all()}
            counted = self._replicas.outcomes(self._colour)
        except Problem:
            return None
        new, old = (tuple(each for each in counted if versions.get(each.replica) == side.version) for side in self._sides)
        return new, old


def _figures(side: Side) -> Figures:
    heard = side.heard
    return Figures(answers=heard.answers, errors=heard.errors, slow=heard.slow, p99_ms=None, hampered=heard.hampered)


def _report(service: Service, colour: Colour) -> Health | None:
    try:
        return service.health(colour)
    except Unavailable:
        return None
