"""What a replica counted, as the watch reads it."""

from __future__ import annotations

from unioneyes.claims.metrics import UNMATCHED, Metrics, read_outcomes
from unioneyes.ports.replicas import Outcome, SliceKind


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
