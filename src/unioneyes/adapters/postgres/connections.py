"""Connections with time limits on everything, whose errors are the port's problems."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache, partial
from importlib.resources import files
from typing import LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from unioneyes.adapters.postgres.grants import kept_out
from unioneyes.kernel.cancelling import ended_with_run
from unioneyes.ports.database import DatabaseUnavailable, TooOld
from unioneyes.ports.vitals import OLDEST

CONNECT_LIMIT = timedelta(seconds=5)
_SILENCE_LIMIT = timedelta(seconds=30)
"""How long data may stay unacknowledged before the connection counts as lost."""
_CANCEL_SECONDS = 2.0
_REFUSED = re.compile(r"connection failed: .*?FATAL: +")
"""A server that answers, and lets nobody in. Its messages have to be English to be told apart."""
_AGAIN = "ue env status; try again when it is up"
_LACKS_RESOURCES = "53"
"""Class of PostgreSQL's errors: a disk or the memory is full."""


@contextmanager
def connection(database_url: SecretStr, *, name: str, statement_limit: timedelta) -> Iterator[psycopg.Connection]:
    """Give a connection in autocommit mode that says `name` in `pg_stat_activity`, closed afterwards.

    A server that finds its client gone stops working for it. Once the run of this thread's step must stop, each statement is cancelled, and its transaction
    rolled back with it. Raises: DatabaseUnavailable when PostgreSQL does not answer or ends the connection; TooOld.
    """
    try:
        with (
            psycopg.connect(
                database_url.get_secret_value(),
                autocommit=True,
                prepare_threshold=None,  # a statement that is tried again must not become a prepared one, which can't hold several
                application_name=name,
                client_encoding="UTF8",  # else text of a database in SQL_ASCII would come as bytes
                connect_timeout=int(CONNECT_LIMIT.total_seconds()),
                tcp_user_timeout=_milliseconds(_SILENCE_LIMIT),
                options=f"-c statement_timeout={_milliseconds(statement_limit)} -c client_connection_check_interval=2s",
            ) as opened,
            ended_with_run(partial(cancel, opened)),
        ):
            _require_new_enough(opened, database_url)
            yield opened
    except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.IdleInTransactionSessionTimeout) as error:
        raise unavailable(database_url, error) from None


def _require_new_enough(opened: psycopg.Connection, database_url: SecretStr) -> None:
    if opened.info.server_version < OLDEST * 10_000:
        version = opened.info.parameter_status("server_version")
        raise TooOld(what=f"PostgreSQL at {shown(database_url)} is {version}; nothing was changed", remedy=f"have PostgreSQL {OLDEST} or newer there")


def cancel(opened: psycopg.Connection) -> None:
    """What is under way there was asked to end; where nothing is, or nobody answers, nothing happens."""
    with suppress(psycopg.Error):
        opened.cancel_safe(timeout=_CANCEL_SECONDS)


def unavailable(database_url: SecretStr, error: psycopg.Error) -> DatabaseUnavailable:
    """Return the problem that an error of the connection is: with the server's words, without the password."""
    said = error.diag.message_primary or str(error).strip().partition("\n")[0]
    where, told = shown(database_url), conninfo_to_dict(database_url.get_secret_value())
    if (error.sqlstate or "").startswith(_LACKS_RESOURCES):
        return DatabaseUnavailable(what=f"PostgreSQL at {where} can't go on: {said}", remedy="make room there, or end what takes it; then try again")
    remedy = kept_out(said, role=str(told.get("user")), database=str(told.get("dbname"))) or _AGAIN
    if (refused := _REFUSED.match(said)) is None:
        return DatabaseUnavailable(what=f"PostgreSQL at {where} does not answer: {said}", remedy=remedy)
    return DatabaseUnavailable(what=f"PostgreSQL at {where} lets nobody in: {said[refused.end() :]}", remedy=remedy)


def shown(database_url: SecretStr) -> str:
    """Return an address without its password, as `psql` takes it."""
    return make_conninfo("", **{name: value for name, value in conninfo_to_dict(database_url.get_secret_value()).items() if name != "password"})


@cache
def sql(name: str) -> LiteralString:
    """Return the text of `name.sql` beside this module: code that we wrote, never input."""
    return files(__package__).joinpath(f"{name}.sql").read_text()


def _milliseconds(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
