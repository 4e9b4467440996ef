from __future__ import annotations

import http.client
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

import pytest

from tests.contract.edge.promises import NEVER_OURS
from tests.contract.processes.conftest import PATIENCE
from tests.contract.traffic.conftest import Edge, edge, running_edge
from tests.contract.traffic.promises import BLUE
from tests.contract.traffic.world import Answer, Door
from unioneyes.adapters.envoy.edge import EnvoyEdge
from unioneyes.ports.edge import Network

__all__ = ["edge", "running_edge"]

VISITOR = "127.0.0.2"
"""A source address of this machine that is not the one that we ask from."""


class OnThisMachine(ABC):
    """Members' requests come in at one door of this machine; a visitor's come from another of its addresses."""

    @property
    @abstractmethod
    def members(self) -> Door:
        """Where requests come in."""

    @property
    def gates(self) -> int:
        """One."""
        return 1

    @property
    def ours(self) -> Network:
        """Whence our own requests come."""
        return ip_network(self.get().saw["x-real-ip"])

    @property
    def visitor(self) -> Network:
        """Whence somebody else's come."""
        return ip_network(VISITOR)

    def get(self) -> Answer:
        """Ask once, from our own address."""
        return self.members.get()

    def visit(self, *, times: int = 1) -> Counter[str]:
        """Return the statuses that a visitor is answered with."""
        return Counter(str(visited(self.members)) for _ in range(times))


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedEnvoy(OnThisMachine):
    """An Envoy whose service is answered by blue; its threads count together."""

    world: Edge
    guard: EnvoyEdge

    @property
    def members(self) -> Door:
        """Where requests come in."""
        return self.world.members

    def type(self, command: str) -> None:
        """A person types the command."""
        self.world.type(command)


def visited(door: Door, *, forwarded_for: str | None = None) -> int:
    """Return the status that somebody is answered with who asks from another address; they may claim yet another one."""
    connection = http.client.HTTPConnection(door.host, door.port, timeout=PATIENCE.total_seconds(), source_address=(VISITOR, 0))
    try:
        connection.request("GET", "/", headers={"x-forwarded-for": forwarded_for} if forwarded_for else {})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.fixture
def guarded(edge: Edge) -> Iterator[GuardedEnvoy]:
    """An edge that keeps nobody out."""
    edge.traffic.shift(BLUE)
    yield GuardedEnvoy(world=edge, guard=guard_of(edge))
    guard_of(edge).deny(())
    guard_of(edge).limit(None)


def guard_of(edge: Edge, *, port: int | None = None) -> EnvoyEdge:
    """The edge of an Envoy; `port` is where it asks."""
    traffic = edge.traffic
    return EnvoyEdge(folder=traffic.folder, public_port=port or traffic.public_port, admin_socket=traffic.admin_socket, own=NEVER_OURS)
