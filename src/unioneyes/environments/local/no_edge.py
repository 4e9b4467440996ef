"""Where nothing stands before the service's pods that could keep anybody away: the edge says so, whatever it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from unioneyes.kernel.problems import Refused
from unioneyes.ports.edge import EdgeView, Network, RateLimit


class NoEdgeHere(Refused):
    """Members' requests reach the pods by the Service alone."""


@dataclass(frozen=True, slots=True)
class NoEdge:
    """The edge of an environment whose traffic the Service's selector leads: there is none."""

    def view(self) -> EdgeView:
        """Raises: NoEdgeHere."""
        _refuse()

    def limit(self, limit: RateLimit | None) -> EdgeView:
        """Raises: NoEdgeHere."""
        del limit
        _refuse()

    def describe_limit(self, limit: RateLimit | None) -> tuple[str, ...]:
        """Raises: NoEdgeHere."""
        del limit
        _refuse()

    def deny(self, networks: tuple[Network, ...]) -> EdgeView:
        """Raises: NoEdgeHere."""
        del networks
        _refuse()

    def describe_deny(self, networks: tuple[Network, ...]) -> tuple[str, ...]:
        """Raises: NoEdgeHere."""
        del networks
        _refuse()

    def require_others(self, networks: tuple[Network, ...]) -> None:
        """Raises: NoEdgeHere."""
        del networks
        _refuse()


def _refuse() -> NoReturn:
    raise NoEdgeHere(
        what="members reach the pods by the Service alone, and nothing before them can keep anybody away; nothing was changed",
        remedy="use the load balancer or the firewall before the cluster; with the Gateway API: "
        '[cluster] traffic = "gateway"; with ingress-nginx: [cluster] ingress names its Ingress',
    )
