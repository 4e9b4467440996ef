"""Plans of statements, in transactions that only read, are rolled back, and belong to a role of the service. Implements `ports.plans.Plans`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import pq
from psycopg.rows import class_row
from pydantic import JsonValue, SecretStr

from unioneyes.adapters.postgres.connections import connection, sql
from unioneyes.adapters.postgres.plan_documents import blotted, tables_of
from unioneyes.adapters.postgres.query_texts import valueless
from unioneyes.adapters.postgres.statements import blanked
from unioneyes.kernel.units import format_duration
from unioneyes.ports.plans import Explained, MayTooMuch, NotExplained, TableSize, TookTooLong

_NAME = "ue-explain"
_LIMIT = timedelta(seconds=10)
"""For making a plan, and for carrying a statement out."""
_PATIENCE = "300ms"
"""How long a lock is waited for: whoever comes after us waits behind us."""
_PARAMETER = re.compile(r"\$\d+\b")
_GENERIC_SINCE = 160_000
_FORMAT = "FORMAT JSON, VERBOSE"
_NOT_OF_THE_STATEMENT = (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlans:
    """Plans of one database, for one role."""

    database_url: Callable[[], SecretStr]
    """Gives the address for the role that runs what members ask for. Raises: NoReader, NoAuthority."""

    def explain(self, statement: str, *, typed: bool) -> Explained:
        """Return how it would be carried out. See the port."""
        generic = _PARAMETER.search(blanked(statement)) is not None
        with self._transaction() as opened:
            if generic and opened.info.server_version < _GENERIC_SINCE:
                raise NotExplained(
                    what="PostgreSQL 15 and older make no plan of a statement with parameters ($1)", remedy="write it with values into a file, and explain that"
                )
            return _asked(opened, statement, f"{_FORMAT}, GENERIC_PLAN" if generic else _FORMAT, typed=typed, generic=generic, analyzed=False)

    def analyze(self, statement: str, *, typed: bool) -> Explained:
        """Return how it was carried out. See the port."""
        if _PARAMETER.search(blanked(statement)) is not None:
            raise NotExplained(
                what="a statement with parameters ($1) can't be carried out without their values", remedy="write it with values into a file, and analyze that"
            )
        with self._transaction() as opened:
            ((superuser, reads),) = opened.execute(
                "SELECT rolsuper, current_setting('transaction_read_only')::bool FROM pg_roles WHERE rolname = current_user"
            ).fetchall()
            if superuser or not reads:
                raise MayTooMuch(what="the role is a superuser, whom a transaction that only reads does not hold", remedy="explain it without --analyze")
            return _asked(opened, statement, f"{_FORMAT}, ANALYZE, BUFFERS", typed=typed, generic=False, analyzed=True)

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection]:
        """Give a connection in a transaction that only reads; it is rolled back, and the connection closed, however that ends."""
        with connection(self.database_url(), name=_NAME, statement_limit=_LIMIT) as opened:
            opened.execute("BEGIN TRANSACTION READ ONLY")
            try:
                opened.execute("SELECT set_config('lock_timeout', %s, true), set_config('idle_in_transaction_session_timeout', '10s', true)", (_PATIENCE,))
                yield opened
            finally:
                if not opened.closed:
                    opened.execute("ROLLBACK")


def _asked(opened: psycopg.Connection, statement: str, options: str, *, typed: bool, generic: bool, analyzed: bool) -> Explained:
    """Return the plan. It goes by the extended protocol, in which the server takes one statement and no more. Raises: NotExplained, TookTooLong.

    Only a generic one can't: there a statement with parameters wants their values. The server says before that it is one statement.
    """
    text = f"EXPLAIN ({options}) {statement}"  # any statement is what is asked for; what it can do is bounded by all of the above
    try:
        if generic:
            _require_one(opened, text)
        row = opened.execute(text.encode(), binary=not generic).fetchone()
    except _NOT_OF_THE_STATEMENT as error:
        raise TookTooLong(
            what=f"it was ended: {error.diag.message_primary} (it may take {format_duration(_LIMIT)}, and wait {_PATIENCE} for a lock)",
            remedy="explain it without --analyze, or narrow it",
        ) from None
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise NotExplained(what=_said(error, statement, typed=typed, before=len(text) - len(statement)), remedy=_remedy(error)) from None
    plan: JsonValue = row[0] if row else None
    wanted = tables_of(plan)
    with opened.cursor(row_factory=class_row(TableSize)) as cursor:
        tables = cursor.execute(sql("plans_tables"), {"schemas": [schema for schema, _ in wanted], "names": [name for _, name in wanted]}).fetchall()
    return Explained(query=valueless(statement), role=opened.info.user, generic=generic, analyzed=analyzed, document=blotted(plan), tables=tuple(tables))


def _require_one(opened: psycopg.Connection, text: str) -> None:
    """Return where the server reads exactly one statement; nothing is carried out. Raises: psycopg.Error."""
    parsed = opened.pgconn.prepare(b"", text.encode())
    if parsed.status != pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(parsed)


def _said(error: psycopg.Error, statement: str, *, typed: bool, before: int) -> str:
    """Return the server's words, with the line; of a statement that members caused only what kind of error it is."""
    if not typed:
        return f"PostgreSQL makes no plan of it: {type(error).__name__} ({error.sqlstate})"
    at = error.diag.statement_position
    line = "" if at is None else f"line {statement.count(chr(10), 0, max(int(at) - before - 1, 0)) + 1}: "
    return f"{line}{error.diag.message_primary}"


def _remedy(error: psycopg.Error) -> str:
    match error:
        case psycopg.errors.InsufficientPrivilege():
            return "the plan is made as the service's role, which may not read that"
        case psycopg.errors.ReadOnlySqlTransaction():
            return "nothing is carried out here that writes: leave --analyze out"
        case psycopg.errors.SyntaxError():
            return "one statement of SELECT, INSERT, UPDATE, DELETE, MERGE or VALUES, without EXPLAIN before it"
        case _:
            return "correct the statement"
