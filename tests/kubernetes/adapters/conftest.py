"""What the adapters' tests on a real Kubernetes share."""

from __future__ import annotations

import pytest

from tests.kubernetes.cluster.lent import Lent
from tests.kubernetes.reaching import let_reach


@pytest.fixture(autouse=True)
def _reaching_the_cluster(lent: Lent) -> None:
    """These tests run the adapters in their own process: it may ask the cluster's addresses, and no others outside this machine."""
    let_reach(lent)
