"""Text sent to PostgreSQL as it stands, several statements of it too, and its results one part after another: what comes is never all in memory.

psycopg's own cursors either hold the whole of a result, or take one statement. So this is written on libpq, as psycopg shows it (`psycopg.pq`): the simple
query protocol, rows in chunks (https://www.postgresql.org/docs/current/libpq-single-row-mode.html), and no wait without an end.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
from psycopg import pq

COPIES = {pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH}
"""What PostgreSQL answers when it waits for data, or is about to send some, that is no result."""
_CHUNK_ROWS = 50
_ENDS_CONNECTION = {"FATAL", "PANIC"}


@dataclass(kw_only=True, eq=False)
class SqlFailed(Exception):  # noqa: N818 - it is turned into a problem by its only caller
    """PostgreSQL refused a statement, or stopped it."""

    state: str
    """SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html."""
    message: str
    hint: str
    position: int | None
    """Of the character in the text, from 1 on."""


class SqlLost(Exception):  # noqa: N818 - see SqlFailed
    """The connection ended while the text was under way."""


class SqlLate(Exception):  # noqa: N818 - see SqlFailed
    """Its time was over before the text was done."""


class Simple:
    """One text under way on one connection, which nothing else uses meanwhile."""

    def __init__(self, opened: psycopg.Connection, *, until: float, look: Callable[[], None], every: float) -> None:
        """Wait until the moment `until` of the monotonic clock, and call `look` `every` so many seconds."""
        self._opened = opened
        self._pgconn = opened.pgconn
        self._until = until
        self._look = look
        self._every = every
        self._looks = time.monotonic() + every

    def results(self, text: str) -> Iterator[pq.abc.PGresult]:
        """Give each part of the answer: some rows, the end of the rows, or the end of a statement that has none.

        Raises: SqlFailed, SqlLost, SqlLate, and what `look` raises; the text may still be under way then.
        """
        try:
            self._pgconn.send_query(text.encode())
            self._pgconn.set_chunked_rows_mode(_CHUNK_ROWS)
            while self._pgconn.flush():
                self._wait(select.POLLIN | select.POLLOUT)
                self._pgconn.consume_input()
            while (result := self._next()) is not None:
                if result.status == pq.ExecStatus.FATAL_ERROR:
                    raise self._failed(result)
                yield result
        except psycopg.OperationalError as error:
            raise SqlLost(str(error).strip().partition("\n")[0]) from None

    def settle(self, *, seconds: float) -> None:
        """What is still under way was cancelled and has ended, if that takes no longer than `seconds`. PostgreSQL ends it anyway once the connection closes."""
        self._until = self._looks = time.monotonic() + seconds
        try:
            if self._under_way:
                self._opened.cancel_safe(timeout=seconds)
            while self._under_way and (result := self._next()) is not None and result.status not in COPIES:
                pass
        except (psycopg.Error, SqlLate):
            pass
        if self._under_way:
            self._opened.close()

    @property
    def _under_way(self) -> bool:
        return self._pgconn.transaction_status == pq.TransactionStatus.ACTIVE

    def _next(self) -> pq.abc.PGresult | None:
        while self._pgconn.is_busy():
            self._wait(select.POLLIN)
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _wait(self, for_what: int) -> None:
        """Return when the connection is ready. Raises: SqlLate, and what `look` raises."""
        ready = select.poll()
        ready.register(self._pgconn.socket, for_what)
        while True:
            now = time.monotonic()
            if now >= self._until:
                raise SqlLate
            if now >= self._looks:
                self._look()
                self._looks = time.monotonic() + self._every
            elif ready.poll((min(self._until, self._looks) - now) * 1000):
                return

    def _failed(self, result: pq.abc.PGresult) -> Exception:
        def field(which: pq.DiagnosticField) -> str:
            return (result.error_field(which) or b"").decode(errors="replace")

        if self._pgconn.status == pq.ConnStatus.BAD or field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) in _ENDS_CONNECTION:
            return SqlLost(field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.get_error_message().strip().partition("\n")[0])
        position = field(pq.DiagnosticField.STATEMENT_POSITION)
        return SqlFailed(
            state=field(pq.DiagnosticField.SQLSTATE),
            message=field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.get_error_message().strip(),
            hint=field(pq.DiagnosticField.MESSAGE_HINT),
            position=int(position) if position else None,
        )
