"""The port `Recovery`, with PostgreSQL's own programs, on two folders: base backups and the log. Nothing else is needed to recover."""

from __future__ import annotations

import shlex
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from unioneyes.adapters.postgres.connections import connection, shown, sql
from unioneyes.adapters.postgres.recovery.archive import WalArchive
from unioneyes.adapters.postgres.recovery.bases import BaseBackups
from unioneyes.adapters.postgres.recovery.export import Export, count_rows, has_table
from unioneyes.adapters.postgres.recovery.faults import log_faults
from unioneyes.adapters.postgres.recovery.finding import Finding
from unioneyes.adapters.postgres.recovery.keepers import Keeper, failover_view, keepers
from unioneyes.adapters.postgres.recovery.receiving import SLOT
from unioneyes.adapters.postgres.recovery.retention import Surplus, surplus
from unioneyes.adapters.postgres.recovery.scratch import RecoveryServers, Stopped
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.clock import Deadline, rfc3339
from unioneyes.kernel.units import format_duration
from unioneyes.ports.database import DatabaseUnavailable
from unioneyes.ports.recovery import (
    BaseBackup,
    Exported,
    FailoverView,
    LogFault,
    OutsideWindow,
    Pruned,
    Recovered,
    RecoveryFailed,
    RecoveryPoint,
    Target,
    WalMode,
    WalView,
)

_LOOK_LIMIT = timedelta(seconds=5)
_COUNT_LIMIT = timedelta(minutes=30)
_RECEIVED_WITHIN = timedelta(seconds=15)
"""How long a commit that was just made may take until the archive has it."""
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainRecovery:
    """Implements the port `Recovery`. Close it, or its scratch servers end with the process."""

    bases_in: BaseBackups
    archive: WalArchive
    servers: RecoveryServers
    bring: Export
    mode: WalMode
    window: timedelta
    expected: tuple[str, ...] = ()
    """Names of the standbys that there should be."""
    promotion: timedelta | None = None
    """How long promoting a replica took in the last drill."""

    def close(self) -> None:
        """The scratch servers that this process started are gone."""
        self.servers.close()

    def bases(self) -> tuple[BaseBackup, ...]:
        """Return every base backup, newest first."""
        return tuple(each.base(self.bases_in.folder) for each in self.bases_in.all())

    def back_up(self, name: str, *, incremental: bool) -> BaseBackup:
        """A base backup called `name` exists, whole and verified. Raises: BaseFailed, NoParent, DatabaseUnavailable."""
        return self.bases_in.take(name, incremental=incremental).base(self.bases_in.folder)

    def verify(self, name: str) -> BaseBackup:
        """Return the base backup once each of its files is what the server sent. Raises: BaseBroken, NoSuchBase."""
        return self.bases_in.verify(name).base(self.bases_in.folder)

    def wal(self) -> WalView:
        """Return how the log is kept, and what can be recovered to. Answers without the server, too."""
        finding = self._finding()
        streaming, keeper, slot = self._asked()
        return WalView(
            mode=self.mode,
            streaming=streaming,
            received=keeper.received if keeper else None,
            behind=keeper.behind_bytes if keeper else None,
            slot=slot[1] if slot else None,
            slot_room=slot[2] if slot else None,
            segments=len(self.archive.kept().segments),
            bytes=self.archive.bytes(),
            gaps=finding.gaps(),
            windows=finding.windows(),
            wanted=self.window,
            bases=self.bases(),
        )

    def faults(self) -> tuple[LogFault, ...]:
        """Return what keeps the log from leading on; nothing where it is not kept."""
        if self.mode is WalMode.NONE:
            return ()
        streaming, _, slot = self._asked()
        return log_faults(self.mode, streaming=streaming, slot=slot[1] if slot else None, gaps=self._finding().gaps())

    def find(self, target: Target) -> RecoveryPoint:
        """Return where recovery begins and ends. Raises: OutsideWindow, NoSuchTransaction, NoSuchDrop, DatabaseUnavailable."""
        finding = self._finding()
        if target.time is not None:
            return self._find_time(finding, target.time)
        if target.before_xid is not None:
            return finding.before_xid(target.before_xid)
        if target.before_drop is not None:
            return finding.before_drop(target.before_drop, there=self._has_table)
        return finding.at_end()

    def room(self) -> tuple[int, int]:
        """Return the bytes that the newest recovery would take, and those that are free where it would stand."""
        newest = next(iter(self.bases_in.all()), None)
        self.bases_in.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        needed = sum(each.bytes for each in self.bases_in.chain(newest.name)) if newest else 0
        return needed, shutil.disk_usage(self.bases_in.folder).free

    def recover(self, name: str, point: RecoveryPoint) -> Recovered:
        """A scratch server called `name` holds the database as it was at `point`. Raises: RecoveryFailed (nothing is left of it), BaseBroken."""
        began = time.monotonic()
        with self.servers.turn(name):
            self.bases_in.verify(point.base)
            chain = self.bases_in.chain(point.base)
            stopped = self.servers.start(name, chain, self.bases_in.folder, target=self._settings(point))
            try:
                return self._looked_at(name, point, stopped, began)
            except BaseException:
                self.servers.discard(name)
                raise

    def running(self, name: str) -> bool:
        """Return whether the scratch server of that name accepts connections."""
        return self.servers.running(name)

    def require_absent(self, database: str) -> None:
        """Return where the live server has no database of that name. Raises: DatabaseExists, DatabaseUnavailable."""
        self.bring.require_absent(database)

    def export(self, name: str, *, into: str, table: str | None) -> Exported:
        """The live server has a new database `into` with what the scratch server holds. Raises: DatabaseExists, RecoveryFailed, DatabaseUnavailable."""
        if not self.servers.running(name):
            raise RecoveryFailed(what=f"the scratch server {name} does not run any more", remedy="recover again: it ended with the process that started it")
        return self.bring.bring(self.servers.url(name), self.servers.programs(name), into=into, table=table, mark=_mark(name))

    def discard_export(self, name: str, *, into: str) -> None:
        """The live server has no database `into` that was made from `name`."""
        self.bring.discard(into, mark=_mark(name))

    def discard(self, name: str) -> None:
        """The scratch server of that name is gone, with its files."""
        with self.servers.turn(name):
            self.servers.discard(name)

    def prunable(self) -> Pruned:
        """Return what nobody needs for the window."""
        found = self._surplus()
        sizes = {each.name: each.bytes for each in self.bases_in.all()}
        freed = sum(sizes[name] for name in found.bases) + len(found.segments) * self.archive.size
        return Pruned(bases=found.bases, segments=len(found.segments), bytes=freed)

    def prune(self) -> Pruned:
        """What nobody needs for the window is gone: the base backups first, whose log goes with them."""
        with self.bases_in.turn():
            found = self._surplus()
            freed = self.bases_in.remove(found.bases) + self.archive.remove(found.segments)
        return Pruned(bases=found.bases, segments=len(found.segments), bytes=freed)

    def failover(self) -> FailoverView:
        """Return what would be lost with the primary. Raises: DatabaseUnavailable."""
        with self._session() as session:
            found = keepers(session)
        newest = next(iter(self.bases_in.all()), None)
        wanted = (*self.expected, *((SLOT,) if self.mode is not WalMode.NONE else ()))
        return failover_view(found, wanted=wanted, last_base=newest.ended_at if newest else None, promotion=self.promotion)

    def describe_back_up(self, name: str, *, incremental: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return self.bases_in.describe(name, incremental=incremental)

    def describe_recover(self, name: str, point: RecoveryPoint) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Source: Backup and Restore, "Point-in-Time Recovery"."""
        copied, chain = self.servers.server(name).data, self.bases_in.chain(point.base)
        folders = " ".join(str(self.bases_in.folder / each.name) for each in chain)
        return (
            f"cp -a {folders} {copied}" if len(chain) == 1 else f"pg_combinebackup -o {copied} {folders}",
            f"printf '%s\\n' {' '.join(shlex.quote(setting) for setting in self._settings(point))} >> {copied}/postgresql.conf",
            f"touch {copied}/recovery.signal",
            f"pg_ctl -D {copied} -w start",
        )

    def describe_export(self, name: str, *, into: str, table: str | None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return self.bring.describe(f"host={self.servers.server(name).sockets} user=postgres dbname={self.bring.live}", into=into, table=table)

    def describe_prune(self) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        found = self._surplus()
        kept = [each for each in self.bases_in.all() if each.name not in found.bases]
        removed = tuple(f"rm -r {self.bases_in.folder / name}.json {self.bases_in.folder / name}" for name in found.bases)
        if not found.segments or not kept:
            return removed
        last = max(found.segments, key=lambda segment: segment.number)
        return (*removed, f"cd {self.archive.folder} && rm ...   # {len(found.segments)} segments, up to {last.name(size=self.archive.size)}")

    def _finding(self) -> Finding:
        return Finding(archive=self.archive, bases=self.bases_in.all())

    def _find_time(self, finding: Finding, wanted: datetime) -> RecoveryPoint:
        """Return the way to a moment. Where no commit after it is kept and the server lives, an empty one is made there: recovery ends at one."""
        point = finding.at_time(wanted, later=False)
        try:
            clock = self._clock()
        except DatabaseUnavailable:
            return finding.at_time(wanted)
        if wanted > clock:
            raise OutsideWindow(
                what=f"{rfc3339(wanted)} lies in the future: the server's clock says {rfc3339(clock)}; {finding.spoken()}", remedy="ue backup wal"
            )
        if finding.holed(point.base):
            return finding.at_time(wanted)  # what is committed now lies behind the hole
        deadline, made = Deadline.after(_RECEIVED_WITHIN), False
        while True:
            try:
                return finding.at_time(wanted)
            except OutsideWindow as problem:
                if not made:
                    self._commit()
                    made = True
                elif deadline.passed:
                    what = f"{problem.what}; one that was made now was not received within {format_duration(_RECEIVED_WITHIN)}"
                    raise OutsideWindow(what=what, remedy=f"ue backup wal shows whether the log is received; {point.base} leads no further") from None
                sleep(_POLL_SECONDS)

    def _settings(self, point: RecoveryPoint) -> tuple[str, ...]:
        """Return the settings by which a copy of the base backup gets to `point`."""
        follows = (f"restore_command = '{_quoted(self.archive.restore_command())}'", f"recovery_target_timeline = '{point.timeline}'")
        if point.time is not None:
            return (*follows, f"recovery_target_time = '{point.time.isoformat()}'")
        if point.xid is not None:
            return (*follows, f"recovery_target_xid = '{point.xid}'", "recovery_target_inclusive = off")
        return follows

    def _looked_at(self, name: str, point: RecoveryPoint, stopped: Stopped, began: float) -> Recovered:
        address = self.servers.url(name)
        with connection(address, name="ue-pitr", statement_limit=_COUNT_LIMIT) as session:
            if point.table and not has_table(session, point.table):
                raise RecoveryFailed(what=f"recovered to {point.said}, and {point.table} is not there", remedy="go back further: ue backup pitr --to TIME")
            tables, rows = count_rows(session)
        return Recovered(
            name=name,
            stopped=stopped.words,
            last_commit=stopped.last_commit,
            tables=tables,
            rows=rows,
            took=timedelta(seconds=time.monotonic() - began),
            way_in=f"psql {shlex.quote(shown(address))}",
        )

    def _surplus(self) -> Surplus:
        """Return what may go by the server's clock; by the newest base backup where the server does not answer, which keeps the more."""
        bases = self.bases()
        if not bases:
            return Surplus(bases=(), segments=())
        try:
            now = self._clock()
        except DatabaseUnavailable:
            now = bases[0].ended_at
        return surplus(bases, self.archive.kept().segments, now=now, window=self.window, size=self.archive.size)

    def _asked(self) -> tuple[bool | None, Keeper | None, tuple[bool, str, int | None] | None]:
        """Return whether the log is received, by whom, and what the server keeps for it."""
        try:
            with self._session() as session:
                keeper = next((each for each in keepers(session) if each.keeper == SLOT), None)
                slot = session.execute(sql("recovery_slot"), {"slot": SLOT}).fetchone()
        except DatabaseUnavailable:
            return None, None, None
        return keeper is not None, keeper, (slot[0], slot[1], slot[2]) if slot else None

    def _clock(self) -> datetime:
        """Return the time by the server's clock. Raises: DatabaseUnavailable."""
        with self._session() as session:
            (clock,) = session.execute("SELECT clock_timestamp()").fetchone() or (None,)
        if not isinstance(clock, datetime):
            raise DatabaseUnavailable(what="the server does not say what time it is", remedy="look at its log")
        return clock

    def _commit(self) -> None:
        """The server has committed once more; nothing else was changed there. Raises: DatabaseUnavailable."""
        with self._session() as session:
            session.execute("SELECT pg_current_xact_id()")

    def _has_table(self, table: str) -> bool:
        try:
            with self._session() as session:
                return has_table(session, table)
        except DatabaseUnavailable:
            return False  # then nothing speaks against it

    def _session(self) -> AbstractContextManager[psycopg.Connection]:
        return connection(self.bases_in.database_url, name="ue-recovery", statement_limit=_LOOK_LIMIT)


def _mark(name: str) -> str:
    return f"recovered by ue as {name}"


def _quoted(text: str) -> str:
    return text.replace("'", "''")
