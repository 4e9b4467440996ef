"""SQL of people's own runbooks on the operated database. Implements `ports.queries.Queries`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from psycopg import pq
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection, shown
from unioneyes.adapters.postgres.fence import enter, enter_until_closed
from unioneyes.adapters.postgres.simple import COPIES, Simple, SqlFailed, SqlLate, SqlLost
from unioneyes.adapters.postgres.statements import statements
from unioneyes.kernel.output import Kept, printable
from unioneyes.kernel.units import format_duration
from unioneyes.ports.database import DatabaseUnavailable
from unioneyes.ports.shell import BlockFailed, BlockTookTooLong, Ran

_NAME = "ue runbook"
_LOOK_SECONDS = 0.2
"""How often whoever looks is asked whether it may go on: as often as the engine's own waits ask."""
_ROWS = 50
"""Rows of one result that are shown."""
_CELL = 1_000
"""Bytes of a value that is shown: whole or not at all, for whoever blots secrets out afterwards finds none that was cut in two."""
_CANCEL_SECONDS = 5.0
_LOOK_LIMIT = timedelta(seconds=10)
"""For asking the fence once more, after a connection was lost."""
_QUERY_CANCELED = "57014"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatedQueries:
    """Statements on one database, as one role."""

    database_url: SecretStr

    def describe(self) -> str:
        """Return the command that a person would type to get there."""
        return f"psql '{shown(self.database_url)}'"

    def run(self, text: str, *, read_only: bool, within: timedelta, meanwhile: Callable[[], None]) -> Ran:
        """All statements of `text` were done, or none. See the port."""
        _refuse_strange(text, read_only=read_only)
        began = time.monotonic()
        kept = Kept()
        with connection(self.database_url, name=_NAME, statement_limit=within) as opened:
            if not read_only:
                enter_until_closed(opened)
            opened.execute("SET client_encoding = 'UTF8'")
            opened.execute("SET lock_timeout = '10s'")  # whoever waits for a lock keeps the members waiting behind it
            opened.execute("SET standard_conforming_strings = on")  # the values that were put in are quoted for this
            if read_only:
                opened.execute("BEGIN READ ONLY")
                opened.execute("SELECT 1")  # from its first query on, a transaction that only reads can't be made one that writes
            under_way = Simple(opened, until=began + within.total_seconds(), look=meanwhile, every=_LOOK_SECONDS)
            try:
                for line in _lines(under_way.results(text)):
                    kept.add(f"{line}\n".encode())
            except SqlLate:
                raise _took_too_long(within, "it was cancelled") from None
            except SqlLost as lost:
                if not read_only:
                    self._refuse_late()
                raise BlockFailed(
                    what=f"the connection was lost: {lost}; whether the block took effect is not known", remedy="look, then go on or run it anew"
                ) from None
            except SqlFailed as failed:
                message = printable(failed.message.encode())
                if failed.state == _QUERY_CANCELED and time.monotonic() - began >= within.total_seconds():
                    raise _took_too_long(within, message) from None
                raise BlockFailed(
                    what=f"{_place(text, failed.position)}{message}; what was not committed is not kept",
                    remedy=printable(failed.hint.encode()) or "correct it; look at what it names",
                ) from None
            finally:
                under_way.settle(seconds=_CANCEL_SECONDS)
        kept.close(whole=True)
        return Ran(output=kept.text().removesuffix("\n"), took=timedelta(seconds=time.monotonic() - began))

    def _refuse_late(self) -> None:
        """Return where this run may go on, as far as is known; nothing that it sent before goes on then. Raises: FencedOff."""
        with suppress(DatabaseUnavailable), connection(self.database_url, name=_NAME, statement_limit=_LOOK_LIMIT) as opened, opened.transaction():
            enter(opened)


def _refuse_strange(text: str, *, read_only: bool) -> None:
    """Return when every statement can be done here. Raises: BlockFailed."""
    for statement in statements(text):
        if statement.copies:
            raise _copy_refused(f"line {statement.line} of the block: ", "nothing was done")
        if read_only and statement.of_transactions:
            verb = statement.words.partition(" ")[0]
            raise BlockFailed(
                what=f"line {statement.line} of the block: {verb} is about a transaction, and a block that only reads is one already; nothing was done",
                remedy="leave it out",
            )


def _copy_refused(place: str, done: str) -> BlockFailed:
    return BlockFailed(what=f"{place}COPY from or to whoever sends the SQL can't be done here; {done}", remedy="use psql and its \\copy in a bash block")


def _took_too_long(within: timedelta, message: str) -> BlockTookTooLong:
    return BlockTookTooLong(
        what=f"the SQL did not end within {format_duration(within)}: {message}; what was not committed is not kept",
        remedy="look at what it waited for; give it longer by `timeout=DURATION` behind the fence",
    )


def _place(text: str, position: int | None) -> str:
    return "" if position is None else f"line {text.count(chr(10), 0, position - 1) + 1} of the block: "


def _lines(results: Iterator[pq.abc.PGresult]) -> Iterator[str]:
    """Give the lines that show the results: the first rows of each, and how many there are."""
    seen = 0
    for result in results:
        if result.status in COPIES:
            raise _copy_refused("", "whether the block took effect is not known")
        if result.status not in {pq.ExecStatus.TUPLES_CHUNK, pq.ExecStatus.TUPLES_OK}:
            yield (result.command_status or b"").decode() or "done"
            continue
        if seen == 0:
            yield " | ".join((result.fname(column) or b"").decode(errors="replace") for column in range(result.nfields))
        for row in range(min(result.ntuples, _ROWS - seen)):
            yield " | ".join(_cell(result.get_value(row, column)) for column in range(result.nfields))
        seen += result.ntuples
        if result.status == pq.ExecStatus.TUPLES_OK:
            yield f"({seen} rows{f', the first {_ROWS} shown' if seen > _ROWS else ''})"
            seen = 0


def _cell(value: bytes | None) -> str:
    if value is None:
        return ""
    return value.decode(errors="replace") if len(value) <= _CELL else f"({len(value):,} bytes)"
