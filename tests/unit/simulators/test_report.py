"""The members' arithmetic."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.simulators.report import Exchange, percentile, read_exchanges, read_pace, read_report, summarise

NOON = datetime(2026, 2, 9, 12, 0, tzinfo=UTC)


def exchange(
    *, at: float = 0.0, method: str = "GET", status: int | None = 200, took_ms: float = 10.0, version: str | None = "1.0.0", claim: str | None = None
) -> Exchange:
    return Exchange(
        scheduled_at=NOON.timestamp() + at,
        method=method,
        path="/api/claims",
        connection="kept",
        status=status,
        error=None if status else "ConnectionResetError: cut",
        took_ms=took_ms,
        version=version,
        claim=claim,
    )


exchanges = st.lists(
    st.builds(
        exchange,
        at=st.floats(0, 600),
        method=st.sampled_from(["GET", "POST"]),
        status=st.sampled_from([200, 201, 204, 302, 400, 404, 409, 429, 500, 503, None]),
        took_ms=st.floats(0, 15_000),
        version=st.sampled_from(["1.0.0", "1.1.0", None]),
        claim=st.none(),
    )
)


@pytest.mark.parametrize(
    ("status", "lost"), [(200, False), (201, False), (299, False), (409, False), (302, True), (404, True), (429, True), (500, True), (503, True), (None, True)]
)
def test_only_an_intended_answer_is_not_lost(status: int | None, lost: bool) -> None:  # noqa: FBT001 - a column of the table
    assert exchange(status=status).lost is lost


def test_nothing_sent_adds_up_to_nothing() -> None:
    total = summarise([])
    assert (total.sent, total.answered, total.lost, total.slowest, total.p99) == (0, 0, 0, timedelta(0), timedelta(0))
    assert (total.first_bad, total.last_bad, total.versions, total.claims) == (None, None, (), ())


@given(exchanges)
def test_every_request_is_counted_once(sent: list[Exchange]) -> None:
    total = summarise(sent)
    assert total.sent == len(sent)
    assert total.lost == sum(one.lost for one in sent)
    assert total.answered == sum(one.status is not None for one in sent)
    assert total.posts == sum(one.method == "POST" for one in sent)
    assert sum(seen.answers for seen in total.versions) == sum(one.version is not None for one in sent)
    assert all(sum(count for _, count in seen.per_second) == seen.answers for seen in total.versions)
    assert all(seen.first <= seen.last for seen in total.versions)
    assert (total.first_bad is None) == (not any(one.bad for one in sent))


@given(exchanges)
def test_what_was_written_reads_back_the_same(sent: list[Exchange]) -> None:
    with NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.writelines(one.line() for one in sent)
        file.flush()
        assert list(read_exchanges(Path(file.name))) == sent


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_the_share_does_not_exceed(values: list[float], share: float) -> None:
    ascending = sorted(values)
    found = percentile(ascending, share)
    assert found in ascending
    assert sum(value <= found for value in ascending) >= math.floor(share * len(ascending))
    assert sum(value < found for value in ascending) <= share * len(ascending)


def test_latency_percentiles_are_of_the_answered() -> None:
    total = summarise([*(exchange(took_ms=float(ms)) for ms in range(1, 101)), exchange(status=None, took_ms=15_000)])
    assert (total.p50, total.p99, total.slowest) == (timedelta(milliseconds=50), timedelta(milliseconds=99), timedelta(milliseconds=100))


def test_a_loss_is_dated_when_it_was_certain() -> None:
    total = summarise([exchange(at=1), exchange(at=2, status=None, took_ms=500), exchange(at=9, status=500, took_ms=250)])
    assert (total.first_bad, total.last_bad) == (NOON + timedelta(seconds=2.5), NOON + timedelta(seconds=9.25))


def test_versions_stand_in_the_order_of_their_first_answers() -> None:
    total = summarise([exchange(at=3.0, version="1.1.0"), exchange(at=0.5), exchange(at=3.5), exchange(at=4.0, version="1.1.0")])
    old, new = total.versions
    assert (old.version, old.answers, new.version, new.answers) == ("1.0.0", 2, "1.1.0", 2)
    assert (old.last, new.first) == (NOON + timedelta(seconds=3.51), NOON + timedelta(seconds=3.01))
    second = int(NOON.timestamp())
    assert old.per_second == ((second, 1), (second + 3, 1))


def test_claims_are_the_ones_that_the_service_said_it_made() -> None:
    answers = [exchange(method="POST", status=201, claim="c1"), exchange(method="POST", status=500), exchange(method="POST", status=409)]
    total = summarise([*answers, exchange(method="POST", status=201, claim="c2")])
    assert (total.posts, total.posts_answered, total.claims) == (4, 2, ("c1", "c2"))


def test_a_report_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    path.write_text(f"{exchange().line()}{exchange(status=500).line()}{exchange().line()[:40]}")
    assert (read_report(path).sent, read_report(path).lost) == (2, 1)


def test_the_summary_is_no_request(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    path.write_text(f"{exchange().line()}{json.dumps({'summary': summarise([exchange()]).document()})}\n")
    assert read_report(path).sent == 1


def test_a_slow_answer_is_bad_and_not_lost() -> None:
    total = summarise([exchange(took_ms=2001.0), exchange(took_ms=2000.0)])
    assert total.lost == 0
    assert [(seen.lost, seen.bad) for seen in total.versions] == [(0, 1)]
    assert total.first_bad is not None
    assert total.first_bad == total.last_bad


def test_the_client_says_how_it_kept_its_schedule() -> None:
    with NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write(f"{exchange().line()}{json.dumps({'summary': {'sent': 1, 'behind_ms': 12.5, 'cpu_s': 0.25}})}\n")
        file.flush()
        pace = read_pace(Path(file.name))
        assert (pace.behind, pace.cpu) == (timedelta(milliseconds=12.5), timedelta(seconds=0.25))
        assert read_report(Path(file.name)).sent == 1
