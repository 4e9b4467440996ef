"""What a replica counted, as the watch reads it."""

from __future__ import annotations

from unioneyes.claims.metrics import UNMATCHED, Metrics, read_counters, read_outcomes, read_pool
from unioneyes.ports.replicas import Outcome, PoolUse, SliceKind


def test_only_what_members_ask_for_is_a_route_of_its_own() -> None:
    metrics = Metrics(version="1.0.0", replica="blue-1")
    metrics.count(method="GET", route="/api/claims", status=200, tenant="org_a")
    metrics.count(method="GET", route="/api/claims", status=500, tenant="org_a")
    metrics.count(method="GET", route="/healthz", status=500, tenant=None)
    metrics.count(method="GET", route=UNMATCHED, status=500, tenant=None)
    assert read_outcomes(metrics.text().decode(), "blue-1") == (
        Outcome(replica="blue-1", kind=SliceKind.ROUTE, name="GET /api/claims", answers=2, errors=1),
        Outcome(replica="blue-1", kind=SliceKind.TENANT, name="org_a", answers=2, errors=1),
    )


def test_how_a_pool_is_used_is_read_whole_or_not_at_all() -> None:
    text = """# TYPE claims_pool_connections gauge
claims_pool_connections{state="max"} 8.0
claims_pool_connections{state="used"} 3.0
claims_pool_connections{state="idle"} 1.0
# TYPE claims_pool_requests_waiting gauge
claims_pool_requests_waiting 2.0
"""
    assert read_pool(text, "blue-1") == PoolUse(replica="blue-1", used=3, idle=1, most=8, waiting=2)
    assert read_pool(text.replace("max", "other"), "blue-1") is None
    assert read_pool(Metrics(version="1.0.0", replica="blue-1").text().decode(), "blue-1") is None


def test_everything_but_what_machines_ask_for_is_counted_by_its_status_and_timed() -> None:
    metrics = Metrics(version="1.0.0", replica="blue-1")
    for route, status, seconds in (("/api/claims", 200, 0.004), ("/api/claims", 404, 0.3), (UNMATCHED, 500, 3.0), ("/healthz", 200, 0.001)):
        metrics.count(method="GET", route=route, status=status, tenant=None)
        metrics.seconds.labels("GET", route).observe(seconds)
    with metrics.under_way("/api/claims"), metrics.under_way("/metrics"):
        counted = read_counters(metrics.text().decode())
    assert (counted.answers_2xx, counted.answers_3xx, counted.answers_4xx, counted.answers_5xx) == (1, 0, 1, 1)
    assert (counted.active, counted.timed) == (1, 3)
    latency = dict(counted.latency)
    assert (latency[5.0], latency[2000.0], latency[10000.0]) == (1, 2, 3)
    assert read_counters(metrics.text().decode()).active == 0
