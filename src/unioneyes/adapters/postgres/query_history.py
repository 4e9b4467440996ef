"""How long queries took, as the server's log on this machine has it or as `pg_stat_statements` counts. Implements `ports.query_history.QueryHistory`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection, sql
from unioneyes.adapters.postgres.query_log import begins, newest_statement, pieces, read_durations
from unioneyes.adapters.postgres.query_texts import valueless
from unioneyes.ports.query_history import CountedQueries, CountedQuery, LoggedQueries, Means, NoSuchQuery, Sampling
from unioneyes.ports.vitals import Unknown

_NAME = "ue-history"
_LIMIT = timedelta(seconds=10)
_MODULE = "pg_stat_statements"
_LOGGED, _COUNTED = "history", _MODULE


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerQueryHistory:
    """What one server says of its queries."""

    database_url: Callable[[], SecretStr]
    """Gives the address for the role that looks. Raises: NoOperator, NoAuthority."""
    log_folder: Path | None
    """Where the server logs to, on this machine; None where it runs elsewhere."""

    def logged(self, *, last: timedelta) -> LoggedQueries | Unknown:
        """Return what the log holds. See the port."""
        with connection(self.database_url(), name=_NAME, statement_limit=_LIMIT) as opened, opened.cursor(row_factory=dict_row) as cursor:
            (settings,) = cursor.execute(sql("history_settings")).fetchall()
        if self.log_folder is None:
            return Unknown(what=_LOGGED, why="the server runs elsewhere, and its log can't be read from here")
        if (chosen := _sampling(settings)) is None:
            return Unknown(what=_LOGGED, why="the server logs no durations")
        if not settings["as_json"]:
            return Unknown(what=_LOGGED, why="the server's log is not JSON, and tells no query from another")
        if not settings["identified"]:
            return Unknown(what=_LOGGED, why="compute_query_id is off, so that the log tells no query from another")
        try:
            return _read(self.log_folder, settings, *chosen, last)
        except OSError as error:
            return Unknown(what=_LOGGED, why=f"{error.filename or self.log_folder}: {error.strerror}")

    def counted(self) -> CountedQueries | Unknown:
        """Return what was counted. See the port."""
        with connection(self.database_url(), name=_NAME, statement_limit=_LIMIT) as opened:
            schema = _schema(opened)
            if schema is None:
                return Unknown(what=_COUNTED, why=f"the extension {_MODULE} is not in this database")
            try:
                with opened.cursor(row_factory=dict_row) as cursor:
                    rows = cursor.execute(SQL(sql("history_counted")).format(view=Identifier(schema, _MODULE))).fetchall()
                (since,) = opened.execute(SQL("SELECT stats_reset FROM {}").format(Identifier(schema, f"{_MODULE}_info"))).fetchall()[0]
            except psycopg.errors.InsufficientPrivilege as error:
                return Unknown(what=_COUNTED, why=f"{error.diag.message_primary}: GRANT USAGE ON SCHEMA {schema}")
            except psycopg.errors.ObjectNotInPrerequisiteState as error:
                return Unknown(what=_COUNTED, why=error.diag.message_primary or "it is not loaded")
        return CountedQueries(since=since, queries=tuple(map(_counted, rows)))

    def statement(self, query_id: str) -> str:
        """Return a statement that had this id. See the port."""
        with connection(self.database_url(), name=_NAME, statement_limit=_LIMIT) as opened:
            found = _counted_statement(opened, query_id) or opened.execute(sql("history_running"), {"query_id": query_id}).fetchone()
            (database,) = opened.execute("SELECT current_database()::text").fetchall()[0]
        text = str(found[0]) if found else self._logged_statement(database, query_id)
        if text is None:
            raise NoSuchQuery(
                what=f"no query with the id {query_id} is known", remedy="ue db slow --over 0s shows those that are; or explain a statement from a file"
            )
        return text

    def _logged_statement(self, database: str, query_id: str) -> str | None:
        if self.log_folder is None:
            return None
        with suppress(OSError):
            for piece in pieces(self.log_folder, since=datetime.min.replace(tzinfo=UTC)):
                if (found := newest_statement(piece.lines(), database=database, query_id=query_id)) is not None:
                    return found
        return None

    def describe_logging(self) -> tuple[str, ...]:
        """Return what a superuser would type."""
        counting = (
            f"ALTER SYSTEM SET shared_preload_libraries = '{_MODULE}';  -- beside what is there; then restart the server",
            f"CREATE EXTENSION {_MODULE};",
        )
        if self.log_folder is None:
            return counting
        return (
            "ALTER SYSTEM SET compute_query_id = 'on';",
            "ALTER SYSTEM SET log_min_duration_sample = 0;  -- percentiles; costs some 15 % of the throughput of a server that is full",
            "ALTER SYSTEM SET log_statement_sample_rate = 0.05;",
            "ALTER SYSTEM SET log_parameter_max_length = 0;",
            "ALTER SYSTEM SET log_destination = 'jsonlog';",
            "ALTER SYSTEM SET logging_collector = on;  -- then restart the server",
            *counting,
        )


def _schema(opened: psycopg.Connection) -> str | None:
    """Return where pg_stat_statements was made; None where it was not."""
    there = opened.execute(
        "SELECT nspname::text FROM pg_extension JOIN pg_namespace AS namespace ON namespace.oid = extnamespace WHERE extname = %s", (_MODULE,)
    ).fetchone()
    return str(there[0]) if there else None


def _counted_statement(opened: psycopg.Connection, query_id: str) -> tuple[str] | None:
    if (schema := _schema(opened)) is None:
        return None
    with suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState):
        return opened.execute(SQL(sql("history_statement")).format(view=Identifier(schema, _MODULE)), {"query_id": query_id}).fetchone()
    return None


def _sampling(settings: DictRow) -> tuple[Means, Sampling] | None:
    """Return whose durations there are: the server's own, or else auto_explain's; None where nobody logs any."""
    always, sampled, explained = (_bound(settings[name]) for name in ("always", "sampled", "explained"))
    own = Sampling(always=always, sampled=sampled, rate=settings["rate"], transactions=settings["transactions"])
    of_module = Sampling(always=None, sampled=explained, rate=settings["explained_rate"] or 0.0)
    if (sampled == timedelta(0) and own.rate > 0) or always == timedelta(0) or own.transactions > 0:
        return Means.LOG, own
    if explained is not None and of_module.rate > 0:
        return Means.AUTO_EXPLAIN, of_module
    return (Means.LOG, own) if always is not None or (sampled is not None and own.rate > 0) else None


def _bound(milliseconds: int | None) -> timedelta | None:
    return None if milliseconds is None or milliseconds < 0 else timedelta(milliseconds=milliseconds)


def _read(folder: Path, settings: DictRow, means: Means, sampling: Sampling, last: timedelta) -> LoggedQueries | Unknown:
    try:
        zone = ZoneInfo(settings["zone"])
    except (ZoneInfoNotFoundError, ValueError):
        return Unknown(what=_LOGGED, why=f"log_timezone is {settings['zone']}, which is not known here")
    asked = settings["at"] - last
    read = pieces(folder, since=asked)
    lines = (line for piece in read for line in piece.lines())
    queries = read_durations(lines, means=means, database=settings["database"], since=asked, zone=zone)
    since = max(asked, begins(read[-1], zone=zone) or asked) if read else asked
    return LoggedQueries(means=means, sampling=sampling, since=since, queries=queries)


def _counted(row: DictRow) -> CountedQuery:
    return CountedQuery(
        query_id=row["query_id"],
        query=valueless(row["query"] or ""),
        calls=row["calls"],
        mean=timedelta(milliseconds=row["mean"]),
        deviation=timedelta(milliseconds=row["deviation"]),
        longest=timedelta(milliseconds=row["longest"]),
    )
