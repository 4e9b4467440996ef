"""What is wrong with the database, by its readings: each with what a person does next. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.kernel.units import format_bytes, format_duration, format_share
from unioneyes.operations.database.blocking import blocking, waiting
from unioneyes.operations.database.connections import used
from unioneyes.operations.database.sessions import age, is_own, spoken, stays
from unioneyes.ports.activity import CLIENT, ActivityView, Session
from unioneyes.ports.database import Backup, BackupState
from unioneyes.ports.recovery import LogFault
from unioneyes.ports.replicas import PoolUse
from unioneyes.ports.vitals import Copy, Lag, VitalSigns

FULL = 0.8
"""Share of the connections or of the disk that is in use, 0-1. Source: Database Metrics, "Connection Pool Usage > 80%" and "Disk Usage > 80%"."""
LATE = timedelta(seconds=5)
"""How far a replica may be behind. Source: Database Metrics, "Replication Lag > 5 seconds"."""
LONG_TRANSACTION = timedelta(minutes=5)
"""From here on it keeps autovacuum from its work, and locks from others. Ours: no member's request, and no migration that gets its locks, takes so long."""
OVERDUE = 2
"""How many times more dead rows than autovacuum allows: it comes once a minute, and has to get there."""
HALF_WAY = 0.5
"""Of the way to 2^31 transactions, 0-1: autovacuum has tried since a tenth of it, and did not get there."""
OLD_BACKUP = timedelta(hours=26)
"""Age of the last proven backup: one is made each day at 02:00 UTC, and takes its time. Source: "Backup Verification", daily."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that is not as it should be."""

    where: str
    """`connections`, `replica`, ..."""
    what: str
    urgent: bool
    """True where members or their data are in danger now."""
    remedy: str
    """What a person types or looks at next."""


def of_activity(view: ActivityView) -> Iterator[Trouble]:
    """Yield what is wrong with the sessions."""
    count, usable = used(view), view.limits.usable
    if count > FULL * usable:
        said = f"{count} of {usable} connections are in use"
        yield Trouble(where="connections", what=said, urgent=count >= usable, remedy="ue db connections; --kill-idle --dry-run")
    links = blocking(view)
    if links:
        roots = [link for link in links if link.depth == 0]
        held_by = roots[0].session if len(roots) == 1 else None
        ending = f"; ue db kill {held_by.pid}" if held_by and stays(held_by) is None else ""
        yield Trouble(where="locks", what=f"{waiting(links)} for {held_by.pid if held_by else 'others'}", urgent=False, remedy=f"ue db locks{ending}")
    longest = longest_transaction(session for session in view.sessions if not is_own(session))  # a backup takes as long as it takes
    since = age(longest.transaction_since, view.at) if longest else None
    if longest and since is not None and since > LONG_TRANSACTION:
        said = f"{longest.pid} has been in a transaction for {format_duration(since)} ({spoken(longest, view.at)})"
        yield Trouble(where="transactions", what=said, urgent=False, remedy=f"ue db queries; ue db kill {longest.pid}")


def of_pools(pools: Iterable[PoolUse]) -> Iterator[Trouble]:
    """Yield what is wrong with the connections that the service's replicas hold."""
    for pool in pools:
        if pool.used > FULL * pool.most or pool.waiting:
            waits = f", and {pool.waiting} requests wait for one" if pool.waiting else ""
            said = f"{pool.replica} uses {pool.used} of its {pool.most} connections{waits}"
            yield Trouble(where="pool", what=said, urgent=bool(pool.waiting), remedy="ue db queries: what holds them? then [service] pool_size, or more pods")


def of_signs(signs: VitalSigns) -> Iterator[Trouble]:
    """Yield what is wrong with the database and its server."""
    if signs.replica:
        yield Trouble(where="role", what="it is a replica, and takes no writes", urgent=True, remedy="name its primary in environment.toml, or promote it")
    if signs.deadlocks:
        since = "" if signs.counted_since is None else f" since {signs.counted_since:%Y-%m-%d}"
        said = f"{signs.deadlocks} {'deadlock' if signs.deadlocks == 1 else 'deadlocks'}{since}: transactions that waited for each other"
        yield Trouble(where="deadlocks", what=said, urgent=False, remedy="the server's log names both queries; count anew: SELECT pg_stat_reset()")
    if signs.disk is not None and signs.disk.share > FULL:
        said = f"{format_share(signs.disk.share)} of the disk is in use, {format_bytes(signs.disk.free)} are free"
        yield Trouble(
            where="disk", what=said, urgent=signs.disk.share > (1 + FULL) / 2, remedy="give it more; see what grew: the largest tables, and what slots keep"
        )
    for table in signs.tables:
        if table.dead > OVERDUE * table.dead_allowed:
            said = f"{table.name} has {table.dead:,} dead rows, and autovacuum should have come at {table.dead_allowed:,}"
            yield Trouble(where="vacuum", what=said, urgent=False, remedy=f"a long transaction holds it up, or it is off: VACUUM {table.name}")
    wraps = signs.wraparound
    if wraps.share > HALF_WAY:
        said = f"{wraps.database} is {wraps.age:,} transactions old, {format_share(wraps.share)} of the way to where PostgreSQL stops taking writes"
        yield Trouble(where="transaction ids", what=said, urgent=True, remedy=f"end what holds it up (ue db queries), then VACUUM (FREEZE) in {wraps.database}")


def of_lag(lag: Lag) -> Iterator[Trouble]:
    """Yield what is wrong with the copies. What is not connected is wrong, however little it is behind."""
    away = next((each.why for each in lag.unknown if each.what == "replica"), None)
    if lag.copy is not None:
        yield from _of_copy(lag.copy, lag.at)
    elif not lag.followers and (lag.slots or away):
        yield Trouble(where="replica", what=f"nobody takes the log{f': {away}' if away else ''}", urgent=bool(lag.slots), remedy="see that the replica runs")
    if lag.heartbeat is not None and (not lag.heartbeat.arrived or lag.heartbeat.took > LATE):
        more = "" if lag.heartbeat.arrived else "more than "
        said = f"a commit takes {more}{format_duration(lag.heartbeat.took)} to get there"
        yield Trouble(where="replica", what=said, urgent=False, remedy="ue db lag; a long query there may hold it up, or its disk")
    for slot in lag.slots:
        if slot.wal_status == "lost":
            yield Trouble(where="slots", what=f"the log for {slot.name} is thrown away", urgent=True, remedy="clone whoever needs it anew, then drop the slot")
        elif not slot.active:
            kept = "log is" if slot.kept is None else f"{format_bytes(slot.kept)} of log are"
            said = f"{kept} kept for {slot.name}, and nobody takes it"
            yield Trouble(where="slots", what=said, urgent=slot.wal_status == "unreserved", remedy="see that its replica runs; or drop the slot")


def _of_copy(copy: Copy, at: datetime) -> Iterator[Trouble]:
    if copy.receiver != "streaming":
        shows = "" if copy.shows is None else f"; it shows nothing newer than {format_duration(at - copy.shows)} ago"
        behind = "" if copy.behind is None else f", {format_bytes(copy.behind)} behind"
        yield Trouble(where="replica", what=f"nothing reaches it{behind}{shows}", urgent=True, remedy="see that it reaches the primary: its log says why not")
    if copy.paused:
        yield Trouble(where="replica", what="somebody paused its replay", urgent=False, remedy="SELECT pg_wal_replay_resume() there")


def of_backups(backups: Iterable[Backup], at: datetime) -> Iterator[Trouble]:
    """Yield what is wrong with the last proven backup."""
    proven = last_proven(backups)
    if proven is None:
        yield Trouble(where="backup", what="no backup was ever restored and compared", urgent=False, remedy="ue backup create")
    elif at - proven.taken_at > OLD_BACKUP:
        said = f"the last proven backup is {format_duration(at - proven.taken_at)} old"
        yield Trouble(where="backup", what=said, urgent=False, remedy="ue backup create; ue backup schedule says why none was made")


def of_log(faults: Iterable[LogFault]) -> Iterator[Trouble]:
    """Yield what keeps the log from leading on: what was committed since could not be recovered."""
    return (Trouble(where="log", what=each.what, urgent=True, remedy=each.remedy) for each in faults)


def last_proven(backups: Iterable[Backup]) -> Backup | None:
    """Return the newest backup that was restored and compared."""
    return max((backup for backup in backups if backup.state is BackupState.VERIFIED), key=lambda backup: backup.taken_at, default=None)


def longest_transaction(sessions: Iterable[Session]) -> Session | None:
    """Return the session from outside that has been in a transaction for the longest time."""
    inside = [(session.transaction_since, session) for session in sessions if session.transaction_since is not None and session.kind == CLIENT]
    return min(inside, key=lambda known: known[0], default=(None, None))[1]
