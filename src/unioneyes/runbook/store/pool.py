"""A pool of connections that grows in a rush and shrinks when it is over: a connection costs the server some 3 MiB, and making one more than a step does."""

from __future__ import annotations

from time import monotonic

from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

KEPT = 2
"""Connections that stay open while nothing happens."""
RUSH_SECONDS = 30.0
"""How long those of a rush stay open after it."""
TRUSTED_SECONDS = 0.25
"""How soon after its last use a connection is taken for whole without being asked: no server restarts in that time."""


class ElasticPool(QueuePool):
    """Keeps what a rush opened as long as it lasts, and a little longer. Pre-pings only what was idle. For `create_engine`, with `max_overflow=0`."""

    _rush_until = 0.0

    def _do_get(self) -> ConnectionPoolEntry:
        entry = super()._do_get()
        returned_at = entry.record_info.get("returned_at") if entry.record_info else None
        if returned_at is not None and monotonic() - returned_at < TRUSTED_SECONDS:
            entry.fresh = True  # type: ignore[attr-defined]  # as one that was just made, which the pool does not ask either
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self.checkedout() > KEPT:  # this one counts
            self._rush_until = monotonic() + RUSH_SECONDS
        if record.record_info is not None:
            record.record_info["returned_at"] = monotonic()
        if self.checkedin() < KEPT or monotonic() < self._rush_until:
            super()._do_return_conn(record)
            return
        try:
            record.close()
        finally:
            self._dec_overflow()
