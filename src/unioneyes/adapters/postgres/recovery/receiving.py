"""How the log is received: what the primary is told, the slot by which it keeps what was not received yet, and the program that receives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection
from unioneyes.adapters.postgres.programs import passfile_line, program
from unioneyes.adapters.postgres.server import PostgresServer
from unioneyes.kernel.files import replace_file
from unioneyes.ports.recovery import WalMode

SLOT = "archive"
"""The slot by which the log is received, and the name under which whoever receives it is seen."""
_LIMIT = timedelta(seconds=10)
_SUMMARIZED: Mapping[str, str] = MappingProxyType({"summarize_wal": "on"})  # which incremental base backups are made by

PRIMARY_SETTINGS: Mapping[WalMode, Mapping[str, str]] = MappingProxyType(
    {
        WalMode.NONE: {},
        WalMode.RECEIVE: _SUMMARIZED,
        WalMode.SYNCHRONOUS: {**_SUMMARIZED, "synchronous_standby_names": SLOT},
    }
)
"""What the primary is told for each way to keep its log. How much it keeps for a receiver that is away, `max_slot_wal_keep_size` says."""


def require_slot(primary: SecretStr) -> None:
    """The primary keeps its log for the receiver, from now on. One whose log it has thrown away is made anew: the gap is seen. Safe to repeat.

    Raises: DatabaseUnavailable.
    """
    with connection(primary, name="ue-archive", statement_limit=_LIMIT) as session:
        query = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND wal_status = 'lost' AND NOT active"
        session.execute(query, (SLOT,))
        if session.execute("SELECT FROM pg_replication_slots WHERE slot_name = %s", (SLOT,)).fetchone() is None:
            session.execute("SELECT pg_create_physical_replication_slot(%s, true)", (SLOT,))


def drop_slot(primary: SecretStr) -> None:
    """The primary keeps nothing for a receiver that there is none of. Safe to repeat. Raises: DatabaseUnavailable."""
    with connection(primary, name="ue-archive", statement_limit=_LIMIT) as session:
        session.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND NOT active", (SLOT,))


def reread_settings(admin: SecretStr) -> None:
    """The server does as its files say by now. Raises: DatabaseUnavailable."""
    with connection(admin, name="ue-archive", statement_limit=_LIMIT) as session:
        session.execute("SELECT pg_reload_conf()")


def receiver_argv(server: PostgresServer, folder: Path, *, password: SecretStr, mode: WalMode) -> tuple[str, ...]:
    """Return the command that receives the log of `server` into `folder`, for a supervisor; it comes back by itself when the server was away.

    The password stands in a file of mode 0600 beside the server's folder.
    """
    passfile = server.folder.with_name("archive.pass")
    replace_file(passfile, passfile_line(password))
    address = make_conninfo(
        host="127.0.0.1" if server.tcp else str(server.sockets),
        port=server.port,
        user="ue_replication",
        passfile=str(passfile.absolute()),
        application_name=SLOT,
        connect_timeout=5,
    )
    at_once = ("--synchronous",) if mode is WalMode.SYNCHRONOUS else ()
    return (program("pg_receivewal"), "-D", str(folder), "-S", SLOT, "--status-interval=1", "--no-password", *at_once, "-d", address)
