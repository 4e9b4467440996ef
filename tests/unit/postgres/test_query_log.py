"""What the JSON log of PostgreSQL says of durations: lines as PostgreSQL 18.4 and 15 wrote them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from unioneyes.adapters.postgres.query_log import Piece, begins, pieces, read_durations
from unioneyes.ports.query_history import LoggedQuery, Means

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
LINES = st.one_of(
    st.binary(),
    st.builds(
        lambda message, number, at, name: b'"duration: ' + json.dumps({"message": message, "query_id": number, "timestamp": at, "dbname": name}).encode(),
        st.text() | st.just("duration: 1.5 ms  statement: "),
        st.integers() | st.text() | st.none(),
        st.text() | st.just("2026-05-01 12:00:00.000 UTC"),
        st.just("unioneyes") | st.none(),
    ),
    st.builds(
        lambda message, at: json.dumps({"message": message, "query_id": 1, "timestamp": at, "dbname": "unioneyes"}).encode(),
        st.text().map(lambda text: f"duration: 1.5 ms  {text}"),
        st.just("2026-05-01 12:00:00.000 UTC") | st.just("9999-12-31 23:59:59.999 UTC") | st.just("0001-01-01 00:00:00.000 UTC"),
    ),
)


def line(message: str, *, at: str = "2026-05-01 12:00:00.500 UTC", database: str = "unioneyes", query_id: object = 7) -> bytes:
    return json.dumps({"timestamp": at, "user": "claims_app", "dbname": database, "message": message, "query_id": query_id}).encode() + b"\n"


def read(*lines: bytes, means: Means = Means.LOG, zone: str = "UTC") -> tuple[LoggedQuery, ...]:
    return read_durations(lines, means=means, database="unioneyes", since=NOON, zone=ZoneInfo(zone))


def test_durations_of_statements_and_of_prepared_ones_are_grouped_by_query_and_shown_without_values() -> None:
    (found,) = read(
        line("duration: 12.345 ms  statement: SELECT * FROM members WHERE name = 'Jane Doe'"),
        line("duration: 3.210 ms  execute <unnamed>: SELECT * FROM members WHERE name = $1", at="2026-05-01 12:00:01.000 UTC"),
    )
    assert found == LoggedQuery(query_id="7", query="SELECT * FROM members WHERE name = $1", took=(12.345, 3.21), last=NOON + timedelta(seconds=1))


def test_what_was_parsed_or_bound_alone_does_not_count() -> None:
    assert read(line("duration: 0.100 ms  parse <unnamed>: SELECT 1"), line("duration: 0.100 ms  bind <unnamed>: SELECT 1"), line("duration: 0.1 ms")) == ()


def test_other_databases_older_lines_lines_without_an_id_and_lines_cut_off_are_passed_over() -> None:
    said = "duration: 1.000 ms  statement: SELECT 1"
    whole = line(said)
    assert (
        read(line(said, database="postgres"), line(said, at="2026-05-01 11:59:59.999 UTC"), line(said, query_id=0), line(said, query_id=None), whole[:-9]) == ()
    )
    assert len(read(whole)) == 1


def test_the_clock_of_the_log_is_the_server_s() -> None:
    (found,) = read(line("duration: 1.000 ms  statement: SELECT 1", at="2026-05-01 14:00:00.500 CEST"), zone="Europe/Berlin")
    assert found.last == NOON + timedelta(milliseconds=500)


def test_a_plan_counts_where_auto_explain_is_read_and_nowhere_else() -> None:
    plan = line("duration: 5.500 ms  plan:\nQuery Text: SELECT *\n  FROM t WHERE a = 'x';\nSeq Scan on t  (cost=0.00..1.00 rows=1 width=4)")
    as_json = line('duration: 6.500 ms  plan:\n{\n  "Query Text": "SELECT \\"a\\" FROM t WHERE b = 5",\n  "Plan": {}\n}', query_id=8)
    own = line("duration: 1.000 ms  statement: SELECT 1")
    found = read(plan, as_json, own, means=Means.AUTO_EXPLAIN)
    assert [(each.query, each.took) for each in found] == [("SELECT * FROM t WHERE a = ?;", (5.5,)), ('SELECT "a" FROM t WHERE b = ?', (6.5,))]
    assert [each.took for each in read(plan, as_json, own)] == [(1.0,)]


@given(st.lists(LINES))
def test_no_line_whatever_it_holds_is_an_error(lines: list[bytes]) -> None:
    for each in read(*lines):
        assert each.took
        assert each.last >= NOON


def test_the_newest_of_a_long_log_is_read_and_from_when_on_is_told(tmp_path: Path) -> None:
    older, newer, old = tmp_path / "server-11.json", tmp_path / "server-12.json", tmp_path / "server-01.json"
    said = [line("duration: 1.000 ms  statement: SELECT 1", at=f"2026-05-01 12:00:{second:02}.000 UTC") for second in range(20)]
    for file, lines, changed in (
        (old, said, NOON - timedelta(hours=1)),
        (older, said[:10], NOON + timedelta(seconds=10)),
        (newer, said[10:], NOON + timedelta(hours=1)),
    ):
        file.write_bytes(b"".join(lines))
        os.utime(file, (changed.timestamp(), changed.timestamp()))
    everything = pieces(tmp_path, since=NOON)
    assert everything == (Piece(file=newer, begin=0), Piece(file=older, begin=0))
    most = len(b"".join(said[10:])) + 3 * len(said[0]) + 5
    cut = pieces(tmp_path, since=NOON, most=most)
    assert [line for piece in cut for line in piece.lines()] == [*said[10:], *said[7:10]]
    assert begins(cut[-1], zone=ZoneInfo("UTC")) == NOON + timedelta(seconds=7)
