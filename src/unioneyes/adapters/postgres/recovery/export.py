"""What was recovered, brought over into a new database of the live server: built under another name, and called as it should be only when it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg.sql import SQL, Identifier, Literal
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection, shown, sql
from unioneyes.adapters.postgres.databases import adopt, comment, create_alike, databases, drop, shape_of
from unioneyes.adapters.postgres.fence import enter
from unioneyes.adapters.postgres.programs import ProgramFailed, run_program, signed_in
from unioneyes.adapters.postgres.restored import already_there
from unioneyes.adapters.postgres.trouble import of_the_machine
from unioneyes.ports.recovery import Exported, RecoveryFailed

_CREATE_LIMIT = timedelta(minutes=5)
_COUNT_LIMIT = timedelta(minutes=30)
_COPY_LIMIT = timedelta(hours=4)
_ADMINISTRATION = "postgres"
_LEFT_OUT = ("FK CONSTRAINT", "MATERIALIZED VIEW DATA", "SUBSCRIPTION")
"""What speaks of rows that are not there, where one table's alone are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Brings what a scratch server holds to the live one."""

    admin: Callable[[str], SecretStr]
    """Address of a database of the live server, as a superuser."""
    live: str
    """The live database's name: the new one gets its owner, spelling and grants."""
    folder: Path
    """Where what is brought over stands meanwhile."""

    def require_absent(self, database: str) -> None:
        """Return where the live server has no database of that name. Raises: DatabaseExists, DatabaseUnavailable."""
        with self._administration() as session:
            _require_absent(session, database)

    def bring(self, source: SecretStr, programs: Path, *, into: str, table: str | None, mark: str) -> Exported:
        """`into` holds what `source` does; of `table`, its rows alone. Brought over already, as its comment `mark` says, it is left as it is.

        `programs` are of both servers' version: newer ones say what an older server does not know.
        Raises: DatabaseExists, RecoveryFailed (nothing is left of it), DatabaseUnavailable.
        """
        began, building = time.monotonic(), _building(into)
        with self._administration() as session:
            if comment(session, into) != mark:
                _require_absent(session, into)
                with _fenced(session):
                    pass
                drop(session, building)
                try:
                    session.execute(create_alike(building, shape_of(session, self.live)))
                    self._fill(source, programs, building, table)
                    adopt(session, building, like=self.live)
                    with _fenced(session):
                        session.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(building), Identifier(into)))
                        session.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(into), Literal(mark)))
                except BaseException as ended:
                    drop(session, building)
                    if isinstance(ended, ProgramFailed):
                        remedy = "make room, end what cut it off, and try again" if of_the_machine(ended.what) else "look at the server's log, and try again"
                        raise RecoveryFailed(what=f"{ended.what}; nothing is left of {into}", remedy=remedy) from None
                    raise
        return Exported(database=into, table=table, rows=self.rows(into, table), took=timedelta(seconds=time.monotonic() - began))

    def discard(self, into: str, *, mark: str) -> None:
        """The live server has no database that was made by this mark."""
        with self._administration() as session:
            with _fenced(session):
                pass
            drop(session, _building(into))
            if comment(session, into) == mark:
                drop(session, into)

    def rows(self, database: str, table: str | None) -> int:
        """Return how many rows the database holds; or the table."""
        with connection(self.admin(database), name="ue-pitr", statement_limit=_COUNT_LIMIT) as session:
            return count_rows(session, table)[1]

    def describe(self, source: str, *, into: str, table: str | None) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        live = shown(self.admin(into))
        if table is None:
            return (f"createdb -T template0 {into}", f"pg_dump -Fc -d '{source}' | pg_restore --exit-on-error -d '{live}'")
        return (
            f"createdb -T template0 {into}",
            f"pg_dump -Fc --section=pre-data -d '{source}' | pg_restore --exit-on-error -d '{live}'",
            f"pg_dump -Fc --data-only -t {table} -d '{source}' | pg_restore --exit-on-error -d '{live}'",
        )

    def _fill(self, source: SecretStr, programs: Path, building: str, table: str | None) -> None:
        with TemporaryDirectory(prefix="export-", dir=self.folder) as folder:
            whole = Path(folder) / "whole"
            if table is None:
                self._dump(programs, source, whole, "-Fd", "--jobs=2", "--compress=0")
                self._restore(programs, building, whole)
                return
            rows = Path(folder) / "rows"
            self._dump(programs, source, whole, "-Fc", "--schema-only")
            self._dump(programs, source, rows, "-Fc", "--compress=0", "--data-only", "--table", table)
            self._restore(programs, building, whole, "--section=pre-data")
            self._restore(programs, building, rows)
            listed = run_program((str(programs / "pg_restore"), "-l", str(whole)), within=_CREATE_LIMIT).stdout.splitlines()
            wanted = Path(folder) / "wanted"
            wanted.write_text("\n".join(line for line in listed if not any(f" {kind} " in line for kind in _LEFT_OUT)) + "\n")
            self._restore(programs, building, whole, "--section=post-data", "-L", str(wanted))

    def _dump(self, programs: Path, source: SecretStr, to: Path, *words: str) -> None:
        argv = (str(programs / "pg_dump"), *words, "--no-password", "-f", str(to), "-d", shown(source))
        run_program(argv, within=_COPY_LIMIT)

    def _restore(self, programs: Path, building: str, dump: Path, *words: str) -> None:
        address = self.admin(building)
        argv = (str(programs / "pg_restore"), "--exit-on-error", *words, "--no-password", "-d", shown(address), str(dump))
        with signed_in(address) as environment:
            run_program(argv, within=_COPY_LIMIT, environment=environment)

    def _administration(self) -> AbstractContextManager[psycopg.Connection]:
        return connection(self.admin(_ADMINISTRATION), name="ue-pitr", statement_limit=_CREATE_LIMIT)


def has_table(session: psycopg.Connection, table: str) -> bool:
    """Return whether the database has a table of that name, `schema.name`, whatever the session may do with it."""
    return session.execute(sql("recovery_has_table"), {"table": table}).fetchone() is not None


def count_rows(session: psycopg.Connection, table: str | None = None) -> tuple[int, int]:
    """Return how many tables there are and how many rows they hold together; of one table alone, where it is named `schema.name`."""
    every = [(str(schema), str(name)) for schema, name in session.execute(sql("recovery_counts"))]
    counted = [each for each in every if table is None or ".".join(each) == table]
    rows = (session.execute(SQL("SELECT count(*) FROM ONLY {}").format(Identifier(*each))).fetchone() for each in counted)
    return len(counted), sum(int(row[0]) for row in rows if row)


@contextmanager
def _fenced(session: psycopg.Connection) -> Iterator[None]:
    """Give a transaction that no run comes into which something newer took over from. Raises: FencedOff."""
    with session.transaction():
        enter(session)
        yield


def _building(into: str) -> str:
    return f"{into[:50]}_recovering"


def _require_absent(session: psycopg.Connection, database: str) -> None:
    if database in databases(session):
        raise already_there(database)
