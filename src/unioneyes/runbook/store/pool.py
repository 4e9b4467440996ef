"""A pool of connections that grows in a rush and shrinks when it is over: a connection costs the server some 3 MiB, and making one more than a step does."""

from __future__ import annotations

from time import monotonic

from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

KEPT = 2
"""Connections that stay open while nothing happens."""
RUSH_SECONDS = 30.0
"""How long those of a rush stay open after it."""


class ElasticPool(QueuePool):
    """Keeps what a rush opened as long as it lasts, and a little longer. For `create_engine(poolclass=...)`, with `max_overflow=0`."""

    _rush_until = 0.0

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self.checkedout() > KEPT:  # this one counts
            self._rush_until = monotonic() + RUSH_SECONDS
        if self.checkedin() < KEPT or monotonic() < self._rush_until:
            super()._do_return_conn(record)
            return
        try:
            record.close()
        finally:
            self._dec_overflow()
