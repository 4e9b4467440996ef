from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kubernetes.adapters.traffic.world import GatewayWorld, gateway_world
from tests.kubernetes.cluster.lent import Lent


@pytest.fixture(scope="session")
def running_world(lent: Lent) -> Iterator[GatewayWorld]:
    with gateway_world(lent) as world:
        yield world


@pytest.fixture
def edge(running_world: GatewayWorld) -> GatewayWorld:
    """A Gateway through which nobody is served yet, in front of replicas that are ready."""
    running_world.restore()
    return running_world
