"""What is remembered of pods that ended by themselves, and that old readings say nothing about now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from tests.unit.app.test_status import pod
from unioneyes.console.metrics import add_answers, add_pods
from unioneyes.console.pod_sampler import PodSampler, new_ends
from unioneyes.kernel.redaction import Redactor
from unioneyes.operations.deployment.status import ColourStatus, PodEnd
from unioneyes.ports.pods import OOM_KILLED, Ended, NoSuchPod, Pod
from unioneyes.ports.replicas import Outcome, SliceKind
from unioneyes.ports.traffic import Colour

NOW = datetime.now(UTC)
KILLED = Ended(reason=OOM_KILLED, exit_code=137, at=NOW)


class Readings:
    """Pods of which only `all` is asked."""

    def __init__(self, read: Callable[[], tuple[Pod, ...]]) -> None:
        self.all = read


def sampler(read: Callable[[], tuple[Pod, ...]], *, every: timedelta = timedelta(seconds=2)) -> PodSampler:
    return PodSampler(Readings(read), redact=Redactor(("s3cr3t",)), every=every)  # type: ignore[arg-type]  # the rest is never asked


def end(found: Pod) -> PodEnd:
    (told,) = new_ends([found], (), at=NOW)
    return told


def test_a_pod_that_ended_by_itself_is_told_once_with_why() -> None:
    killed = pod("green-1", ready=False, colour=Colour.GREEN, version="1.2.0-leak", restarts=1, last_end=KILLED)
    told = end(killed)
    assert str(told) == "green-1 (1.2.0-leak) ended by itself: OOMKilled, exit code 137"
    assert told.reason == OOM_KILLED
    assert new_ends([killed], [told], at=NOW) == ()


def test_the_next_time_is_told_too() -> None:
    killed = pod(restarts=1, last_end=KILLED)
    again = pod(restarts=2, last_end=Ended(reason=OOM_KILLED, exit_code=137, at=NOW + timedelta(seconds=9)))
    assert len(new_ends([again], [end(killed)], at=NOW + timedelta(seconds=10))) == 1


def test_where_nobody_knows_when_it_ended_the_number_of_restarts_tells_one_end_from_the_next() -> None:
    ended = Ended(reason="Error", exit_code=1, at=None)
    first = end(pod(restarts=1, last_end=ended))
    assert new_ends([pod(restarts=1, last_end=ended)], [first], at=NOW + timedelta(seconds=2)) == ()
    assert len(new_ends([pod(restarts=2, last_end=ended)], [first], at=NOW + timedelta(seconds=2))) == 1


def test_what_ended_long_before_is_not_told_when_the_server_starts() -> None:
    assert new_ends([pod(last_end=Ended(reason="Error", exit_code=1, at=NOW - timedelta(hours=1)))], (), at=NOW) == ()


def test_ends_outlive_their_pods_and_hold_no_secret() -> None:
    readings = iter([(pod(restarts=1, last_end=Ended(reason="Error", exit_code=1, at=NOW, message="password s3cr3t is wrong")),), ()])
    watching = sampler(lambda: next(readings))
    watching.look()
    watching.look()
    assert watching.pods() == ()
    assert [told.pod for told in watching.ends()] == ["blue-1"]
    assert "s3cr3t" not in str(watching.ends()[0])


def test_readings_that_fail_leave_no_data_rather_than_the_last_ones() -> None:
    def away() -> tuple[Pod, ...]:
        raise NoSuchPod(what="nobody answers", remedy="wait")

    known = sampler(lambda: (pod(),), every=timedelta(0))
    known.look()
    assert known.pods() is None  # by then it is older than five readings that take no time
    silent = sampler(away)
    silent.look()
    assert silent.pods() is None


def test_a_colour_s_figures_are_those_of_its_pods_together_and_of_the_fullest() -> None:
    pods = (pod(restarts=1, memory_limit=256 << 20), pod("blue-2", memory=192 << 20, memory_limit=256 << 20))
    found = ColourStatus.of(Colour.BLUE, replicas=(), weight=100, pods=pods)
    assert (found.restarts, found.cpu, found.memory, found.memory_share) == (1, 1.0, 256 << 20, 0.75)


@pytest.mark.parametrize("pods", [None, (), (pod(cpu=None, memory=None),)], ids=["nobody says", "no pods", "nobody measures"])
def test_what_is_not_measured_is_not_zero(pods: tuple[Pod, ...] | None) -> None:
    found = ColourStatus.of(Colour.BLUE, replicas=None, weight=None, pods=pods)
    assert (found.cpu, found.memory, found.memory_share) == (None, None, None)
    assert (found.restarts is None) == (pods is None)


def test_what_is_scraped_of_pods_has_their_names_and_leaves_out_what_nobody_measures() -> None:
    registry = CollectorRegistry()
    add_pods(registry, [pod(restarts=3), pod("blue-2", cpu=None)], [end(pod(last_end=KILLED))])
    labels = {"pod": "blue-1", "colour": "blue", "version": "1.1.0"}
    assert registry.get_sample_value("ue_pod_restarts", labels) == 3.0
    assert registry.get_sample_value("ue_pod_memory_bytes", labels) == 64 << 20
    assert registry.get_sample_value("ue_pod_cpu_cores", {**labels, "pod": "blue-2"}) is None
    assert registry.get_sample_value("ue_pod_ends_recent", {"reason": OOM_KILLED, "colour": "blue", "version": "1.1.0"}) == 1.0
    assert registry.get_sample_value("ue_pods_known") == 1.0


def test_that_nobody_says_how_pods_are_is_something_to_alert_on() -> None:
    registry = CollectorRegistry()
    add_pods(registry, None, [])
    assert registry.get_sample_value("ue_pods_known") == 0.0


def test_whoever_scrapes_is_told_of_routes_and_of_no_tenant() -> None:
    registry = CollectorRegistry()
    counted = [Outcome(replica="blue-1", kind=kind, name=name, answers=9, errors=2) for kind, name in ((SliceKind.ROUTE, "GET /x"), (SliceKind.TENANT, "t-1"))]
    add_answers(registry, counted)
    assert registry.get_sample_value("ue_service_errors", {"pod": "blue-1", "route": "GET /x"}) == 2.0
    assert registry.get_sample_value("ue_service_answers", {"pod": "blue-1", "route": "t-1"}) is None
