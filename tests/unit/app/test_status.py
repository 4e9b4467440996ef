"""What is wrong with which pod, and what people read of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from unioneyes.cli.output import Ink
from unioneyes.cli.podtexts import app_status_text, images_table, pod_text, pods_table
from unioneyes.operations.app.status import AppStatus, app_status
from unioneyes.ports.pods import Autoscaler, Bounds, Ended, Phase, Pod, PodDetails, PodEvent, Size
from unioneyes.ports.traffic import Colour, TrafficView, Weights

AT = datetime(2026, 2, 9, 14, 30, tzinfo=UTC)
BLUE, GREEN = Colour.BLUE, Colour.GREEN
INK = Ink(colour=False)


def pod(name: str = "blue-1", *, ready: bool = True, **changes: object) -> Pod:
    made = Pod(
        name=name,
        colour=BLUE,
        version="1.1.0",
        image="registry:5000/web@sha256:0123456789abcdef",
        phase=Phase.RUNNING,
        waits=None,
        ready=ready,
        restarts=0,
        since=AT - timedelta(minutes=5),
        node="n1",
        last_end=None,
        cpu=0.5,
        memory=64 << 20,
        memory_limit=None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # fields of the pod, by the tests below


def status(*pods: Pod, wanted: int = 1, traffic: TrafficView | None = None, autoscaler: Autoscaler | None = None) -> AppStatus:
    seen = traffic or TrafficView(weights=Weights.all_to(BLUE), maintenance=False, revision="1", in_force=True)
    sizes = {BLUE: Size(count=wanted, autoscaler=autoscaler), GREEN: Size(count=0, autoscaler=None)}
    return app_status(environment="local", service="web", at=AT, pods=pods, sizes=sizes, traffic=seen, lock=None)


def troubles(found: AppStatus) -> list[tuple[str, str]]:
    return [(each.where, each.what) for each in found.troubles]


def test_where_all_is_well_nothing_is_said() -> None:
    found = status(pod(), pod("blue-2"), wanted=2)
    assert troubles(found) == []
    blue = found.colours[0]
    assert (blue.ready, blue.pods, blue.weight, blue.cpu, blue.memory) == (2, 2, 100, 1.0, 128 << 20)


@pytest.mark.parametrize(
    ("pods", "wanted", "says"),
    [
        ((pod(ready=False),), 1, [("blue", "members are sent there, and no pod is ready"), ("blue-1", "Running, not ready")]),
        ((pod(),), 2, [("blue", "1 of 2 pods are ready")]),
        ((pod(), pod("blue-2")), 1, [("blue", "2 pods run, and 1 should")]),
        ((pod(), pod("blue-2", image="web@sha256:other")), 2, [("blue", "its pods were started from 2 different images")]),
        (
            (pod(), pod("blue-2", ready=False, waits="CrashLoopBackOff", last_end=Ended(reason="OOMKilled", exit_code=137, at=AT))),
            2,
            [("blue", "1 of 2 pods are ready"), ("blue-2", "CrashLoopBackOff, not ready; it ended last by OOMKilled, exit code 137")],
        ),
    ],
)
def test_what_is_not_as_it_should_be_is_named(pods: tuple[Pod, ...], wanted: int, says: list[tuple[str, str]]) -> None:
    assert troubles(status(*pods, wanted=wanted)) == says


def test_a_data_plane_that_is_silent_and_members_who_are_kept_out_are_told() -> None:
    sizes = dict.fromkeys(Colour, Size(count=0, autoscaler=None))
    silent = app_status(environment="local", service="web", at=AT, pods=(), sizes=sizes, traffic=None, lock=None)
    assert (silent.serving, [each.where for each in silent.troubles]) == (None, ["traffic"])
    closed = status(pod(), traffic=TrafficView(weights=Weights.all_to(BLUE), maintenance=True, revision="1", in_force=True))
    assert troubles(closed) == [("traffic", "maintenance: members are told 503")]


def test_what_nobody_measures_is_not_summed_up() -> None:
    blue = status(pod(cpu=None), pod("blue-2", memory=None), wanted=2).colours[0]
    assert (blue.cpu, blue.memory) == (None, None)


def test_people_read_pods_in_columns_and_how_each_ended_last() -> None:
    ended = Ended(reason="Error", exit_code=3, at=AT - timedelta(minutes=1), message="no such table")
    text = pods_table(INK, (pod(), pod("blue-2", ready=False, waits="CrashLoopBackOff", restarts=4, last_end=ended, cpu=None, memory_limit=128 << 20)), AT)
    assert text.splitlines() == [
        "POD     VERSION  READY  STATE             RESTARTS  AGE    NODE  IMAGE                    CPU   MEMORY",
        "blue-1  1.1.0    ✔      Running           0         5 min  n1    web@sha256:0123456789ab  0.50  64.0 MiB",
        "blue-2  1.1.0    ✘      CrashLoopBackOff  4         5 min  n1    web@sha256:0123456789ab  -     64.0 MiB of 128.0 MiB",
        "",
        "blue-2  ended by itself 1 min ago: Error, exit code 3: no such table",
    ]
    assert pods_table(INK, (), AT) == images_table(INK, ()) == "nothing is deployed"
    assert images_table(INK, (pod(),)).splitlines()[1].endswith("registry:5000/web@sha256:0123456789abcdef")


def test_people_read_the_whole_service_and_what_is_wrong() -> None:
    held = Autoscaler(name="web", bounds=Bounds(least=2, most=2), own=Bounds(least=1, most=9))
    lines = app_status_text(INK, status(pod(), wanted=2, autoscaler=held)).splitlines()
    assert lines[0] == "web in local: 1.1.0 serves on blue, 1 of 2 pods ready"
    assert "blue  2 pods, autoscaler web is held (its own: 1 to 9)" in lines
    assert lines[-1] == "✘ blue: 1 of 2 pods are ready"
    assert app_status_text(INK, status(pod())).endswith("✔ every pod is as it should be")
    nothing = app_status(
        environment="local", service="web", at=AT, pods=(), sizes=dict.fromkeys(Colour, Size(count=0, autoscaler=None)), traffic=None, lock=None
    )
    assert "nothing is deployed" in app_status_text(INK, nothing)


def test_people_read_one_pod_whole() -> None:
    details = PodDetails(
        pod=pod(),
        address="10.0.0.1:8000",
        command=("serve", "--all of it"),
        settings={"B": "2", "A": "1"},
        secrets=("database-credentials",),
        readiness="GET /healthz is answered",
        events=(PodEvent(at=AT, warning=True, reason="BackOff", message="restarting", count=3),),
    )
    lines = pod_text(INK, details, AT).splitlines()
    assert "command     serve '--all of it'" in lines
    assert "secrets     database-credentials" in lines
    assert lines.index("A        1") < lines.index("B        2")
    assert lines[-1] == "2026-02-09T14:30:00.000Z  ✘  BackOff  restarting (3 times)"
