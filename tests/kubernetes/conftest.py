"""What tests on a real Kubernetes share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.cluster.layout import CLUSTER_CIDR
from tests.kubernetes.cluster.lent import Lent, lend

HERE = Path(__file__).parent
REACHED = ["127.0.0.1", "localhost", "::1", CLUSTER_CIDR, "10.94.0.0/16"]
"""What a test's own process may ask: this machine, and a cluster of our own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Some tests look at the cluster by the adapters, in their own process."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.allow_hosts(REACHED))


@pytest.fixture(scope="session")
def lent() -> Iterator[Lent]:
    """A cluster, and a namespace in it that is gone afterwards."""
    with lend() as cluster:
        yield cluster
