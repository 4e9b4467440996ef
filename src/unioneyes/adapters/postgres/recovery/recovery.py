"""The port `Recovery`: found in the log, and recovered beside by PostgreSQL's own programs, whoever keeps base backups and the log."""

from __future__ import annotations

import shlex
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from unioneyes.adapters.postgres.connections import connection, shown
from unioneyes.adapters.postgres.recovery.bases import read_tables
from unioneyes.adapters.postgres.recovery.catalogue import Catalogue, Keeping, Tables
from unioneyes.adapters.postgres.recovery.export import Export, count_rows, has_table
from unioneyes.adapters.postgres.recovery.faults import gap_faults, log_faults
from unioneyes.adapters.postgres.recovery.finding import Finding
from unioneyes.adapters.postgres.recovery.keepers import Received, failover_view, keepers, received
from unioneyes.adapters.postgres.recovery.plain import read_clock
from unioneyes.adapters.postgres.recovery.positions import Segment
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
class RecoversBeside:
    """Implements the port `Recovery`. Close it, or its scratch servers end with the process."""

    catalogue: Catalogue
    servers: RecoveryServers
    bring: Export
    expected: tuple[str, ...] = ()
    """Names of the standbys that there should be."""
    promotion: timedelta | None = None
    """How long promoting a replica took in the last drill."""

    def close(self) -> None:
        """The scratch servers that this process started are gone."""
        self.servers.close()

    def bases(self) -> tuple[BaseBackup, ...]:
        """Return every base backup that can be recovered from, newest first."""
        return self.catalogue.bases()

    def back_up(self, name: str, *, incremental: bool) -> BaseBackup:
        """A base backup called `name` exists, whole and verified. Raises: BaseFailed, NoParent, DatabaseUnavailable."""
        return self.catalogue.take(name, incremental=incremental)

    def verify(self, name: str) -> BaseBackup:
        """Return the base backup once each of its files is what the server sent. Raises: BaseBroken, NoSuchBase."""
        return self.catalogue.verify(name)

    def wal(self) -> WalView:
        """Return how the log is kept, and what can be recovered to. Answers without the server, too."""
        finding, keeping, log = self._finding(), self.catalogue.keeping(faults=True), self.catalogue.log
        told = self._received(keeping)
        return WalView(
            mode=keeping.mode,
            streaming=told.streaming,
            received=told.position,
            behind=told.behind,
            slot=told.slot,
            slot_room=told.slot_room,
            segments=len(log.kept().segments),
            bytes=log.bytes(),
            gaps=finding.gaps(),
            windows=finding.windows(),
            wanted=keeping.window,
            bases=finding.bases,
            kept_by=keeping.kept_by,
        )

    def faults(self) -> tuple[LogFault, ...]:
        """Return what keeps the log from leading on; nothing where it is not kept."""
        keeping = self.catalogue.keeping(faults=True)
        if keeping.kept_by:
            return (*keeping.faults, *gap_faults(self._finding().gaps()))
        if keeping.mode is WalMode.NONE:
            return ()
        told = self._received(keeping)
        return log_faults(keeping.mode, streaming=told.streaming, slot=told.slot, gaps=self._finding().gaps())

    def find(self, target: Target) -> RecoveryPoint:
        """Return where recovery begins and ends. Raises: OutsideWindow, NoSuchTransaction, NoSuchDrop, DatabaseUnavailable."""
        finding = self._finding()
        if target.time is not None:
            return self._find_time(finding, target.time)
        if target.before_xid is not None:
            return finding.before_xid(target.before_xid)
        if target.before_drop is not None:
            return finding.before_drop(target.before_drop, there=self._has_table, tables=self._tables)
        return finding.at_end()

    def room(self) -> tuple[int, int]:
        """Return the bytes that the newest recovery would take, and those that are free where it would stand."""
        self.catalogue.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.catalogue.needed(), shutil.disk_usage(self.catalogue.folder).free

    def recover(self, name: str, point: RecoveryPoint) -> Recovered:
        """A scratch server called `name` holds the database as it was at `point`. Raises: RecoveryFailed (nothing is left of it), BaseBroken."""
        began = time.monotonic()
        with self.servers.turn(name):
            base = self.catalogue.verify(point.base)
            stopped = self._start(name, base, self._finding().path_to(point), target=_target(point))
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
        return self.catalogue.prunable()

    def prune(self) -> Pruned:
        """What nobody needs for the window is gone."""
        return self.catalogue.prune()

    def failover(self) -> FailoverView:
        """Return what would be lost with the primary. Raises: DatabaseUnavailable."""
        with self._session() as session:
            found = keepers(session)
        newest, receiver = next(iter(self.bases()), None), self.catalogue.keeping(faults=False).receiver
        wanted = (*self.expected, *((receiver,) if receiver else ()))
        return failover_view(found, wanted=wanted, last_base=newest.ended_at if newest else None, promotion=self.promotion)

    def describe_back_up(self, name: str, *, incremental: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return self.catalogue.describe_take(name, incremental=incremental)

    def describe_recover(self, name: str, point: RecoveryPoint) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Source: Backup and Restore, "Point-in-Time Recovery"."""
        data = self.servers.server(name).data
        settings = (_takes_from(self.catalogue.log.describe_restoring()), *_target(point))
        return (
            *self.catalogue.describe_lay_out(point.base, data),
            f"printf '%s\\n' {' '.join(shlex.quote(setting) for setting in settings)} >> {data}/postgresql.conf",
            f"touch {data}/recovery.signal",
            f"pg_ctl -D {data} -w start",
        )

    def describe_export(self, name: str, *, into: str, table: str | None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return self.bring.describe(f"host={self.servers.server(name).sockets} user=postgres dbname={self.bring.live}", into=into, table=table)

    def describe_prune(self) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return self.catalogue.describe_prune()

    def _finding(self) -> Finding:
        return Finding(log=self.catalogue.log, bases=self.catalogue.bases(), whole=self.catalogue.whole)

    def _find_time(self, finding: Finding, wanted: datetime) -> RecoveryPoint:
        """Return the way to a moment. Where no commit after it is kept and the server lives, an empty one is made there: recovery ends at one."""
        point = finding.at_time(wanted, later=False)
        try:
            clock = read_clock(self.catalogue.database_url)
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

    def _start(self, name: str, base: BaseBackup, path: tuple[Segment, ...], *, target: tuple[str, ...]) -> Stopped:
        with self.catalogue.log.restoring(path) as command:
            return self.servers.start(
                name,
                version=base.server_version,
                database=self.bring.live,
                lay_out=lambda into: self.catalogue.lay_out(base.name, into),
                target=(_takes_from(command), *target),
            )

    def _tables(self, base: BaseBackup) -> Tables:
        """Return which file each table had at a base backup: as it was written down, or else as a scratch server says that stands as it was then."""
        noted = self.catalogue.tables(base.name)
        if noted is not None:
            return noted
        name = f"asked_{base.name}"
        with self.servers.turn(name):
            path = self._finding().path_to(RecoveryPoint(base=base.name, timeline=base.timeline, said="", segments=1))
            self._start(name, base, path, target=("recovery_target = 'immediate'", f"recovery_target_timeline = '{base.timeline}'"))
            try:
                with connection(self.servers.url(name), name="ue-pitr", statement_limit=_LOOK_LIMIT) as session:
                    found = Tables(files=read_tables(session), since=base.end_lsn)
            finally:
                self.servers.discard(name)
        self.catalogue.note(base.name, found)
        return found

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

    def _received(self, keeping: Keeping) -> Received:
        try:
            with self._session() as session:
                return received(session, receiver=keeping.receiver, slot=keeping.slot, handed_over=keeping.mode is WalMode.ARCHIVED)
        except DatabaseUnavailable:
            return Received()  # then nobody knows

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
        return connection(self.catalogue.database_url, name="ue-recovery", statement_limit=_LOOK_LIMIT)


def _target(point: RecoveryPoint) -> tuple[str, ...]:
    """Return the settings by which a copy of the base backup gets to `point`."""
    follows = f"recovery_target_timeline = '{point.timeline}'"
    if point.time is not None:
        return (follows, f"recovery_target_time = '{point.time.isoformat()}'")
    if point.xid is not None:
        return (follows, f"recovery_target_xid = '{point.xid}'", "recovery_target_inclusive = off")
    return (follows,)


def _takes_from(command: str) -> str:
    return f"restore_command = '{_quoted(command)}'"


def _mark(name: str) -> str:
    return f"recovered by ue as {name}"


def _quoted(text: str) -> str:
    return text.replace("'", "''")
