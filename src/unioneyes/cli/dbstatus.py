"""How the database is, on one screen: first what is wrong, then everything by groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from unioneyes.cli.output import Cell, Ink, facts, table
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_bytes, format_duration, format_share
from unioneyes.operations.database.sessions import age, own, spoken
from unioneyes.operations.database.status import DatabaseStatus, LagStatus
from unioneyes.operations.database.status_rules import Trouble
from unioneyes.ports.recovery import Window
from unioneyes.ports.vitals import Copy, Follower, Lag, Slot, TableVitals, Unknown, VitalSigns, untested

_TABLES, _ALIKE = 5, 6
"""Lines of each kind: a screen has room for no more, and -o json has all."""


def database_text(ink: Ink, shown: DatabaseStatus) -> str:
    """Return the whole screen."""
    signs = shown.signs
    groups = (
        _verdict(ink, shown.troubles, "the database is well"),
        facts(ink, _server(signs, shown)),
        facts(ink, _connections(shown)),
        facts(ink, (*_followed(shown.lag), *_replication(shown.lag), *_unknown(shown.unknown))),
        _tables(ink, sorted(signs.tables, key=lambda each: not each.overdue)[:_TABLES], signs.at),
    )
    return "\n\n".join(group for group in groups if group)


def lag_text(ink: Ink, shown: LagStatus) -> str:
    """Return how far the copies are behind: as the primary sees them, and as the replica says itself."""
    lag = shown.lag
    groups = (
        _verdict(ink, shown.troubles, "nothing is behind" if lag.heartbeat else "nothing is known to be behind"),
        facts(ink, (("primary", f"its log ends at {lag.position}"), *_followed(lag), *_unknown(lag.unknown))),
        table(
            ink,
            ("follower", "from", "state", "sync", "not sent", "not replayed", "heard"),
            (_follower(each, lag.at) for each in lag.followers),
            empty="nobody takes the log",
        ),
        table(ink, ("slot", "taken", "log", "kept for it", "may grow by"), (_slot(each) for each in lag.slots), empty="") if lag.slots else "",
    )
    return "\n\n".join(group for group in groups if group)


def _verdict(ink: Ink, troubles: Sequence[Trouble], well: str) -> str:
    if not troubles:
        return ink.tone(Tone.GOOD, f"✔ {well}")
    lines = []
    for each in troubles:
        said = f"✘ {each.where}: {each.what}" if each.urgent else f"! {each.where}: {each.what}"
        lines += [ink.tone(Tone.BAD if each.urgent else Tone.WARN, said), f"  {ink.quiet(each.remedy)}"]
    return "\n".join(lines)


def _server(signs: VitalSigns, shown: DatabaseStatus) -> Iterator[tuple[str, str]]:
    role = "replica" if signs.replica else "primary"
    known = f" ({said})" if (said := untested(signs.version)) else ""
    yield "database", f"{signs.database} of {shown.environment}: PostgreSQL {signs.version}{known}, {role}, up for {format_duration(signs.at - signs.started)}"
    others = f"; {len(signs.others)} others: {format_bytes(sum(signs.others.values()))}" if signs.others else ""
    yield "size", f"{format_bytes(signs.bytes)}{others}"
    if signs.disk is not None:
        yield "disk", f"{format_share(signs.disk.share)} in use, {format_bytes(signs.disk.free)} free"
    since = "since it was made, or crashed" if signs.counted_since is None else f"since {rfc3339(signs.counted_since)}"
    yield "counted", f"{signs.commits:,} commits, {signs.rollbacks:,} rollbacks, {signs.deadlocks} deadlocks {since}"
    yield "cache", "" if signs.cache_hit is None else f"{format_share(signs.cache_hit)} of blocks were in memory"
    wraps = signs.wraparound
    yield "oldest row", f"{wraps.age:,} transactions ({wraps.database}), {format_share(wraps.share)} of the limit; frozen from {wraps.freeze_at:,} on"
    overdue = [each for each in signs.tables if each.overdue]
    debt = f"{len(overdue)} tables wait for it, with {sum(each.dead for each in overdue):,} dead rows" if overdue else "no table waits for it"
    yield "autovacuum", debt if signs.tables else ""
    proven = shown.proven
    yield "backup", "none proven" if proven is None else f"{proven.name}, proven, {format_duration(shown.at - proven.taken_at)} old"
    if not any(each.what == "recoverable window" for each in shown.unknown):
        yield "recoverable", _recoverable(shown.recoverable)


def _recoverable(window: Window | None) -> str:
    if window is None:
        return "to the moments of backups alone"
    if window.until == window.since:  # a base backup, and no log behind it
        return f"to {rfc3339(window.since)}, and to the moments of backups"
    return f"to any second from {rfc3339(window.since)} to {rfc3339(window.until)}"


def _connections(shown: DatabaseStatus) -> Iterator[tuple[str, str]]:
    usable = shown.limits.usable
    yield "connections", f"{shown.used} of {usable} ({format_share(shown.used / max(usable, 1))}; {shown.limits.reserved} more are reserved)"
    theirs = [each for each in shown.connected if not own(each.application, each.user)]  # ours come and go with each look
    states: Counter[str] = Counter()
    for group in theirs:
        states[group.state or "unknown"] += group.count
    ours = f"{shown.used - sum(each.count for each in theirs)} of ue itself"
    yield "by state", ", ".join((*(f"{count} {state}" for state, count in states.most_common()), ours))
    for number, group in enumerate([each for each in theirs if each.user][:_ALIKE]):  # one that is starting is nobody yet
        lasts = "" if group.longest is None else f" for up to {format_duration(group.longest)}"
        who = f"{group.application or 'no application name'} as {group.user} in {group.database}"
        yield "" if number else "most", f"{group.count} of {who}, {group.state or 'unknown'}{lasts}"
    if shown.pools:
        used, most = sum(pool.used for pool in shown.pools), sum(pool.most for pool in shown.pools)
        fullest = max(shown.pools, key=lambda pool: pool.used / max(pool.most, 1))
        waiting = sum(pool.waiting for pool in shown.pools)
        told = f"{used} of {most} in {len(shown.pools)} replicas; fullest: {fullest.replica}, {fullest.used} of {fullest.most}"
        yield "pools", f"{told}; {waiting} requests wait" if waiting else told
    longest = shown.longest
    since = age(longest.transaction_since, shown.at) if longest else None
    inside = "none" if longest is None or since is None else f"{format_duration(since)}: {longest.pid}, {spoken(longest, shown.at)}"
    yield "longest transaction", inside
    roots = [link for link in shown.blocking if link.depth == 0]
    yield "blocked", "; ".join(f"{link.holds_up} by {link.pid}" for link in roots) or "nobody"


def _followed(lag: Lag) -> Iterator[tuple[str, str]]:
    """Yield the replica's own side, and how long a heartbeat took."""
    if lag.copy is not None:
        yield "replica", _copy(lag.copy, lag.at)
    if lag.heartbeat is not None:
        took = format_duration(lag.heartbeat.took)
        yield "heartbeat", f"a commit was there after {took}" if lag.heartbeat.arrived else f"a commit was not there after {took}"
    if lag.waits_for:
        yield "commits wait for", lag.waits_for


def _replication(lag: Lag) -> Iterator[tuple[str, str]]:
    """Yield the primary's side: who takes the log, and what it is kept for."""
    for number, each in enumerate(lag.followers[:_ALIKE]):
        behind = f"{_bytes(each.sent_behind)} not sent, {_bytes(each.behind)} not replayed"
        yield "" if number else "followers", f"{each.name} from {each.client or 'here'}: {each.state or 'unknown'}, {each.synchronous or 'unknown'}, {behind}"
    for number, slot in enumerate(lag.slots[:_ALIKE]):
        yield (
            "" if number else "slots",
            f"{slot.name}: {'taken' if slot.active else 'nobody takes it'}, {slot.wal_status or 'never used'}, keeps {_bytes(slot.kept)}",
        )


def _copy(copy: Copy, at: datetime) -> str:
    receiver = copy.receiver or "nothing reaches it"
    shows = "" if copy.shows is None else f"; its newest commit is of {rfc3339(copy.shows)} ({format_duration(age(copy.shows, at) or at - at)} ago)"
    unreplayed = f", {format_bytes(copy.unreplayed)} of that it has" if copy.unreplayed else ""
    return f"{receiver}, {_bytes(copy.behind)} behind{unreplayed}{', paused' if copy.paused else ''}{shows}"


def _unknown(unknown: Sequence[Unknown]) -> Iterator[tuple[str, str]]:
    for each in unknown:
        yield each.what, f"unknown: {each.why}"


def _tables(ink: Ink, tables: Sequence[TableVitals], at: datetime) -> str:
    return table(
        ink,
        ("table", "size", "rows", "dead", "cleaned from", "cleaned"),
        (
            (
                each.name,
                format_bytes(each.bytes),
                f"{each.rows:,}",
                Cell(f"{each.dead:,}", Tone.WARN) if each.overdue else f"{each.dead:,}",
                f"{each.dead_allowed:,}",
                "never" if each.vacuumed_at is None else f"{format_duration(at - each.vacuumed_at)} ago",
            )
            for each in tables
        ),
        empty="no tables are known",
    )


def _follower(each: Follower, at: datetime) -> tuple[str | Cell, ...]:
    heard = age(each.heard, at)
    streams = each.state == "streaming"
    return (
        each.name,
        each.client or "local",
        each.state if streams else Cell(each.state, Tone.WARN),
        each.synchronous,
        _bytes(each.sent_behind),
        _bytes(each.behind),
        "-" if heard is None else f"{format_duration(heard)} ago",
    )


def _slot(each: Slot) -> tuple[str | Cell, ...]:
    log = each.wal_status or "-"
    return (
        each.name,
        "yes" if each.active else Cell("no", Tone.WARN),
        Cell(log, Tone.BAD) if log in {"lost", "unreserved"} else log,
        _bytes(each.kept),
        "without a bound" if each.safe is None else format_bytes(max(each.safe, 0)),
    )


def _bytes(count: int | None) -> str:
    return "unknown" if count is None else format_bytes(count)
