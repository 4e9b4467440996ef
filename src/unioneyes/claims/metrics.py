"""What the service counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from unioneyes.claims.storage import Storage

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds; 2 s is the document's limit for P99."""


class Metrics:
    """One replica's counters, in a registry of their own."""

    def __init__(self, *, version: str, replica: str) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry(auto_describe=True)
        self.requests = Counter("claims_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry)
        self.seconds = Histogram("claims_request_seconds", "Time to answer.", ("method", "route"), buckets=_BUCKETS, registry=self.registry)
        self.submitted = Counter("claims_submitted", "Claims submitted; synthetic ones are of smoke tests and probes.", ("synthetic",), registry=self.registry)
        self.failed_logins = Counter("claims_failed_logins", "Sign-ins refused.", ("reason",), registry=self.registry)
        self._pool = Gauge("claims_pool_connections", "Database connections of the pool.", ("state",), registry=self.registry)
        self._waiting = Gauge("claims_pool_requests_waiting", "Requests that wait for a connection.", registry=self.registry)
        Gauge("claims_build_info", "Always 1.", ("version", "replica"), registry=self.registry).labels(version, replica).set(1)

    def watch(self, storage: Storage) -> None:
        """The pool's use is read at each scrape."""
        pool = storage.pool
        self._pool.labels("max").set(pool.max_size)
        self._pool.labels("used").set_function(lambda: _used(pool.get_stats()))
        self._pool.labels("idle").set_function(lambda: pool.get_stats()["pool_available"])
        self._waiting.set_function(lambda: pool.get_stats()["requests_waiting"])

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


def _used(stats: dict[str, int]) -> int:
    return stats["pool_size"] - stats["pool_available"]
