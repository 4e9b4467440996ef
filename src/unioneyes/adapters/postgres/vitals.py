"""How the database is, and how far its copies are behind, as a role with pg_monitor sees it. Implements `ports.vitals.Vitals`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from psycopg.rows import DictRow, class_row, dict_row
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection, sql
from unioneyes.adapters.postgres.operator_rights import require_seeing
from unioneyes.kernel.cancelling import sleep
from unioneyes.ports.database import DatabaseUnavailable
from unioneyes.ports.vitals import Copy, Disk, Follower, Heartbeat, Lag, ReplicaNamed, Slot, TableVitals, Unknown, VitalSigns, Wraparound

_NAME = "ue-vitals"
_LIMIT = timedelta(seconds=10)
_LARGEST, _MOST = 10, 50
"""Tables that are told in any case, and with those that are overdue."""
_WRAPS_AT = 2**31
"""Transactions. Source: PostgreSQL, "Preventing Transaction ID Wraparound Failures"."""
_PATIENCE_MS = 300
"""How long a lock is waited for, as migrations do: whoever comes after us waits behind us."""
_LOOK_SECONDS = 0.01
_STREAMING = "streaming"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerVitals:
    """One server, and the replica that it has, if anybody knows where."""

    database_url: Callable[[], SecretStr]
    """Gives the address for the role that looks. Raises: NoOperator, NoAuthority."""
    replica_url: Callable[[], SecretStr] | None
    """The same for the replica; None where the environment names none."""
    data_folder: Path | None
    """On this machine; None where the server is elsewhere."""

    def signs(self) -> VitalSigns:
        """Return how the database and its server are. See the port."""
        with connection(self.database_url(), name=_NAME, statement_limit=_LIMIT) as opened:
            require_seeing(opened)
            with opened.cursor(row_factory=dict_row) as cursor:
                (server,) = cursor.execute(sql("vitals_server")).fetchall()
            tables = _tables(opened)
        return _signs(server, tables, self._disk())

    def lag(self, *, within: timedelta) -> Lag:
        """Return how far the copies are behind. See the port."""
        with connection(self.database_url(), name=_NAME, statement_limit=_LIMIT) as primary:
            if primary.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
                raise ReplicaNamed(what="the operated database is a replica itself", remedy="name its primary as [database] host")
            require_seeing(primary)
            at, position, waits_for = primary.execute(sql("lag_primary")).fetchall()[0]
            with primary.cursor(row_factory=class_row(Follower)) as cursor:
                followers = tuple(cursor.execute(sql("lag_followers"), {"position": position}).fetchall())
            with primary.cursor(row_factory=class_row(Slot)) as cursor:
                slots = tuple(cursor.execute(sql("lag_slots"), {"position": position}).fetchall())
            copy, heartbeat, unknown = self._from_the_other_end(primary, position, within)
        return Lag(at=at, position=position, followers=followers, slots=slots, waits_for=waits_for, copy=copy, heartbeat=heartbeat, unknown=unknown)

    def _from_the_other_end(self, primary: psycopg.Connection, position: str, within: timedelta) -> tuple[Copy | None, Heartbeat | None, tuple[Unknown, ...]]:
        """Return what the replica says of itself, how long a heartbeat took, and why one of them is unknown."""
        if self.replica_url is None:
            why = "the environment names no replica: there is only what the primary heard, which may be 10 s old"
            return None, None, (Unknown(what="replica", why=why), Unknown(what="seconds", why=why))
        try:
            with connection(self.replica_url(), name=_NAME, statement_limit=_LIMIT) as replica:
                with replica.cursor(row_factory=class_row(Copy)) as cursor:
                    copy = cursor.execute(sql("lag_replica"), {"position": position}).fetchone()
                if copy is None:
                    return None, None, (Unknown(what="replica", why="what stands in its place is no replica: it was promoted"),)
                if copy.receiver != _STREAMING:
                    return copy, None, (Unknown(what="seconds", why="nothing reaches the replica, so no heartbeat would arrive"),)
                return copy, _heartbeat(primary, replica, within), ()
        except DatabaseUnavailable as away:
            return None, None, (Unknown(what="replica", why=away.what), Unknown(what="seconds", why="the replica does not answer"))

    def _disk(self) -> Disk | Unknown:
        if self.data_folder is None:
            return Unknown(what="disk", why="the server runs elsewhere, and PostgreSQL does not say how full its disk is: ask who runs it")
        try:
            found = shutil.disk_usage(self.data_folder)
        except OSError as error:
            return Unknown(what="disk", why=f"{self.data_folder}: {error.strerror}")
        return Disk(total=found.total, free=found.free)


def _tables(opened: psycopg.Connection) -> tuple[TableVitals, ...] | Unknown:
    """Return the tables; measuring one takes a lock, so whoever holds a table alone must not hold up whoever looks for them."""
    opened.execute("SELECT set_config('lock_timeout', %s, false)", (f"{_PATIENCE_MS}ms",))
    try:
        with opened.cursor(row_factory=class_row(TableVitals)) as cursor:
            return tuple(cursor.execute(sql("vitals_tables"), {"largest": _LARGEST, "most": _MOST}).fetchall())
    except psycopg.errors.LockNotAvailable:
        return Unknown(what="tables", why="somebody holds one of them alone, so that it can't be measured: ue db locks")


def _heartbeat(primary: psycopg.Connection, replica: psycopg.Connection, within: timedelta) -> Heartbeat:
    """Return how long it took until a commit on the primary was shown by the replica."""
    with primary.transaction():
        # It must not wait for a synchronous replica that is away: that it is, is what we are about to find out.
        primary.execute("SET LOCAL synchronous_commit = local")
        primary.execute(sql("lag_heartbeat"))
    began = time.monotonic()
    (position,) = primary.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ("0/0",)
    while True:
        there = replica.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (position,)).fetchone() == (True,)
        took = timedelta(seconds=time.monotonic() - began)
        if there or took >= within:
            return Heartbeat(arrived=there, took=took)
        sleep(_LOOK_SECONDS)


def _signs(row: DictRow, tables: tuple[TableVitals, ...] | Unknown, disk: Disk | Unknown) -> VitalSigns:
    database, age, freeze_at = row.pop("oldest_database"), row.pop("oldest_age"), row.pop("freeze_at")
    unknown = () if row["cache_hit"] is not None else (Unknown(what="cache hit", why="nothing was read since it is counted"),)
    return VitalSigns(
        **row,
        wraparound=Wraparound(database=database, age=age, freeze_at=freeze_at, share=age / _WRAPS_AT),
        tables=() if isinstance(tables, Unknown) else tables,
        disk=None if isinstance(disk, Unknown) else disk,
        unknown=(*unknown, *(each for each in (tables, disk) if isinstance(each, Unknown))),
    )
