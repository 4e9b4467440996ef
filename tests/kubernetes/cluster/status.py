"""What of a cluster runs."""

from __future__ import annotations

from tests.kubernetes.cluster.control_groups import ControlGroup
from tests.kubernetes.cluster.layout import Layout
from tests.kubernetes.cluster.node import Node
from tests.kubernetes.cluster.running import Cluster
from unioneyes.kernel.problems import Problem


def describe(name: str, cluster: Cluster | None) -> str:
    """Return a few lines for a person."""
    layout = Layout.named(name)
    if cluster is None:
        left = len(ControlGroup(layout.group).members())
        if not left and not layout.home.exists():
            return f"{name} is down"
        return (
            f"{name} was not started whole, or ended by itself: {left} processes, logs below {layout.home}\n"
            "  make kubernetes-down removes what is left; make kubernetes-up does, too"
        )
    lines = [
        f"{name} is up",
        f"  API         {cluster.addresses.api}",
        f"  kubeconfig  {layout.kubeconfig}",
        f"  parts       {', '.join(cluster.parts) or 'none beside its core'}",
        f"  registry    {cluster.addresses.registry} (plain HTTP)",
        f"  logs        {layout.home}/node*/logs",
    ]
    for node in map(cluster.node, cluster.nodes):
        lines += ["", f"{node.name}" if node.pid else f"{node.name} is down", *(f"  {line}" for line in _programs(node))]
    return "\n".join([*lines, "", _nodes(cluster)])


def _programs(node: Node) -> tuple[str, ...]:
    if not node.pid:
        return ()
    return tuple(
        f"{name:<24} {'runs' if pid else 'is down':<8} {f'ended {ended} times' if ended else ''}".rstrip() for name, (pid, ended) in node.programs().items()
    )


def _nodes(cluster: Cluster) -> str:
    try:
        return cluster.kubectl("get", "nodes", "--output=wide", "--request-timeout=5s").rstrip()
    except Problem as problem:
        return problem.what
