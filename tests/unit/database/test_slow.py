"""What is slow: now, and before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.unit.database.test_sessions import AT, session, view
from unioneyes.cli.dbslow import slow_text
from unioneyes.cli.output import Ink
from unioneyes.operations.database.slow import SlowQueries, slow_queries
from unioneyes.ports.activity import ActivityView
from unioneyes.ports.query_history import CountedQueries, CountedQuery, LoggedQueries, LoggedQuery, Means, Sampling
from unioneyes.ports.vitals import Unknown

FIVE = timedelta(seconds=5)
SWITCH_ON = ("ALTER SYSTEM SET log_min_duration_sample = 0;",)
NOT_LOGGED, NOT_COUNTED = Unknown(what="history", why="the server logs no durations"), Unknown(what="pg_stat_statements", why="it is not here")
NOBODY = view()


def logged(*took: float, always: timedelta | None = timedelta(0), query_id: str = "7") -> LoggedQueries:
    query = LoggedQuery(query_id=query_id, query="SELECT ?", took=took, last=AT)
    return LoggedQueries(means=Means.LOG, sampling=Sampling(always=always, sampled=None, rate=1.0), since=AT - timedelta(days=1), queries=(query,))


def counted(mean: float, longest: float) -> CountedQueries:
    query = CountedQuery(
        query_id="9", query="SELECT $1", calls=1_000, mean=timedelta(seconds=mean), deviation=timedelta(seconds=1), longest=timedelta(seconds=longest)
    )
    return CountedQueries(since=None, queries=(query,))


def found(
    seen: ActivityView = NOBODY, *, log: LoggedQueries | Unknown = NOT_LOGGED, count: CountedQueries | Unknown | None = None, over: timedelta = FIVE
) -> SlowQueries:
    return slow_queries(seen, over=over, logged=log, counted=count, switch_on=SWITCH_ON)


def text(slow: SlowQueries) -> str:
    return slow_text(Ink(colour=False), slow)


def test_only_what_runs_for_longer_is_running_and_what_waits_in_a_transaction_too() -> None:
    seen = view(
        session(1, state="active", idle_for=timedelta(seconds=5)),
        session(2, state="active", idle_for=timedelta(seconds=6)),
        session(3, state="idle", idle_for=timedelta(hours=1)),
        session(4, state="idle in transaction", idle_for=timedelta(minutes=1)),
        session(5, state="active", idle_for=timedelta(hours=2), kind="walsender"),
    )
    slow = found(seen, log=logged(1.0))
    assert [each.pid for each in slow.running] == [4, 2]
    assert "! 2 run for more than 5.0 s" in text(slow)


def test_the_past_is_told_by_the_log_where_there_is_one_with_percentiles() -> None:
    slow = found(log=logged(*[6_000.0] * 95, *[9_000.0] * 5))
    (times,) = slow.past
    assert (slow.source, slow.unknown, slow.switch_on) == ("log", (), ())
    assert (times.p95, times.p99, times.longest) == (timedelta(seconds=6), timedelta(seconds=9), timedelta(seconds=9))
    assert "7         100    6.2 s  100     6.0 s  6.0 s  9.0 s  9.0 s" in text(slow)
    assert text(slow).endswith("  SELECT ?")


def test_what_was_never_slow_is_not_shown_and_the_longest_is_named() -> None:
    slow = found(log=logged(10.0, 20.0))
    assert (slow.past, slow.kinds) == ((), 1)
    assert "none of 1 kinds of query took more than 5.0 s since 2026-02-08T03:00:00.000Z (log); the longest took 20 ms: 7" in text(slow)


def test_without_a_log_counts_tell_mean_and_longest_and_no_percentile_is_made_up() -> None:
    slow = found(count=counted(2.0, 8.0))
    (times,) = slow.past
    assert slow.source == "pg_stat_statements"
    assert (times.p50, times.p95, times.p99) == (None, None, None)
    assert (times.mean, times.deviation, times.longest) == (timedelta(seconds=2), timedelta(seconds=1), timedelta(seconds=8))
    assert "percentiles  unknown: pg_stat_statements keeps none; the server logs no durations" in text(slow)
    assert SWITCH_ON[0] in text(slow)
    assert "P95" not in text(slow)


def test_where_nobody_knows_it_says_so_and_how_to_switch_it_on() -> None:
    slow = found(count=NOT_COUNTED)
    assert (slow.source, slow.past, slow.switch_on) == (None, (), SWITCH_ON)
    assert slow.unknown == (NOT_LOGGED, NOT_COUNTED)
    assert "history             unknown: the server logs no durations" in text(slow)
    assert SWITCH_ON[0] in text(slow)


def test_a_log_of_long_ones_alone_tells_no_percentile_and_why() -> None:
    slow = found(log=logged(*[6_000.0] * 50, always=timedelta(seconds=1)))
    assert slow.past[0].p95 is None
    assert "unknown: the log holds none that took less than 1000 ms" in text(slow)


def test_the_slowest_comes_first() -> None:
    one, other = logged(*[6_000.0] * 30), logged(*[7_000.0] * 30, query_id="8")
    slow = found(log=replace(one, queries=(*one.queries, *other.queries)))
    assert [each.query_id for each in slow.past] == ["8", "7"]
