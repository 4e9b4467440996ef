"""Which addresses a test's own process may ask: the cluster's, and no others outside this machine."""

from __future__ import annotations

import pytest_socket

from tests.kubernetes.cluster.layout import CLUSTER_CIDR
from tests.kubernetes.cluster.lent import Lent


def let_reach(lent: Lent) -> None:
    """From now on, until the end of the test, the process may ask the cluster."""
    allowed = ["127.0.0.1", "localhost", "::1", CLUSTER_CIDR]
    if lent.own:
        allowed += [f"10.94.{lent.own.number}.0/24"]
    pytest_socket.socket_allow_hosts(allowed, allow_unix_socket=True)
