"""What the edge's tests stand on, whichever world it is: a service that is answered by blue, and somebody else's address to ask it from."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from tests.contract.traffic.world import Answer, Door
from unioneyes.ports.edge import Edge, Network


class Guarded(Protocol):
    """A service behind an edge."""

    @property
    def guard(self) -> Edge:
        """What keeps requests away."""

    @property
    def members(self) -> Door:
        """Where requests come in."""

    @property
    def gates(self) -> int:
        """How many there are that each count for themselves."""

    @property
    def ours(self) -> Network:
        """Whence our own requests come."""

    @property
    def visitor(self) -> Network:
        """Whence somebody else's come."""

    def get(self) -> Answer:
        """Ask once, from our own address."""

    def visit(self, *, times: int = 1) -> Counter[str]:
        """Return the statuses that a visitor is answered with."""

    def type(self, command: str) -> None:
        """A person types the command, as it was described."""
