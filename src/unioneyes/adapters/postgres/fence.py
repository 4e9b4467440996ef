"""The fence before a database: a transaction of a run that something newer took over from is refused by the database itself."""

from __future__ import annotations

from typing import Final

import psycopg

from unioneyes.adapters.postgres.connections import sql
from unioneyes.kernel.fencing import advance, fencing_token
from unioneyes.ports.database import DatabaseUnavailable

IDLE_LIMIT_MS = 10_000
"""Within a transaction: a worker that was stopped in the middle of one holds nobody up for longer."""
WRITER: Final = 0x75655F7772697465
"""Advisory lock: a session that changes something for a run outside of a transaction of ours holds it as long as it lasts."""
_TURN_LIMIT_MS = 15_000
"""How long to wait for whoever is inside: longer than one who was stopped there may stay."""
_END_LIMIT_MS = 5_000
"""How long a session that was told to end may take."""


def enter(session: psycopg.Connection) -> None:
    """The transaction that is open is of the newest run that came here; it was not stopped in the middle when it ends. Sessions of those before have ended.

    The highest token stands in the table `unioneyes.fence`, made when it is first needed. Nobody else comes in until the transaction ends.
    Raises: FencedOff, DatabaseUnavailable where a session of those before does not end.
    """
    session.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", (f"{IDLE_LIMIT_MS}ms",))
    if (token := fencing_token.get()) is None:
        return
    if session.execute("SELECT to_regclass('unioneyes.fence')").fetchone() == (None,):
        session.execute(sql("fence_create"))
    row = session.execute("SELECT token FROM unioneyes.fence FOR UPDATE").fetchone()
    highest = advance(f"the database {session.info.dbname}", token=token, seen=row[0] if row else 0)
    session.execute("UPDATE unioneyes.fence SET token = %s", (highest,))
    _end_writers(session)


def enter_until_closed(session: psycopg.Connection) -> None:
    """The session is of the newest run that came here, and is ended by the next that comes, wherever it stands then: for text that may hold any statement.

    Raises: FencedOff, DatabaseUnavailable.
    """
    with session.transaction():
        session.execute("SELECT set_config('lock_timeout', %s, true)", (f"{_TURN_LIMIT_MS}ms",))
        enter(session)
        if fencing_token.get() is not None:
            session.execute("SELECT pg_advisory_lock(%s)", (WRITER,))  # of the session; within the transaction, so that nobody newer came in between


def _end_writers(session: psycopg.Connection) -> None:
    for pid, ended in session.execute(sql("fence_end_writers"), {"key": WRITER, "within_ms": _END_LIMIT_MS}):
        if not ended:
            raise DatabaseUnavailable(
                what=f"process {pid} of PostgreSQL is at work for an earlier run, and does not end",
                remedy=f"look at it in pg_stat_activity; SELECT pg_terminate_backend({pid})",
            )
