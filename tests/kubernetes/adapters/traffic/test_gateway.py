"""Traffic by a Gateway keeps the promises of the port, and what only a cluster can do to it changes nothing of that."""

from __future__ import annotations

import pytest

from tests.contract.traffic.promises import TrafficPromises

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400), pytest.mark.allow_hosts(["127.0.0.1", "localhost", "::1", "10.94.0.0/16"])]


class TestGatewayTraffic(TrafficPromises):
    """The promises of the port, kept by Envoy Gateway."""
