"""What the adapters' tests on a real Kubernetes share."""

from __future__ import annotations

import pytest
import pytest_socket

from tests.kubernetes.cluster.layout import CLUSTER_CIDR
from tests.kubernetes.cluster.lent import Lent


@pytest.fixture(autouse=True)
def _reaching_the_cluster(lent: Lent) -> None:
    """These tests run the adapters in their own process: it may ask the cluster's addresses, and no others outside this machine."""
    allowed = ["127.0.0.1", "localhost", "::1", CLUSTER_CIDR]
    if lent.own:
        allowed += [f"10.94.{lent.own.number}.0/24"]
    pytest_socket.socket_allow_hosts(allowed, allow_unix_socket=True)
