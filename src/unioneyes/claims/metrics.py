"""What the service counts, for Prometheus."""

from __future__ import annotations

from collections import Counter as Counted
from contextlib import AbstractContextManager, nullcontext

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from unioneyes.claims.rules import is_synthetic
from unioneyes.claims.storage import Storage
from unioneyes.ports.replicas import Outcome, PoolUse, SliceKind
from unioneyes.ports.traffic import ColourCounters

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds; 2 s is the document's limit for P99."""
MOST_TENANTS = 500
"""Organizations that are counted by themselves; what comes later is counted together, so that no scrape grows without a bound."""
OTHERS = "others"
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of what `Metrics.text` returns. Source: Prometheus, "Exposition formats"."""
_ANSWERED, _FAILED = "answered", "failed"
_SERVER_ERROR = 500
UNMATCHED = "unmatched"
"""The route of requests that came to no route: for nonsense, or because something before the routes answered."""
_MACHINES = frozenset({"/healthz", "/api/health", "/metrics"})
_NO_MEMBERS_ROUTE = _MACHINES | {UNMATCHED}
"""What only machines ask for has rules of its own, and what came to no route says nothing about any."""


class Metrics:
    """One replica's counters, in a registry of their own."""

    def __init__(self, *, version: str, replica: str) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry(auto_describe=True)
        self._tenants: set[str] = set()
        self.requests = Counter("claims_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry)
        self.active = Gauge("claims_requests_active", "Requests under way, but for what machines ask for.", registry=self.registry)
        self.seconds = Histogram("claims_request_seconds", "Time to answer.", ("method", "route"), buckets=_BUCKETS, registry=self.registry)
        self.tenants = Counter("claims_tenant_requests", "Requests of an organization answered.", ("tenant", "outcome"), registry=self.registry)
        self.submitted = Counter("claims_submitted", "Claims submitted; synthetic ones are of smoke tests and probes.", ("synthetic",), registry=self.registry)
        self.failed_logins = Counter("claims_failed_logins", "Sign-ins refused.", ("reason",), registry=self.registry)
        self._pool = Gauge("claims_pool_connections", "Database connections of the pool.", ("state",), registry=self.registry)
        self._waiting = Gauge("claims_pool_requests_waiting", "Requests that wait for a connection.", registry=self.registry)
        Gauge("claims_build_info", "Always 1.", ("version", "replica"), registry=self.registry).labels(version, replica).set(1)

    def count(self, *, method: str, route: str, status: int, tenant: str | None) -> None:
        """One more request was answered: of `route`, and of `tenant` where it is a known one's and no synthetic one's."""
        self.requests.labels(method, route, str(status)).inc()
        if tenant is None or is_synthetic(tenant):
            return
        if tenant not in self._tenants and len(self._tenants) >= MOST_TENANTS:
            tenant = OTHERS
        self._tenants.add(tenant)
        self.tenants.labels(tenant, _FAILED if status >= _SERVER_ERROR else _ANSWERED).inc()

    def under_way(self, path: str) -> AbstractContextManager[object]:
        """Give the time in which a request is under way: that of a machine is not counted."""
        return nullcontext() if path in _MACHINES else self.active.track_inprogress()

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


def read_outcomes(text: str, replica: str) -> tuple[Outcome, ...]:
    """Return what `replica` counted by members' route and by tenant, from its own text."""
    answers: Counted[tuple[SliceKind, str]] = Counted()
    errors: Counted[tuple[SliceKind, str]] = Counted()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            match sample.name:
                case "claims_requests_total" if sample.labels["route"] not in _NO_MEMBERS_ROUTE:
                    key = (SliceKind.ROUTE, f"{sample.labels['method']} {sample.labels['route']}")
                    failed = sample.labels["status"].startswith("5")
                case "claims_tenant_requests_total":
                    key = (SliceKind.TENANT, sample.labels["tenant"])
                    failed = sample.labels["outcome"] == _FAILED
                case _:
                    continue
            answers[key] += int(sample.value)
            errors[key] += int(sample.value) if failed else 0
    return tuple(Outcome(replica=replica, kind=kind, name=name, answers=count, errors=errors[kind, name]) for (kind, name), count in sorted(answers.items()))


def read_pool(text: str, replica: str) -> PoolUse | None:
    """Return how `replica` uses its connections, from its own text; None where it does not say."""
    found: dict[str, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "claims_pool_connections":
                found[sample.labels["state"]] = int(sample.value)
            elif sample.name == "claims_pool_requests_waiting":
                found["waiting"] = int(sample.value)
    if not {"max", "used", "idle", "waiting"} <= found.keys():
        return None
    return PoolUse(replica=replica, used=found["used"], idle=found["idle"], most=found["max"], waiting=found["waiting"])


def read_counters(text: str) -> ColourCounters:
    """Return what a replica counted of everything but what machines ask for, from its own text. How many of its kind there are, it does not know."""
    answers: Counted[str] = Counted()
    buckets: Counted[float] = Counted()
    active = timed = 0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("route") in _MACHINES:
                continue
            value = int(sample.value)
            match sample.name:
                case "claims_requests_total":
                    answers[sample.labels["status"][:1]] += value
                case "claims_request_seconds_bucket" if sample.labels["le"] != "+Inf":
                    buckets[float(sample.labels["le"]) * 1000] += value
                case "claims_request_seconds_count":
                    timed += value
                case "claims_requests_active":
                    active = value
    return ColourCounters(
        answers_2xx=answers["2"],
        answers_3xx=answers["3"],
        answers_4xx=answers["4"],
        answers_5xx=answers["5"],
        active=active,
        healthy=0,
        replicas=0,
        latency=tuple(sorted(buckets.items())),
        timed=timed,
    )


def _used(stats: dict[str, int]) -> int:
    return stats["pool_size"] - stats["pool_available"]
