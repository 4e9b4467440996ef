"""What tests on a real Kubernetes share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kubernetes.cluster.lent import Lent, lend


@pytest.fixture(scope="session")
def lent() -> Iterator[Lent]:
    """A cluster, and a namespace in it that is gone afterwards."""
    with lend() as cluster:
        yield cluster
