"""SQL of people's own runbooks on the operated database. Implements `ports.queries.Queries`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from threading import Thread

import psycopg
from psycopg.rows import TupleRow
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection, shown
from unioneyes.kernel.units import format_duration
from unioneyes.ports.shell import BlockFailed, BlockTookTooLong, Ran

_NAME = "ue runbook"
_POLL_SECONDS = 0.1
_ROWS = 50
"""Rows of one result that are shown."""
_CELL = 200
"""Characters of one value that are shown."""
_CANCEL_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatedQueries:
    """Statements on one database, as one role."""

    database_url: SecretStr

    def describe(self) -> str:
        """Return the command that a person would type to get there."""
        return f"psql '{shown(self.database_url)}'"

    def run(self, text: str, *, read_only: bool, within: timedelta, meanwhile: Callable[[], None]) -> Ran:
        """All statements of `text` were done, or none. See the port."""
        began = time.monotonic()
        with connection(self.database_url, name=_NAME, statement_limit=within) as opened:
            opened.execute("SET lock_timeout = '10s'")  # whoever waits for a lock keeps the members waiting behind it
            opened.execute("SET standard_conforming_strings = on")  # the values that were put in are quoted for this
            if read_only:
                opened.execute("SET default_transaction_read_only = on")
            under_way = _UnderWay(opened, text)
            under_way.start()
            try:
                while under_way.is_alive():
                    if time.monotonic() - began > within.total_seconds():
                        break
                    meanwhile()
                    under_way.join(_POLL_SECONDS)
            finally:
                if under_way.is_alive():
                    opened.cancel_safe(timeout=_CANCEL_SECONDS)
                    under_way.join()
        return Ran(output=under_way.output(within), took=timedelta(seconds=time.monotonic() - began))


class _UnderWay(Thread):
    """A thread in which the statements run, so that another one can cancel them."""

    def __init__(self, opened: psycopg.Connection, text: str) -> None:
        super().__init__(name="block-sql", daemon=True)
        self._opened = opened
        self._text = text
        self._parts: list[str] = []
        self._error: psycopg.Error | None = None

    def run(self) -> None:
        try:
            with self._opened.cursor() as cursor:
                cursor.execute(self._text.encode())  # without parameters: PostgreSQL takes the whole text as one transaction
                self._parts = list(_results(cursor))
        except psycopg.Error as error:
            self._error = error

    def output(self, within: timedelta) -> str:
        """Return what the statements gave. Raises: BlockFailed, BlockTookTooLong."""
        error = self._error
        if isinstance(error, psycopg.errors.QueryCanceled):
            raise BlockTookTooLong(
                what=f"the SQL did not end within {format_duration(within)}: {error.diag.message_primary}; what was not committed is not kept",
                remedy="look at what it waited for; give it longer by `timeout=DURATION` behind the fence",
            )
        if error is not None and self._opened.broken:
            said = str(error).strip().partition("\n")[0]
            raise BlockFailed(what=f"the connection was lost: {said}; whether the block took effect is not known", remedy="look, then go on or run it anew")
        if error is not None:
            place = error.diag.statement_position
            line = f"line {self._text.count(chr(10), 0, int(place) - 1) + 1} of the block: " if place else ""
            said = error.diag.message_primary or str(error).strip()
            raise BlockFailed(what=f"{line}{said}; what was not committed is not kept", remedy=error.diag.message_hint or "correct it; look at what it names")
        return "\n".join(self._parts)


def _results(cursor: psycopg.Cursor[TupleRow]) -> Iterator[str]:
    while True:
        if cursor.description is None:
            yield cursor.statusmessage or "done"
        else:
            rows = cursor.fetchmany(_ROWS)
            yield " | ".join(column.name for column in cursor.description)
            yield from (" | ".join(_cell(value) for value in row) for row in rows)
            yield f"({cursor.rowcount} rows{f', the first {_ROWS} shown' if cursor.rowcount > _ROWS else ''})"
        if not cursor.nextset():
            return


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _CELL else f"{text[:_CELL]}..."
