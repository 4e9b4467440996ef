"""What the service says of itself: `GET /api/health`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import psycopg
from pydantic import BaseModel, ConfigDict

from unioneyes.claims.problems import StorageUnavailable
from unioneyes.claims.storage import NOBODY, Storage, fetch
from unioneyes.claims.tokens import KeySet
from unioneyes.kernel.clock import now
from unioneyes.ports.service import HealthStatus

_CHECK_TIMEOUT = timedelta(seconds=2)
_WORST_FIRST = (HealthStatus.UNHEALTHY, HealthStatus.DEGRADED, HealthStatus.HEALTHY)


class CheckReport(BaseModel):
    """One line of the report."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    status: HealthStatus
    responseTime: float  # noqa: N815 - the API's contract
    """Milliseconds."""
    error: str | None = None
    details: dict[str, str | int] | None = None


class HealthReport(BaseModel):
    """The report; 503 goes with `unhealthy` only."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    status: HealthStatus
    timestamp: datetime
    uptime: float
    """Seconds since the replica's start."""
    version: str
    checks: tuple[CheckReport, ...]


Finding = tuple[HealthStatus, str | None, dict[str, str | int]]


class HealthChecks:
    """The checks of one replica."""

    def __init__(self, storage: Storage, keys: KeySet, *, version: str, schema: str, schema_hash: str) -> None:
        """Check that the database answers, that its schema is at least `schema`, and that tokens can be verified."""
        self._storage = storage
        self._keys = keys
        self._version = version
        self._schema = schema
        self._schema_hash = schema_hash
        self._started = time.monotonic()

    async def report(self) -> HealthReport:
        """Return how the replica is, within about two seconds."""
        checks = await asyncio.gather(
            _timed("database", self._database),
            _timed("schema", self._schema_is_there),
            _timed("jwks", self._signing_keys),
        )
        worst = next(status for status in _WORST_FIRST if any(check.status is status for check in checks))
        return HealthReport(status=worst, timestamp=now(), uptime=round(time.monotonic() - self._started, 3), version=self._version, checks=tuple(checks))

    async def _database(self) -> Finding:
        async with self._storage.transaction(NOBODY) as connection:
            await connection.execute(self._storage.queries.ping)
        pool = self._storage.pool.get_stats()
        return HealthStatus.HEALTHY, None, {"connections": pool["pool_size"], "idle": pool["pool_available"], "max": pool["pool_max"]}

    async def _schema_is_there(self) -> Finding:
        try:
            async with self._storage.transaction(NOBODY) as connection:
                (row,) = await fetch(connection, self._storage.queries.ledger_has, {"hash": self._schema_hash})
        except psycopg.ProgrammingError:
            return HealthStatus.UNHEALTHY, "the migrations' ledger can't be read: nothing was migrated yet", {"needs": self._schema}
        if row["there"]:
            return HealthStatus.HEALTHY, None, {"needs": self._schema}
        return HealthStatus.UNHEALTHY, f"migration {self._schema} is not in the ledger", {"needs": self._schema}

    async def _signing_keys(self) -> Finding:
        if not self._keys.fresh:
            await self._keys.refresh()
        details: dict[str, str | int] = {"keys": self._keys.known}
        if self._keys.fresh:
            return HealthStatus.HEALTHY, None, details
        if self._keys.known:
            return HealthStatus.DEGRADED, "the issuer does not answer; its last known keys are used", details
        return HealthStatus.UNHEALTHY, "the issuer's signing keys can't be had: nobody can sign in", details


async def _timed(name: str, check: Callable[[], Awaitable[Finding]]) -> CheckReport:
    started = time.perf_counter()
    details: dict[str, str | int] | None = None
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT.total_seconds()):
            status, error, details = await check()
    except TimeoutError:
        status, error = HealthStatus.UNHEALTHY, f"no answer in {_CHECK_TIMEOUT.total_seconds():g} s"
    except StorageUnavailable as problem:
        status, error = HealthStatus.UNHEALTHY, problem.what
    return CheckReport(name=name, status=status, responseTime=round((time.perf_counter() - started) * 1000, 2), error=error, details=details)
