"""What the bench of switches on a cluster reads out of what it saw."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from unioneyes.simulators.report import Exchange

LOG = """\
I1126 17:01:47.935828   20259 proxy_server.go:131] Filter accepting GET /api/v1/namespaces 127.0.0.1
I1126 17:01:47.942266   20259 round_trippers.go:632] "Response" verb="GET" url="https://10.94.0.2:6443/api/v1/namespaces" status="200 OK" milliseconds=6
I1126 17:01:47.956809   20259 round_trippers.go:632] "Response" verb="GET" url="https://10.94.0.2:6443/api/v1/pods?labelSelector=a%3Db&watch=1" status="200 OK"
I1126 17:01:47.956809   20259 round_trippers.go:632] "Response" verb="GET" url="https://10.94.0.2:6443/api/v1/pods?watch=true&timeout=5m" status="200 OK"
I1126 17:01:48.956809   20259 round_trippers.go:632] "Response" verb="PATCH" url="https://10.94.0.2:6443/api/v1/services/watch" status="409 Conflict"
"""


@pytest.fixture
def rules(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(root / "bench"))
    return import_module("kubernetes_rules")


def exchange(ended: float, *, version: str | None = "1.0.0", connection: str = "kept", status: int | None = 200) -> Exchange:
    return Exchange(
        scheduled_at=ended - 0.01,
        method="GET",
        path="/api/claims",
        connection=connection,
        status=status,
        error=None if status else "ConnectionResetError",
        took_ms=10,
        version=version,
        claim=None,
    )


def test_calls_are_counted_by_verb_and_watches_as_such(rules: ModuleType) -> None:
    assert rules.count_calls(LOG) == Counter(GET=1, WATCH=2, PATCH=1)
    assert rules.count_calls("") == Counter()


def test_the_last_old_answer_counts_from_the_command_by_kind_of_connection(rules: ModuleType) -> None:
    switch = rules.Switch(asked=100.0, confirmed=100.2, until=130.0, old="1.0.0")
    seen = [
        exchange(99.9),
        exchange(100.15),
        exchange(100.12, connection="new"),
        exchange(101.0, version="1.1.0"),
        exchange(140.0),
        exchange(120.0, version=None, status=None),
    ]
    (kept,) = rules.last_answers(seen, [switch], connection="kept")
    (new,) = rules.last_answers(seen, [switch], connection="new")
    assert (kept.after.total_seconds(), kept.stopped) == (pytest.approx(0.15), True)
    assert (new.after.total_seconds(), new.stopped) == (pytest.approx(0.12), True)
    assert rules.first_answers(seen, [switch])[0].total_seconds() == pytest.approx(1.0)


def test_an_old_version_that_still_answers_at_the_end_has_not_stopped(rules: ModuleType) -> None:
    switch = rules.Switch(asked=100.0, confirmed=100.2, until=130.0, old="1.0.0")
    (last,) = rules.last_answers([exchange(129.7)], [switch], connection="kept")
    assert not last.stopped


def test_an_old_version_that_answers_no_more_has_stopped_at_once(rules: ModuleType) -> None:
    switch = rules.Switch(asked=100.0, confirmed=100.2, until=130.0, old="1.0.0")
    (last,) = rules.last_answers([exchange(99.0)], [switch], connection="kept")
    assert (last.after, last.stopped) == (timedelta(0), True)
    assert rules.first_answers([exchange(99.0)], [switch]) == (None,)


def test_the_share_that_failed_is_of_the_last_moments_alone(rules: ModuleType) -> None:
    seen = [exchange(80.0, status=500), exchange(95.0, status=500), exchange(96.0), exchange(97.0, status=None, version=None), exchange(99.0)]
    assert rules.failed_share(seen, now=100.0, window=timedelta(seconds=10)) == pytest.approx(0.5)
    assert rules.failed_share([], now=100.0, window=timedelta(seconds=10)) == 0


def test_a_figure_is_said_as_prometheus_says_it(rules: ModuleType) -> None:
    assert json.loads(rules.vector(0.25, at=12.0)) == {
        "status": "success",
        "data": {"resultType": "vector", "result": [{"metric": {}, "value": [12.0, "0.250000"]}]},
    }


def test_what_was_lost_is_told_with_its_kind_and_when(rules: ModuleType) -> None:
    switches = [rules.Switch(asked=asked, confirmed=asked, until=asked + 100, old="1.0.0") for asked in (100.0, 200.0)]
    asked = [exchange(99), exchange(150, status=503), exchange(151.5, status=503), exchange(201, status=None)]
    assert rules.losses(asked, switches) == (
        "2 lost as status 503, 50.0 to 51.5 s after command 1 (00:02:30 UTC)",
        "1 lost as ConnectionResetError, 1.0 to 1.0 s after command 2 (00:03:21 UTC)",
    )
    assert rules.losses(asked[:1], switches) == ()
