"""The dump of one snapshot of the database, and what is said of it there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from unioneyes.adapters.postgres.archive import Archive, Kept, Seldom
from unioneyes.adapters.postgres.connections import cancel, connection, shown, sql
from unioneyes.adapters.postgres.fingerprint import Fingerprint, take_fingerprint, take_names_as_they_are
from unioneyes.adapters.postgres.ledger import read_ledger
from unioneyes.adapters.postgres.programs import ProgramFailed, program, signed_in, streamed_program
from unioneyes.kernel.units import format_bytes
from unioneyes.ports.backup_store import StoreFull
from unioneyes.ports.database import BackupFailed, Told

FINGERPRINT_LIMIT = timedelta(minutes=30)
"""Of one table."""
UNCOMPRESSED = "--compress=0"
"""It is compressed on its way: the wheel's pg_dump has no zstd, and gzip takes three times as long."""
DUMPED, RESTORED = "pg_dump: dumping contents of table ", "pg_restore: processing data for table "
"""What the programs say of each table (`--verbose`)."""
_DUMP_LIMIT = timedelta(hours=6)
_CANCEL_AGAIN_SECONDS = 0.2
_LARGE_OBJECT = re.compile(r"permission denied for large object (\d+)")
_HELD_BACK = "row-level security"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is said of the source in the dump's own snapshot."""

    snapshot: str
    wal_position: str
    server_version: str
    database: str
    encoding: str
    bytes: int
    roles: tuple[str, ...]
    schema_head: str | None
    tables: int
    fingerprint: Future[Fingerprint]
    """Taken meanwhile. Raises, when it is asked for: BackupFailed, psycopg.Error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dumping:
    """Dumps a database into the archive."""

    archive: Archive
    database_url: SecretStr
    """Of a role that reads everything, past row level security."""
    lock_wait: timedelta
    """How long to wait for a table that somebody has locked away."""

    @contextmanager
    def source(self) -> Iterator[Source]:
        """Describe the source in one snapshot, which others can join until the block ends.

        It is summed up while the block runs: the snapshot, which holds back the vacuum, is needed for less time than if one came after the other.
        """
        with connection(self.database_url, name="ue-backup", statement_limit=FINGERPRINT_LIMIT) as session:
            try:
                with session.transaction():
                    session.execute(sql("backup_snapshot"))
                    yield from self._described(session)
            except psycopg.Error as error:
                if session.closed:
                    raise
                said = str(error.diag.message_primary)
                raise BackupFailed(what=f"the database could not be read: {said}", remedy=self._remedy(said)) from None

    def _described(self, session: psycopg.Connection) -> Iterator[Source]:
        row = session.execute(sql("backup_source")).fetchone()
        if row is None:
            raise BackupFailed(what="the database says nothing about itself", remedy="look at the server's log")
        snapshot, wal_position, server_version, database, encoding, size, roles = row
        entries = read_ledger(session)
        take_names_as_they_are(session)
        tables = session.execute(sql("fingerprint_tables")).rowcount
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fingerprint") as beside:  # which has the session to itself from here on
            fingerprint = beside.submit(copy_context().run, lambda: take_fingerprint(session, lock_wait=self.lock_wait))
            try:
                yield Source(
                    snapshot=snapshot,
                    wal_position=wal_position,
                    server_version=server_version,
                    database=database,
                    encoding=encoding,
                    bytes=size,
                    roles=tuple(roles),
                    schema_head=entries[0].sha256 if entries else None,
                    tables=tables,
                    fingerprint=fingerprint,
                )
            finally:
                while not fingerprint.done():  # nobody asks for it any more; between two statements there is nothing to cancel
                    cancel(session)
                    wait([fingerprint], timeout=_CANCEL_AGAIN_SECONDS)

    def dump(self, source: Source, name: str, meanwhile: Told) -> Kept:
        """The dump of the source's snapshot stands in the store, and the source is summed up; or nothing stands there."""
        lock_wait = f"--lock-wait-timeout={round(self.lock_wait.total_seconds() * 1000)}"
        argv = (program("pg_dump"), "-Fc", UNCOMPRESSED, "--verbose", "--no-password", lock_wait, f"--snapshot={source.snapshot}")
        tables, told, of = Tables(DUMPED), Seldom(meanwhile), source.tables

        def seen(done: int) -> None:
            if source.fingerprint.done():
                source.fingerprint.result()  # where it could not be taken, the rest of the dump is for nothing
            told(f"{tables.begun} of {of} tables, {format_bytes(done)} dumped")

        try:
            with self.archive.taking(name) as taking:
                with (
                    signed_in(self.database_url) as environment,
                    streamed_program((*argv, "-d", shown(self.database_url)), within=_DUMP_LIMIT, heard=tables.heard, environment=environment) as dump,
                ):
                    kept = taking.all_of(dump, seen=seen)
                if not source.fingerprint.done():
                    meanwhile(f"{of} of {of} tables, {format_bytes(kept.dump_bytes)} dumped; the source is still being summed up")
                source.fingerprint.result()
        except ProgramFailed as problem:
            raise BackupFailed(what=f"{problem.what}; what was written of the backup is removed", remedy=self._remedy(problem.what)) from None
        except StoreFull as problem:
            raise BackupFailed(what=f"{problem.what}; the database has {format_bytes(source.bytes)}", remedy=problem.remedy) from None
        meanwhile(f"{of} of {of} tables, {format_bytes(kept.dump_bytes)} dumped, {format_bytes(kept.bytes)} kept")
        return kept

    def _remedy(self, said: str) -> str:
        """Return what to do about what pg_dump said."""
        return self._right(said) or "end what holds the lock, or what cut the connection, and try again"

    def _right(self, said: str) -> str | None:
        """Return the right that the role of the backups lacks; None where it is something else."""
        role = conninfo_to_dict(self.database_url.get_secret_value())["user"]
        if number := _LARGE_OBJECT.search(said):
            return f"let the role of the backups read it, as its owner: GRANT SELECT ON LARGE OBJECT {number[1]} TO {role}"
        if "permission denied for " in said:
            return f"let the role of the backups read all there is, as a superuser: GRANT pg_read_all_data TO {role}"
        return f"let no policy hide rows from the role of the backups, as a superuser: ALTER ROLE {role} BYPASSRLS" if _HELD_BACK in said else None


class Tables:
    """Counts the tables that a program says to have begun."""

    def __init__(self, says: str) -> None:
        """Recognise its lines by what they begin with."""
        self._says = says
        self.begun = 0

    def heard(self, line: str) -> None:
        """Count the line, where it tells of a table."""
        self.begun += line.startswith(self._says)


def counting(meanwhile: Told, what: str) -> Callable[[int, int], None]:
    """Return what tells how many tables are done."""
    told = Seldom(meanwhile)
    return lambda done, of: told(f"{done} of {of} tables {what}")


class Restoring:
    """Tells how many tables pg_restore has begun, and knows what it complained of."""

    def __init__(self, *, of: int, meanwhile: Told) -> None:
        """Say so by `meanwhile`, of so many tables."""
        self.errors: list[str] = []
        self._of = of
        self._tables, self._told = Tables(RESTORED), Seldom(meanwhile)

    def heard(self, line: str) -> None:
        """Hear what it says."""
        if ": error: " in line:
            self.errors.append(line)
        self._tables.heard(line)
        self._told(f"{self._tables.begun} of {self._of} tables restored")
