"""Asking again and again: who waits for whom, and when an answer counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Event, Lock
from typing import cast

from tests.stack import eventually
from unioneyes.kernel.clock import now
from unioneyes.operations.deployment.verdict import Tally
from unioneyes.operations.deployment.watch import Lookout, Repeated
from unioneyes.ports.replicas import Outcome, Replica, Replicas
from unioneyes.ports.service import Health, HealthStatus, Probe, Service
from unioneyes.ports.traffic import Colour, ColourCounters, Counters, Traffic

OFTEN = timedelta(milliseconds=1)
NOTHING = ColourCounters(answers_2xx=0, answers_3xx=0, answers_4xx=0, answers_5xx=0, active=0, healthy=1, replicas=1, latency=(), timed=0)


class Hanging:
    """Answers nobody until it is told to, and counts who waits."""

    def __init__(self) -> None:
        self.go = Event()
        self.waiting = 0
        self._guard = Lock()

    def __call__(self) -> bool:
        with self._guard:
            self.waiting += 1
        return self.go.wait(30)


def test_who_hangs_keeps_nobody_from_being_asked_as_long_as_there_is_a_place() -> None:
    hanging = Hanging()
    repeated = Repeated(hanging, every=OFTEN, at_once=3)
    try:
        assert eventually(lambda: hanging.waiting == 3)
        assert not eventually(lambda: hanging.waiting > 3, within=0.2)
        assert list(repeated.answers()) == []
    finally:
        repeated.stop()
        hanging.go.set()
    answered: list[bool] = []

    def all_answered() -> bool:
        answered.extend(repeated.answers())
        return len(answered) == 3

    assert eventually(all_answered)


def test_one_place_means_one_question_at_a_time() -> None:
    hanging = Hanging()
    repeated = Repeated(hanging, every=OFTEN)
    try:
        assert eventually(lambda: hanging.waiting == 1)
        assert not eventually(lambda: hanging.waiting > 1, within=0.2)
    finally:
        repeated.stop()
        hanging.go.set()


class Edge:
    """A data plane that counts, replicas that stand, and a service whose answers come late or never: what a `Lookout` asks, and no more."""

    def __init__(self) -> None:
        self.preview = NOTHING
        self.arrive = Event()
        self.status: int | None = 200

    def counters(self) -> Counters:
        return Counters(at=now(), blue=NOTHING, green=NOTHING, preview_blue=NOTHING, preview_green=self.preview)

    def rehearse_shift(self) -> timedelta:
        return timedelta(0)

    def all(self) -> tuple[Replica, ...]:
        return ()

    def outcomes(self, colour: Colour) -> tuple[Outcome, ...]:
        del colour
        return ()

    def probe(self, via: Colour) -> Probe:
        del via
        self.arrive.wait(30)
        return Probe(at=now(), ok=self.status is not None, status=self.status, took=timedelta(seconds=3), version=None)

    def health(self, via: Colour | None = None) -> Health:
        del via
        return Health(status=HealthStatus.HEALTHY, version="1.0.0", uptime=timedelta(0), checks=(), at=now())


@contextmanager
def lookout(edge: Edge) -> Iterator[Lookout]:
    eyes = Lookout(
        traffic=cast("Traffic", edge),
        replicas=cast("Replicas", edge),
        service=cast("Service", edge),
        new=Colour.GREEN,
        old=None,
        since=edge.counters(),
        split=False,
    )
    try:
        yield eyes
    finally:
        eyes.stop()
        edge.arrive.set()


def test_what_a_probe_was_answered_counts_when_the_data_plane_saw_it_and_not_when_it_arrives_here() -> None:
    edge = Edge()
    with lookout(edge) as eyes:
        edge.preview = replace(NOTHING, answers_5xx=4, answers_2xx=6, timed=10, latency=((500.0, 9), (2000.0, 10)))
        assert eyes.look().new.tally == Tally(answers=10, errors=4, hampered=1)
        edge.arrive.set()
        assert eventually(lambda: eyes.look().new.answered is True)
        assert eyes.figures(Colour.GREEN).answers == 10


def test_a_probe_that_gives_up_counts_as_a_slow_failure_though_the_data_plane_counts_nothing() -> None:
    edge = Edge()
    edge.status = None
    edge.arrive.set()
    with lookout(edge) as eyes:
        tallies: list[Tally] = []

        def gave_up() -> bool:
            tallies.append(eyes.look().new.tally)
            return tallies[-1].answers > 0

        assert eventually(gave_up)
    assert tallies[-1].errors == tallies[-1].slow == tallies[-1].answers
