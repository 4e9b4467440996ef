"""A backup takes the live database's place: restored beside it, compared, and only then do the two change names. Source: decision 13."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier, Literal
from pydantic import SecretStr

from unioneyes.adapters.postgres.archive import Archive, NotUnpacked
from unioneyes.adapters.postgres.connections import connection, shown, sql
from unioneyes.adapters.postgres.databases import adopt, comment, create_alike, databases, drop, limit, shape_of
from unioneyes.adapters.postgres.dumping import Restoring
from unioneyes.adapters.postgres.fence import enter
from unioneyes.adapters.postgres.fingerprint import differences, take_fingerprint
from unioneyes.adapters.postgres.manifest import Manifest
from unioneyes.adapters.postgres.programs import ProgramFailed, program, signed_in, told_program
from unioneyes.adapters.postgres.restored import already_there, begun, is_ours, require_ours, whole
from unioneyes.adapters.postgres.row_difference import columns_of, compare, count_rows, named
from unioneyes.adapters.postgres.trouble import of_the_machine
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.units import format_bytes, format_duration
from unioneyes.ports.database import (
    BackupState,
    BackupUnproven,
    Difference,
    NoSuchBackup,
    RestoredBeside,
    RestoreFailed,
    Room,
    SessionsRemain,
    Swapped,
    TableRows,
    Told,
    unheard,
)

_ADMIN_LIMIT = timedelta(seconds=30)
_CREATE_LIMIT = timedelta(minutes=5)
_RESTORE_LIMIT = timedelta(hours=1)
_COUNT_LIMIT = timedelta(minutes=1)
"""Of one table, for a plan: somebody waits for it."""
_READ_LIMIT = timedelta(minutes=30)
"""Of one table."""
_LOCK_WAIT = timedelta(seconds=10)
_LEAVE_WITHIN = timedelta(seconds=30)
"""How long sessions that were told to end may take."""
_LOOK_SECONDS = 0.1
_KNOWS_ALL_SETTINGS, _UNKNOWN_SETTING = 170_000, 'unrecognized configuration parameter "transaction_timeout"'
"""pg_restore 18 begins with that setting, which servers before 17 refuse."""
_ADMINISTRATION = "postgres"
"""The database from which others are renamed: one can't rename the database that one is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoresBeside:
    """Implements the port `Restores` on one server."""

    admin: Callable[[str], SecretStr]
    """Address of a database of the server, as a superuser: it alone comes into a database that is closed, and restores what belongs to others."""
    database: str
    """The live one's name."""
    archive: Archive
    """Where the backups are."""
    data_folder: Path | None
    """Where the server keeps its files, where that is on this machine."""
    leave_within: timedelta = _LEAVE_WITHIN

    def room(self) -> Room:
        """Return whether a restored copy fits. Raises: DatabaseUnavailable."""
        with self._administration() as session:
            row = session.execute("SELECT pg_database_size(%s)", (self.database,)).fetchone()
        try:
            free = shutil.disk_usage(self.data_folder).free if self.data_folder else None
        except OSError:
            free = None
        return Room(needed=int(row[0]) if row else 0, free=free)

    def written_since(self, backup: str) -> tuple[TableRows, ...]:
        """Return the rows now and in the backup, per table that has another number of them. Raises: NoSuchBackup, DatabaseUnavailable."""
        before = {table.table: table.rows for table in self._manifest(backup).fingerprint.tables}
        with self._session(self.database, within=_COUNT_LIMIT) as session:
            now = {name: count_rows(session, table) for table in columns_of(session) if (name := Identifier(*table).as_string(session))}
        tables = sorted({*before, *now})
        counted = (TableRows(table=_plain(table), now=now.get(table, 0), backup=before.get(table, 0)) for table in tables)
        return tuple(rows for rows in counted if rows.now != rows.backup)

    def restore_beside(self, backup: str, *, beside: str) -> RestoredBeside:
        """`beside` holds the backup, equals its manifest, and has the live database's owner, grants and settings.

        What an interrupted attempt left there is restored anew. Raises: BackupUnproven, NoSuchBackup, RestoreFailed, DatabaseUnavailable.
        """
        return self._restored(backup, beside=beside, ours_alone=False, meanwhile=unheard)

    def _restored(self, backup: str, *, beside: str, ours_alone: bool, meanwhile: Told) -> RestoredBeside:
        """`beside` holds the backup. With `ours_alone`, what nobody began to restore there is left as it is."""
        began = time.monotonic()
        manifest = self._manifest(backup)
        if manifest.state is not BackupState.VERIFIED:
            raise BackupUnproven(what=f"{backup} is {manifest.state.value}: it was never restored and compared", remedy="choose a verified one")
        noted = whole(manifest)
        with self._administration() as session:
            if comment(session, beside) != noted:
                self._make(session, manifest, beside, ours_alone=ours_alone, meanwhile=meanwhile)
                with _fenced(session):
                    session.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(beside), Literal(noted)))  # last: it says that the copy is whole
        took = timedelta(seconds=time.monotonic() - began)
        return RestoredBeside(database=beside, tables=len(manifest.fingerprint.tables), rows=manifest.fingerprint.rows, took=took)

    def restore_into(self, backup: str, *, database: str, meanwhile: Told = unheard) -> RestoredBeside:
        """`database`, which nobody had made before, holds the backup; see the port. Raises: DatabaseExists, and what `restore_beside` raises."""
        return self._restored(backup, beside=database, ours_alone=True, meanwhile=meanwhile)

    def discard_into(self, backup: str, *, database: str) -> None:
        """`database` is gone, where a restore of this backup made it; anybody else's is left alone. Raises: DatabaseUnavailable."""
        manifest = self._manifest(backup)
        with self._administration() as session:
            _pass(session)
            if is_ours(session, manifest, database):
                drop(session, database)

    def require_new(self, *, database: str) -> None:
        """Return where there is no database of this name. Raises: DatabaseExists, DatabaseUnavailable."""
        with self._administration() as session:
            if database in databases(session):
                raise already_there(database)

    def discard_beside(self, *, beside: str) -> None:
        """`beside` is gone. Raises: DatabaseUnavailable."""
        with self._administration() as session:
            _pass(session)
            drop(session, beside)

    def close(self, *, beside: str) -> None:
        """Nobody but the administrator is in the live database, and nobody else comes in. Raises: SessionsRemain, DatabaseUnavailable."""
        with self._administration() as session:
            if beside in databases(session):  # else the two have changed names already, and the restored one is not to be closed
                with _fenced(session):
                    limit(session, self.database, 0)
                self._empty(session, self.database)

    def reopen(self, *, beside: str) -> None:
        """The live database lets everybody in as before. Raises: DatabaseUnavailable."""
        with self._administration() as session:
            if beside in databases(session):
                with _fenced(session):
                    limit(session, self.database, shape_of(session, beside).connections)

    def difference(self, *, beside: str) -> Difference:
        """Return the rows that stand on one side only. Exact while the live database is closed; memory stays flat. Raises: DatabaseUnavailable."""
        with self._snapshot(self.database) as live, self._snapshot(beside) as restored:
            ours, theirs = columns_of(live), columns_of(restored)
            found = [compare(live, restored, table, ours.get(table, ()), theirs.get(table, ())) for table in sorted({*ours, *theirs})]
        columns = [f"{named(table)}.{column}" for table, own in ours.items() if table in theirs for column in own if column not in theirs[table]]
        return Difference(tables=tuple(table for table in found if table.only_live or table.only_backup), columns=tuple(sorted(columns)))

    def swap(self, *, beside: str, kept: str) -> Swapped:
        """`beside` has the live database's name and lets everybody in; what was live is called `kept`.

        Both names change in one transaction, so nobody ever finds one without the other. Raises: SessionsRemain, RestoreFailed, DatabaseUnavailable.
        """
        began = time.monotonic()
        with self._administration() as session:
            there = databases(session)
            if kept not in there:
                if beside not in there:
                    raise RestoreFailed(what=f"{beside} is not there any more; {self.database} is as it was", remedy="start the restore anew")
                connections = shape_of(session, beside).connections
                self._pass_within(beside)
                self._rename(session, (self.database, kept), (beside, self.database), opened=(kept, connections))
        return Swapped(kept=kept, took=timedelta(seconds=time.monotonic() - began))

    def swap_back(self, *, beside: str, kept: str) -> None:
        """What was live is live again, and the restored one is called `beside`. Raises: SessionsRemain, DatabaseUnavailable."""
        with self._administration() as session:
            if kept in databases(session):
                self._pass_within(kept)
                self._rename(session, (self.database, beside), (kept, self.database), opened=None)

    def describe_restore_beside(self, backup: str, *, beside: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same. Source: Rollback Steps, option C, "Restore from backup"."""
        manifest = self._manifest(backup)
        server = self._server()
        return (
            f"createdb {server} -T template0 -O {self._owner()} {beside}",
            f"{self.archive.opened(manifest.file)} > {backup}.dump",
            f"pg_restore {server} -d {beside} --exit-on-error --jobs=2 {backup}.dump",
            f"psql {server} -d {beside} -c 'ANALYZE'",
        )

    def describe_close(self) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        psql = f"psql {self._server()} -d {_ADMINISTRATION} -c"
        return (
            f"{psql} 'ALTER DATABASE {self.database} CONNECTION LIMIT 0'",
            f"{psql} \"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.database}'\"",  # noqa: S608 - printed
        )

    def describe_swap(self, *, beside: str, kept: str) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        names = f"ALTER DATABASE {self.database} RENAME TO {kept}; ALTER DATABASE {beside} RENAME TO {self.database};"
        return (f'psql {self._server()} -d {_ADMINISTRATION} -c "BEGIN; {names} COMMIT;"',)

    def describe_drop(self, database: str) -> str:
        """Return what a person types when a kept database is needed no more."""
        return f"dropdb {self._server()} {database}"

    def _make(self, session: psycopg.Connection, manifest: Manifest, beside: str, *, ours_alone: bool, meanwhile: Told) -> None:
        """`beside` is made anew, is like the live database, and holds the backup; or it is gone."""
        if ours_alone:
            require_ours(session, manifest, beside)
        try:
            with self.archive.plain(manifest, meanwhile=meanwhile) as dump:
                _pass(session)
                if ours_alone:
                    require_ours(session, manifest, beside)  # unpacking took its time
                drop(session, beside)
                session.execute(create_alike(beside, shape_of(session, self.database)))
                session.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(beside), Literal(begun(manifest))))
                self._fill_or_drop(session, manifest, beside, dump, meanwhile)
        except NotUnpacked as problem:
            raise RestoreFailed(what=f"{manifest.name}: {problem.what}; {self.database} is as it was", remedy=problem.remedy) from None
        except psycopg.errors.InsufficientPrivilege as error:
            role = str(conninfo_to_dict(self.admin(_ADMINISTRATION).get_secret_value())["user"])
            what = f"{role} may not restore: {error.diag.message_primary}; {self.database} is as it was"
            raise RestoreFailed(what=what, remedy=f"as a superuser: ALTER ROLE {role} SUPERUSER; or give [database] restore_role one that is") from None

    def _fill_or_drop(self, session: psycopg.Connection, manifest: Manifest, beside: str, dump: Path, meanwhile: Told) -> None:
        try:
            self._fill(
                beside,
                dump,
                older=session.info.server_version < _KNOWS_ALL_SETTINGS,
                restoring=Restoring(of=len(manifest.fingerprint.tables), meanwhile=meanwhile),
            )
            self._prove(manifest, beside)
            with self._session(beside, within=_READ_LIMIT) as inside:
                inside.execute("ANALYZE")  # a dump carries no statistics, and members would wait for bad plans
            adopt(session, beside, like=self.database)
        except (BackupUnproven, RestoreFailed):
            _pass(session)  # what stands there may be a successor's by now
            drop(session, beside)
            raise

    def _fill(self, beside: str, dump: Path, *, older: bool, restoring: Restoring) -> None:
        """`beside` holds the dump.

        On an `older` server, which refuses a setting that nothing depends on, what comes behind it is taken all the same; it is compared afterwards anyway.
        """
        address = self.admin(beside)
        argv = (program("pg_restore"), "--verbose", *(() if older else ("--exit-on-error",)), "--jobs=2", "--no-password", "-d", shown(address), str(dump))
        try:
            with signed_in(address) as environment:
                told_program(argv, within=_RESTORE_LIMIT, heard=restoring.heard, environment=environment)
        except ProgramFailed as problem:
            if older and restoring.errors and all(_UNKNOWN_SETTING in line for line in restoring.errors):
                return
            raise RestoreFailed(
                what=f"{problem.what}{self._left()}; {self.database} is as it was",
                remedy="make room, end what cut it off, and try again" if of_the_machine(problem.what) else "choose another backup",
            ) from None

    def _prove(self, manifest: Manifest, beside: str) -> None:
        """`beside` holds what the backup's source held. Raises: BackupUnproven."""
        with self._snapshot(beside) as session:
            found = differences(manifest.fingerprint, take_fingerprint(session, lock_wait=_LOCK_WAIT, like=manifest.fingerprint))
        if found:
            raise BackupUnproven(what=f"{manifest.name} was restored, but {'; '.join(found)}", remedy="choose another backup; do not rely on this one")

    def _rename(self, session: psycopg.Connection, first: tuple[str, str], second: tuple[str, str], *, opened: tuple[str, int] | None) -> None:
        """Both databases have their new names, together. Sessions in either are ended first, again and again while somebody comes back."""
        give_up = time.monotonic() + self.leave_within.total_seconds()
        while True:
            self._ended_sessions(session, first[0], second[0])
            try:
                with _fenced(session):
                    for old, new in (first, second):
                        session.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(old), Identifier(new)))
                    if opened:
                        limit(session, *opened)
            except psycopg.errors.ObjectInUse:
                if time.monotonic() > give_up:
                    raise self._remain(session, first[0], second[0]) from None
                sleep(_LOOK_SECONDS)
            else:
                return

    def _empty(self, session: psycopg.Connection, database: str) -> None:
        give_up = time.monotonic() + self.leave_within.total_seconds()
        while self._ended_sessions(session, database):
            if time.monotonic() > give_up:
                raise self._remain(session, database)
            sleep(_LOOK_SECONDS)

    def _ended_sessions(self, session: psycopg.Connection, *databases: str) -> int:
        """Return how many sessions were told to end."""
        with _fenced(session):
            return len(session.execute(sql("restore_end_sessions"), {"databases": list(databases)}).fetchall())

    def _pass_within(self, database: str) -> None:
        """What gets the live one's name knows the run that gave it to it, and refuses those before."""
        with self._session(database) as session, session.transaction():
            session.execute(SQL("SET LOCAL ROLE {}").format(Identifier(shape_of(session, database).owner)))
            enter(session)

    def _remain(self, session: psycopg.Connection, *databases: str) -> SessionsRemain:
        query = "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = ANY (%s) AND pid <> pg_backend_pid()"
        names = ", ".join(sorted(str(row[0]) for row in session.execute(query, (list(databases),)))) or "nobody that can be seen"
        return SessionsRemain(what=f"sessions did not end within {format_duration(self.leave_within)}: {names}", remedy="end these programs, and try again")

    @contextmanager
    def _snapshot(self, database: str) -> Iterator[psycopg.Connection]:
        with self._session(database, within=_READ_LIMIT) as session, session.transaction():
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            session.execute(sql("fingerprint_settings"))
            session.execute("SET LOCAL work_mem = '64MB'")
            yield session

    def _manifest(self, backup: str) -> Manifest:
        manifest = None if "/" in backup else self.archive.manifest(backup)
        if manifest is None:
            raise NoSuchBackup(what=f"there is no backup called {backup!r}", remedy="ue rollback plan names the newest that is verified")
        return manifest

    def _left(self) -> str:
        free = self.room().free
        return "" if free is None else f"; the server's disk has {format_bytes(free)} free"

    def _owner(self) -> str:
        with self._administration() as session:
            return shape_of(session, self.database).owner

    def _server(self) -> str:
        address = conninfo_to_dict(self.admin(_ADMINISTRATION).get_secret_value())
        return f"-h {address['host']} -p {address.get('port', 5432)} -U {address['user']}"

    def _administration(self) -> AbstractContextManager[psycopg.Connection]:
        return self._session(_ADMINISTRATION, within=_CREATE_LIMIT)

    def _session(self, database: str, *, within: timedelta = _ADMIN_LIMIT) -> AbstractContextManager[psycopg.Connection]:
        return connection(self.admin(database), name="ue-restore", statement_limit=within)


@contextmanager
def _fenced(session: psycopg.Connection) -> Iterator[None]:
    """Give a transaction that no run comes into which something newer took over from. Raises: FencedOff."""
    with session.transaction():
        enter(session)
        yield


def _pass(session: psycopg.Connection) -> None:
    """Return where this run may go on, for what can't be done in a transaction. Raises: FencedOff."""
    with _fenced(session):
        pass


def _plain(quoted: str) -> str:
    """Return a fingerprint's table (`"public"."claims"`) as people name it."""
    return quoted.replace('"', "").removeprefix("public.")
