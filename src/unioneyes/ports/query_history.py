"""How long queries took: as the server logged a share of them, or as it counts all of them. What nobody can know has a reason.

Source: Database Operations, "Slow Query Investigation"; Monitoring and Alerting, "Query Time (p95)".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from unioneyes.kernel.problems import NotFound
from unioneyes.ports.vitals import Unknown


class Means(StrEnum):
    """Who wrote the durations down."""

    LOG = "log"
    """The server, by `log_min_duration_sample`, `log_min_duration_statement` or `log_transaction_sample_rate`."""
    AUTO_EXPLAIN = "auto_explain"
    """The module, with each plan; what a function called inside counts too, where it logs that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Which queries are logged, as the server's settings are now."""

    always: timedelta | None
    """Whatever takes that long; None: nothing is logged for its length alone."""
    sampled: timedelta | None
    """Of what takes that long, a share is; None: nothing."""
    rate: float
    """That share, 0-1."""
    transactions: float = 0.0
    """Share of transactions of which everything is logged, 0-1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedQuery:
    """What the log holds of queries that differ by their values alone."""

    query_id: str
    query: str
    """As it was logged last, with `?` in place of each value."""
    took: tuple[float, ...]
    """Milliseconds of each that was logged, in no order."""
    last: datetime
    """When the last of them ended, by the database's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedQueries:
    """What the log holds of the operated database's queries."""

    means: Means
    sampling: Sampling
    since: datetime
    """From here on the log was read, by the database's clock: what was asked for, or later, where the log begins later or is longer than is read."""
    queries: tuple[LoggedQuery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedQuery:
    """What the server counted of queries that differ by their values alone. It keeps no percentiles, and none can be made of this."""

    query_id: str
    query: str
    """With `?` or `$1` in place of each value."""
    calls: int
    mean: timedelta
    deviation: timedelta
    """The standard deviation."""
    longest: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedQueries:
    """What the server counted of the operated database's queries."""

    since: datetime | None
    """Since when; None where that is not known."""
    queries: tuple[CountedQuery, ...]
    """Those whose longest took most, first; thousands at most."""


class QueryHistory(Protocol):
    """How long the operated database's queries took. Whoever looks sees no value that a member wrote."""

    def logged(self, *, last: timedelta) -> LoggedQueries | Unknown:
        """Return what the server's log holds of the `last` time, or why that can't be known. Raises: DatabaseUnavailable, NoOperator."""

    def counted(self) -> CountedQueries | Unknown:
        """Return what `pg_stat_statements` counted, or why that can't be known. Raises: DatabaseUnavailable, NoOperator."""

    def statement(self, query_id: str) -> str:
        """Return a statement that had this id, as the server knows it: perhaps with what members wrote, so it is shown to nobody.

        Raises: NoSuchQuery, DatabaseUnavailable, NoOperator.
        """

    def describe_logging(self) -> tuple[str, ...]:
        """Return the statements by which a superuser has a share of the durations logged, and those by which all are counted."""


class NoSuchQuery(NotFound):
    """No query of this id is known."""
