"""What is slow: what runs now for long, and which queries took long before. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.operations.database.connections import began, queries
from unioneyes.operations.database.percentiles import floor, spread
from unioneyes.operations.database.sessions import age
from unioneyes.ports.activity import ActivityView, Session
from unioneyes.ports.query_history import CountedQueries, LoggedQueries
from unioneyes.ports.vitals import Unknown

COUNTED = "pg_stat_statements"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryTimes:
    """How long queries took that differ by their values alone."""

    query_id: str
    query: str
    """With `?` or `$1` in place of each value."""
    calls: int
    """How many there were; where a share of them was logged, how many that comes to."""
    logged: int | None
    """How many of them the numbers are made of; None where all were counted."""
    mean: timedelta
    deviation: timedelta | None
    """The standard deviation; None where the log was read."""
    p50: timedelta | None
    """None where that is not known: never made up of mean and deviation."""
    p95: timedelta | None
    p99: timedelta | None
    longest: timedelta
    last: datetime | None
    """When the last of them ended, by the database's clock; None where nobody keeps that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowQueries:
    """What is slow."""

    at: datetime
    """By the database's clock."""
    over: timedelta
    """What takes longer is slow."""
    running: tuple[Session, ...]
    """What runs now for longer, or waits in the middle of a transaction: longest first."""
    source: str | None
    """Where the past is known from: `log`, `auto_explain` or `pg_stat_statements`; None where it is not."""
    since: datetime | None
    """From when on; None where nobody knows."""
    past: tuple[QueryTimes, ...]
    """Queries of which at least one took longer; the slowest by their P95, or else by their mean, first."""
    kinds: int
    """How many queries are known, slow or not, that differ by more than their values."""
    slowest: QueryTimes | None
    """Of all that are known, slow or not, the one that took longest."""
    unknown: tuple[Unknown, ...]
    """What can't be known here, and why."""
    switch_on: tuple[str, ...]
    """The statements by which a superuser makes the past known, where it is not."""


def slow_queries(
    view: ActivityView, *, over: timedelta, logged: LoggedQueries | Unknown, counted: CountedQueries | Unknown | None, switch_on: tuple[str, ...]
) -> SlowQueries:
    """Return what takes longer than `over`. `counted` is what stands in for a log that tells nothing; None where that was not needed."""
    running = tuple(each for each in queries(view).sessions if (age(began(each), view.at) or timedelta(0)) > over)
    unknown: tuple[Unknown, ...] = ()
    known: tuple[QueryTimes, ...] = ()
    source, since = None, None
    match logged, counted:
        case LoggedQueries(), _:
            source, since, known = logged.means.value, logged.since, _of_log(logged)
            if (least := floor(logged.sampling)) is not None and least > timedelta(0):
                unknown = (Unknown(what="percentiles", why=f"the log holds none that took less than {least / timedelta(milliseconds=1):g} ms"),)
        case Unknown(), CountedQueries():
            source, since, known = COUNTED, counted.since, _of_counts(counted)
            unknown = (Unknown(what="percentiles", why=f"{COUNTED} keeps none; {logged.why}"),)
        case Unknown(), _:
            unknown = (logged, *((counted,) if counted is not None else ()))
    past = sorted((each for each in known if each.longest > over), key=lambda each: each.p95 or each.mean, reverse=True)
    return SlowQueries(
        at=view.at,
        over=over,
        running=running,
        source=source,
        since=since,
        past=tuple(past),
        kinds=len(known),
        slowest=max(known, key=lambda each: each.longest, default=None),
        unknown=unknown,
        switch_on=switch_on if unknown else (),
    )


def _of_log(found: LoggedQueries) -> tuple[QueryTimes, ...]:
    return tuple(
        QueryTimes(
            query_id=each.query_id,
            query=each.query,
            calls=told.calls,
            logged=len(each.took),
            mean=told.mean,
            deviation=None,
            p50=told.p50,
            p95=told.p95,
            p99=told.p99,
            longest=told.longest,
            last=each.last,
        )
        for each in found.queries
        if (told := spread(each.took, found.sampling)) is not None
    )


def _of_counts(found: CountedQueries) -> tuple[QueryTimes, ...]:
    return tuple(
        QueryTimes(
            query_id=each.query_id,
            query=each.query,
            calls=each.calls,
            logged=None,
            mean=each.mean,
            deviation=each.deviation,
            p50=None,
            p95=None,
            p99=None,
            longest=each.longest,
            last=None,
        )
        for each in found.queries
    )
