"""Connections to the control plane's own database: with time limits on everything, and its errors as problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from threading import Event
from time import monotonic
from typing import TypeVar, cast

import psycopg
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.exc import DataError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from unioneyes.runbook.problems import CannotBeKept, ControlDatabaseUnavailable
from unioneyes.runbook.store.pool import ElasticPool

R = TypeVar("R")

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 10
IDLE_SECONDS = 5
"""Inside a transaction: a worker that was stopped there holds nobody up for longer."""
_AT_MOST = 15
"""Connections per pool in a rush."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0


class ControlDatabase:
    """The control plane's database, reached through a small pool."""

    def __init__(self, database_url: SecretStr, *, name: str) -> None:
        """Connect when first needed; `name` is shown in `pg_stat_activity`."""
        self.url: URL = make_url(database_url.get_secret_value()).set(drivername="postgresql+psycopg")
        self._name = name
        self._strict = self._pool("on", checked=True)  # a pooled connection that a restart cut is replaced before it is used
        self._relaxed = self._pool("off", checked=False, isolation_level="AUTOCOMMIT")  # its users try again anyway

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a transaction.

        Raises: ControlDatabaseUnavailable, where it is not known whether the transaction took effect; CannotBeKept (nothing was changed).
        """
        with _as_problems(), self._strict.begin() as connection:
            yield connection

    def ask(self, statement: str, values: Mapping[str, object]) -> tuple[object, ...]:
        """Return the one row of a statement that is a transaction by itself, and may be lost when PostgreSQL crashes, unless a later strict one was kept.

        For what is said at every step: it goes to the driver as it is, in one trip. A connection that a restart cut is found out only then, for whoever
        asks tries again. Raises: as `transaction`.
        """
        with _as_problems():
            pooled = self._relaxed.raw_connection()
            connection = cast("psycopg.Connection[tuple[object, ...]]", pooled.driver_connection)
            try:
                row = connection.execute(statement.encode(), values).fetchone()
            finally:
                if connection.broken:
                    pooled.invalidate()
                    self._relaxed.dispose()  # the others are cut too
                else:
                    pooled.close()
        if row is None:
            raise LookupError(statement)
        return row

    def session(self) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection of its own, in autocommit mode, for what lives as long as a session. Raises: ControlDatabaseUnavailable."""
        where = self._strict.dialect.create_connect_args(self.url)[1]  # as text, SQLAlchemy's URL is one that libpq refuses where a password has spaces
        limits = {
            "application_name": f"{self._name}-liveness",
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": STATEMENT_SECONDS * 1000,
            "keepalives_idle": STATEMENT_SECONDS,
            "options": f"-c statement_timeout={STATEMENT_SECONDS}s",
        }
        try:
            return psycopg.connect(**{**where, **limits}, autocommit=True)
        except psycopg.Error as error:
            raise _unavailable(error) from None

    def close(self) -> None:
        """Every connection of the pool is closed."""
        self._strict.dispose()
        self._relaxed.dispose()

    def _pool(self, synchronous_commit: str, *, checked: bool, isolation_level: IsolationLevel = "READ COMMITTED") -> Engine:
        limits = f"-c statement_timeout={STATEMENT_SECONDS}s -c idle_in_transaction_session_timeout={IDLE_SECONDS}s"
        options = f"{limits} -c timezone=UTC -c synchronous_commit={synchronous_commit}"
        return create_engine(
            self.url,
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "tcp_user_timeout": STATEMENT_SECONDS * 1000,  # a server that vanished is noticed, not waited for
                "application_name": self._name,
                "options": options,
            },
            isolation_level=isolation_level,
            poolclass=ElasticPool,
            pool_size=_AT_MOST,
            max_overflow=0,
            pool_use_lifo=True,  # the last one used is warm: its statements are prepared
            pool_timeout=CONNECT_SECONDS,
            pool_pre_ping=checked,
            hide_parameters=True,  # an error's text shows no one's data
        )


def patiently(call: Callable[[], R], *, give_up: Event, within: timedelta = timedelta.max) -> R:
    """Return what `call` returns, tried again until the database answers. For calls that are safe to repeat.

    Raises: ControlDatabaseUnavailable once `give_up` is set, or the time is up.
    """
    pause = _FIRST_PAUSE
    until = monotonic() + within.total_seconds()
    while True:
        try:
            return call()
        except ControlDatabaseUnavailable:
            if monotonic() >= until or give_up.wait(pause):
                raise
            pause = min(2 * pause, _LONGEST_PAUSE)


@contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise _unavailable(error) from None
    except (OperationalError, InterfaceError, PoolExhausted) as error:
        raise _unavailable(error.orig if isinstance(error, OperationalError | InterfaceError) else error) from None
    except InternalError as error:
        if not isinstance(error.orig, psycopg.errors.IdleInTransactionSessionTimeout):
            raise
        raise _unavailable(error.orig) from None
    except (psycopg.DataError, DataError, UnicodeEncodeError) as error:
        told = error.reason if isinstance(error, UnicodeEncodeError) else error.orig if isinstance(error, DataError) else error
        said = str(told).strip().partition("\n")[0]
        raise CannotBeKept(what=f"something that was given can be kept in no database: {said}", remedy="leave NUL and broken characters out") from None


def _unavailable(error: BaseException | None) -> ControlDatabaseUnavailable:
    said = str(error).strip().partition("\n")[0]
    return ControlDatabaseUnavailable(what=f"the control plane's database does not answer: {said}", remedy="ue env status; try again when it is up")
