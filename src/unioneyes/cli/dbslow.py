"""`ue db slow`: what takes long now, and what took long before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter

from unioneyes.cli.client import Api
from unioneyes.cli.dbtexts import queries_table
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Cell, Ink, cut, facts, result, table
from unioneyes.cli.request import duration
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.problems import BadInput, ExitCode
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration
from unioneyes.operations.database.slow import QueryTimes, SlowQueries

_SHOWN = 15
"""Lines: -o json has all."""
_QUERY_SHOWN = 96
_DAY, _YEAR = timedelta(days=1), timedelta(days=366)
_OVER = timedelta(seconds=5)
"""Source: Slow Query Investigation, "interval '5 seconds'"."""


Length = Annotated[timedelta, Parameter(converter=duration, metavar="DURATION")]


def slow(*, over: Length = _OVER, since: Length = _DAY, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show what runs for longer than --over, and which queries took longer before, with their percentiles.

    Percentiles are read from the durations that the server logs; where it logs none, pg_stat_statements tells mean and longest, and they
    are unknown. Ends with 1 when something runs for longer now.

    Args:
        over: What takes longer is slow: 5s, 200ms.
        since: How far back the log is read: 1h, 10m.
    """
    if not timedelta(0) < since <= _YEAR or over > _YEAR:
        raise BadInput(what="--since takes a length of time, and --over and --since a year at most", remedy="write it as 1h or 10m")
    found = Api(where).get("database/slow", SlowQueries, {"over": over.total_seconds(), "last": since.total_seconds()})
    result(output, found.document, lambda ink: slow_text(ink, found.value))
    return ExitCode.FAILED if found.value.running else ExitCode.DONE


def slow_text(ink: Ink, found: SlowQueries) -> str:
    """Return what runs now, what was slow before, and what can't be known."""
    over = format_duration(found.over)
    count = len(found.running)
    now = (
        f"{ink.tone(Tone.WARN, f'! {count} {_run(count)} for more than {over}')}\n\n{queries_table(ink, found.running, found.at)}"
        if count
        else ink.tone(Tone.GOOD, f"✔ nothing runs for more than {over}")
    )
    groups = (now, _past(ink, found, over), facts(ink, ((each.what, f"unknown: {each.why}") for each in found.unknown)), _switch_on(ink, found))
    return "\n\n".join(group for group in groups if group)


def _past(ink: Ink, found: SlowQueries, over: str) -> str:
    """Return the queries that were slow before, each on a line, and below it its text."""
    if found.source is None:
        return ""
    since = "" if found.since is None else f" since {rfc3339(found.since)}"
    if not found.past:
        most = "" if found.slowest is None else f"; the longest took {format_duration(found.slowest.longest)}: {found.slowest.query_id}"
        return f"none of {found.kinds} kinds of query took more than {over}{since} ({found.source}){most}"
    lines = table(
        ink, ("query id", "calls", "mean", *_columns(found), "longest"), (tuple(_times(each, found)) for each in found.past[:_SHOWN]), empty=""
    ).split("\n")
    texts = (f"  {ink.quiet(cut(each.query, _QUERY_SHOWN))}" for each in found.past[:_SHOWN])
    told = "\n".join((lines[0], *(f"{line}\n{text}" for line, text in zip(lines[1:], texts, strict=True))))
    more = len(found.past) - _SHOWN
    left_out = f"\nand {more} more: -o json has all" if more > 0 else ""
    estimated = "; calls are estimated from those that were logged" if any(each.logged is not None and each.calls > each.logged for each in found.past) else ""
    return f"{len(found.past)} of {found.kinds} kinds of query took more than {over}{since} ({found.source}{estimated})\n\n{told}{left_out}"


def _columns(found: SlowQueries) -> Iterator[str]:
    yield from ("logged", "p50", "p95", "p99") if any(each.logged is not None for each in found.past) else ("deviation",)


def _times(each: QueryTimes, found: SlowQueries) -> Iterator[str | Cell]:
    yield each.query_id
    yield f"{each.calls:,}"
    yield format_duration(each.mean)
    if each.logged is None:
        yield "-" if each.deviation is None else format_duration(each.deviation)
    else:
        yield f"{each.logged:,}"
        yield from ("unknown" if told is None else format_duration(told) for told in (each.p50, each.p95, each.p99))
    longest = format_duration(each.longest)
    yield Cell(longest, Tone.WARN) if each.longest > found.over else longest


def _switch_on(ink: Ink, found: SlowQueries) -> str:
    if not found.switch_on:
        return ""
    return "\n".join((ink.quiet("a superuser makes it known by:"), *(f"  {line}" for line in found.switch_on)))


def _run(count: int) -> str:
    return "runs" if count == 1 else "run"
