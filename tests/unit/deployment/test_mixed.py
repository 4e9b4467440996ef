"""Two versions on one colour: each is told by what its own replicas counted and said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from tests.stack import eventually
from unioneyes.kernel.clock import now
from unioneyes.operations.deployment import mixed
from unioneyes.operations.deployment.mixed import MixedLookout
from unioneyes.operations.deployment.model import Mixed
from unioneyes.operations.deployment.readings import Readings, by_slice, failing
from unioneyes.operations.deployment.slices import Slice
from unioneyes.operations.deployment.verdict import Look, Tally, Watch, total
from unioneyes.ports.replicas import LogLine, Outcome, Replica, Replicas, SliceKind
from unioneyes.ports.service import Health, HealthStatus, Probe, Service
from unioneyes.ports.traffic import Colour, ColourCounters, Counters, Traffic

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
OLD, NEW = "1.0.0", "1.1.0"
NOTHING = ColourCounters(answers_2xx=0, answers_3xx=0, answers_4xx=0, answers_5xx=0, active=0, healthy=3, replicas=3, latency=(), timed=0)
ROUTE = Slice(kind=SliceKind.ROUTE, name="GET /api/claims")


class Edge:
    """A colour with an old replica that is well and a new one that is not: what a `MixedLookout` asks, and no more."""

    def __init__(self) -> None:
        self.counted: dict[str, tuple[int, int]] = {}
        """(errors, answers) of each replica."""
        self.blue = NOTHING
        self.restarts = 0
        self.asked = 0

    def counters(self) -> Counters:
        return Counters(at=now(), blue=self.blue, green=NOTHING, preview_blue=NOTHING, preview_green=NOTHING)

    def all(self) -> tuple[Replica, ...]:
        old = Replica(name="blue-1", colour=Colour.BLUE, version=OLD, alive=True, ready=True, restarts=0, since=AT, served=True)
        aside = replace(old, name="green-1", colour=Colour.GREEN)
        return old, replace(old, name="blue-2", version=NEW, restarts=self.restarts, served=False), aside

    def outcomes(self, colour: Colour) -> tuple[Outcome, ...]:
        assert colour is Colour.BLUE
        return tuple(
            Outcome(replica=name, kind=kind, name=of, answers=answers, errors=errors)
            for name, (errors, answers) in self.counted.items()
            for kind, of in ((SliceKind.ROUTE, ROUTE.name), (SliceKind.TENANT, "org_a"))
        )

    def logs(self, colour: Colour, *, since: datetime, level: str) -> tuple[LogLine, ...]:
        del colour, since
        return (LogLine(at=now(), replica="blue-2", level=level, message="no such column", request_id=None),)

    def probe(self, via: Colour) -> Probe:
        del via
        self.asked += 1
        version = (OLD, NEW, None)[self.asked % 3]
        return Probe(at=now(), ok=True, status=200, took=timedelta(seconds=3 if version == NEW else 0), version=version)

    def health(self, via: Colour | None = None) -> Health:
        del via
        self.asked += 1
        version = (OLD, NEW)[self.asked % 2]
        status = HealthStatus.UNHEALTHY if version == NEW else HealthStatus.HEALTHY
        return Health(status=status, version=version, uptime=timedelta(0), checks=(), at=now())


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked seldom."""
    for name in ("OUTCOMES_EVERY", "PROBES_EVERY", "REPORTS_EVERY", "LOGS_EVERY"):
        monkeypatch.setattr(mixed, name, timedelta(milliseconds=5))


@contextmanager
def lookout(edge: Edge) -> Iterator[MixedLookout]:
    eyes = MixedLookout(
        traffic=cast("Traffic", edge),
        replicas=cast("Replicas", edge),
        service=cast("Service", edge),
        colour=Colour.BLUE,
        mixed=Mixed(new=NEW, old=OLD),
        since=edge.counters(),
    )
    try:
        yield eyes
    finally:
        eyes.stop()


def looks_until(eyes: MixedLookout, edge: Edge, *, new: int) -> list[Look]:
    """Return what was seen until so many answers of the new version were heard; a fifth of them fail."""
    seen: list[Look] = []

    def heard() -> bool:
        (errors, answers), (_, old) = edge.counted["blue-2"], edge.counted["blue-1"]
        edge.counted = {"blue-1": (0, old + 4), "blue-2": (errors + 1, answers + 5)}
        seen.append(eyes.look())
        return sum(look.new.tally.answers for look in seen) >= new

    assert eventually(heard)
    return seen


def test_what_either_answered_is_told_apart_and_what_was_before_does_not_count() -> None:
    edge = Edge()
    edge.counted = {"blue-1": (500, 1000), "blue-2": (0, 0)}
    with lookout(edge) as eyes:
        assert eventually(lambda: bool((eyes.look()).old))
        seen = looks_until(eyes, edge, new=200)
        figures = (eyes.of_new, eyes.of_old)
    new, old = (total(side) for side in zip(*((look.new.tally, look.old.tally) for look in seen if look.old), strict=True))
    assert new.errors * 5 == new.answers
    assert old.errors == 0
    assert old.answers > 0
    assert figures[0].answers >= new.answers
    assert figures[1] is not None
    assert all(look.split for look in seen)
    assert new.slow > 0, "its probes took three seconds"
    assert old.slow == 0
    healths = [(look.new.healthy, look.old.healthy) for look in seen if look.old]
    assert {new for new, _ in healths} <= {False, None}
    assert {old for _, old in healths} <= {True, None}
    assert {look.new.log_errors for look in seen} <= {1, None}
    assert {look.old.log_errors for look in seen if look.old} <= {0, None}
    assert (seen[-1].new.ready, seen[-1].old and seen[-1].old.ready) == (1, 1), "what stands on the other colour is none of them"


def test_the_new_version_is_convicted_beside_an_old_one_that_is_spared() -> None:
    edge = Edge()
    edge.counted = {"blue-1": (0, 0), "blue-2": (0, 0)}
    watch = Watch()
    with lookout(edge) as eyes:
        for look in looks_until(eyes, edge, new=400):
            watch.see(look)
    verdict = watch.rolls_back()
    assert verdict is not None
    assert "new version" in verdict.reason


def test_restarts_are_those_of_the_version_since_the_watch_began() -> None:
    edge = Edge()
    edge.restarts = 2
    with lookout(edge) as eyes:
        edge.restarts = 3
        look = eyes.look()
    assert (look.new.restarts, look.old and look.old.restarts) == (1, 0)


def test_where_replicas_count_nothing_the_colour_as_a_whole_is_judged_and_nothing_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed, "COUNTS_WITHIN", timedelta(0))
    edge = Edge()
    with lookout(edge) as eyes:
        edge.blue = replace(NOTHING, answers_2xx=90, answers_5xx=10)
        look = eyes.look()
        assert (look.new.tally, look.old, look.split) == (Tally(answers=100, errors=10), None, False)
        assert (eyes.of_new.answers, eyes.of_new.errors, eyes.of_old) == (100, 10, None)


def test_a_replica_that_began_to_count_anew_is_believed() -> None:
    readings = Readings()

    def read(errors: int, answers: int) -> tuple[int, int]:
        readings.begin_look()
        readings.take((Outcome(replica="blue-1", kind=ROUTE.kind, name=ROUTE.name, answers=answers, errors=errors),))
        return readings.added

    assert [read(1, 100), read(3, 120), read(1, 5)] == [(0, 0), (2, 20), (1, 5)]


def test_only_where_a_version_failed_more_than_a_handful_of_times_it_excuses_another() -> None:
    counted = [
        Outcome(replica=f"blue-{number}", kind=ROUTE.kind, name=name, answers=50, errors=errors) for number in (1, 2) for name, errors in (("a", 3), ("b", 2))
    ]
    known = failing(counted)
    assert by_slice(known) == {Slice(kind=ROUTE.kind, name="a"): (6, 100)}
