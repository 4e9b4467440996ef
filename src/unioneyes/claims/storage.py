"""The database as the service uses it: a pool, and transactions that see one tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from unioneyes.claims.logs import request_id
from unioneyes.claims.problems import StorageUnavailable
from unioneyes.claims.queries import Queries
from unioneyes.claims.settings import ClaimsSettings

Connection = AsyncConnection[DictRow]

WAIT_FOR_CONNECTION = timedelta(seconds=3)
"""How long a request waits for a free connection before it answers 503."""
_CONNECT_TIMEOUT = timedelta(seconds=5)
_RECONNECT_FOR = timedelta(seconds=1)
"""The pool gives up soon, and the next request tries anew: its own pauses double up to minutes, long after the database is back."""
_LONGEST_APPLICATION_NAME = 63
"""Bytes that PostgreSQL keeps."""
_SESSION = "-c statement_timeout=5s -c lock_timeout=3s -c idle_in_transaction_session_timeout=10s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a transaction may see: one organization, as one user of it."""

    organization_id: str
    user_id: str


NOBODY = Scope(organization_id="", user_id="")
"""Sees no tenant's rows."""


async def fetch(connection: Connection, query: bytes, parameters: Mapping[str, object] = MappingProxyType({})) -> list[DictRow]:
    """Return every row that `query` gives."""
    return await (await connection.execute(query, parameters)).fetchall()


async def fetch_one(connection: Connection, query: bytes, parameters: Mapping[str, object]) -> DictRow | None:
    """Return the first row that `query` gives; None when it gives none."""
    return await (await connection.execute(query, parameters)).fetchone()


class Storage:
    """A pool of connections as `claims_app`."""

    def __init__(self, settings: ClaimsSettings, queries: Queries) -> None:
        """Prepare the pool; nothing is connected before `open`."""
        self.queries = queries
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            lambda: settings.database_url().get_secret_value(),
            kwargs={
                "row_factory": dict_row,
                "connect_timeout": int(_CONNECT_TIMEOUT.total_seconds()),
                "application_name": f"claims {settings.replica}",
                "options": _SESSION,
            },
            min_size=1,
            max_size=settings.pool_size,
            reconnect_timeout=_RECONNECT_FOR.total_seconds(),
            timeout=WAIT_FOR_CONNECTION.total_seconds(),
            open=False,
        )

    async def open(self) -> None:
        """The pool connects in the background; a database that is away delays no start."""
        await self.pool.open(wait=False)

    async def close(self) -> None:
        """Every connection is closed."""
        await self.pool.close(timeout=2)

    @asynccontextmanager
    async def transaction(self, scope: Scope) -> AsyncIterator[Connection]:
        """Yield a connection inside a transaction that sees what `scope` may see; committed at the end, rolled back on an exception.

        Raises: StorageUnavailable.
        """
        try:
            connection = await self._begin(scope)
            try:
                async with connection:  # commits or rolls back; a pool's connection stays open for `putconn`
                    yield connection
            finally:
                await self.pool.putconn(connection)
        except psycopg.OperationalError as error:
            raise _unavailable() from error

    async def _begin(self, scope: Scope) -> Connection:
        """Return a connection whose transaction has begun with `scope`.

        The transaction's first statement proves the connection: one that an operator or a restart ended is given back and the next one taken, at once, where
        the pool's own check would wait a second or more between two of them.
        """
        name = f"{request_id.get()} {scope.organization_id}".encode()[:_LONGEST_APPLICATION_NAME].decode(errors="ignore")
        parameters = {"organization_id": scope.organization_id, "user_id": scope.user_id, "application_name": name}
        for _ in range(self.pool.max_size + 1):
            connection = await self.pool.getconn()
            try:
                await connection.execute(self.queries.set_scope, parameters)
            except psycopg.OperationalError:
                await self.pool.putconn(connection)
                if not connection.broken:
                    raise
            except BaseException:
                await self.pool.putconn(connection)
                raise
            else:
                return connection
        raise _unavailable()


def _unavailable() -> StorageUnavailable:
    return StorageUnavailable(what="the database does not answer", remedy="try again in a moment")
