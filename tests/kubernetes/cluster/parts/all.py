"""The parts that a cluster may have, in the order in which they are started."""

from __future__ import annotations

from tests.kubernetes.cluster.parts.dns import DNS
from tests.kubernetes.cluster.parts.gateway import GATEWAY
from tests.kubernetes.cluster.parts.kwok import FAKE_NODES
from tests.kubernetes.cluster.parts.metrics import METRICS
from tests.kubernetes.cluster.parts.policies import POLICIES

PARTS = (DNS, POLICIES, METRICS, GATEWAY, FAKE_NODES)
USUAL = (DNS, POLICIES, METRICS, GATEWAY)
"""What a cluster has unless it is left out."""
