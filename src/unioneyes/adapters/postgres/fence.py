"""The fence before a database: a transaction of a run that something newer took over from is refused by the database itself."""

from __future__ import annotations

import psycopg

from unioneyes.adapters.postgres.connections import sql
from unioneyes.kernel.fencing import advance, fencing_token

IDLE_LIMIT_MS = 10_000
"""Within a transaction: a worker that was stopped in the middle of one holds nobody up for longer."""


def enter(session: psycopg.Connection) -> None:
    """The transaction that is open is of the newest run that came here; it was not stopped in the middle when it ends. Raises: FencedOff.

    The highest token stands in the table `unioneyes.fence`, made when it is first needed. Nobody else comes in until the transaction ends.
    """
    session.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", (f"{IDLE_LIMIT_MS}ms",))
    if (token := fencing_token.get()) is None:
        return
    if session.execute("SELECT to_regclass('unioneyes.fence')").fetchone() == (None,):
        session.execute(sql("fence_create"))
    row = session.execute("SELECT token FROM unioneyes.fence FOR UPDATE").fetchone()
    highest = advance(f"the database {session.info.dbname}", token=token, seen=row[0] if row else 0)
    session.execute("UPDATE unioneyes.fence SET token = %s", (highest,))
