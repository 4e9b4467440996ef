"""A cluster that runs, as it was started."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter

from tests.kubernetes.cluster.kubectl import Kubectl
from tests.kubernetes.cluster.layout import CONTROL_NODE, Addresses, Layout
from tests.kubernetes.cluster.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster that was started whole."""

    name: str
    number: int
    """Of its network."""
    nodes: tuple[str, ...]
    parts: tuple[str, ...]
    """What it has beside its core."""

    @property
    def layout(self) -> Layout:
        return Layout.named(self.name)

    @property
    def addresses(self) -> Addresses:
        return Addresses(self.number)

    @property
    def kubectl(self) -> Kubectl:
        """As the administrator."""
        return Kubectl(self.layout.kubeconfig)

    def node(self, name: str) -> Node:
        return Node(self.layout, name)


def running(name: str) -> Cluster | None:
    """Return the cluster of that name; none when it was not started whole, or does not run any more."""
    layout = Layout.named(name)
    if not layout.kubeconfig.exists():
        return None
    cluster = TypeAdapter(Cluster).validate_json(layout.description.read_bytes())
    return cluster if cluster.node(CONTROL_NODE).pid else None
