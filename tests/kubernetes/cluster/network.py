"""The network of a cluster: a bridge in the first node's namespace, and from it one link to the machine and one to each other node.

No other network is touched: when the nodes' namespaces end, the kernel takes the links with them. Nothing leads out: the nodes have no default route.
"""

from __future__ import annotations

import json
import subprocess
import time
from datetime import timedelta

from tests.kubernetes.cluster.layout import SERVICE_CIDR, Addresses, Layout
from tests.kubernetes.cluster.node import Node
from unioneyes.kernel.problems import Problem

PODS_BRIDGE = "pods"
_BRIDGE, _UPLINK = "nodes", "uplink"
"""The bridge and the end of the machine's link on the first node; the only link on every other one."""


def free_addresses() -> Addresses:
    """Return addresses that this machine does not use yet. Raises: Problem."""
    shown = subprocess.run(["ip", "-json", "-4", "address"], capture_output=True, text=True, check=True).stdout
    used = {address["local"].rpartition(".")[0] for link in json.loads(shown) for address in link["addr_info"]}
    for number in range(256):
        if Addresses(number).machine.rpartition(".")[0] not in used:
            return Addresses(number)
    raise Problem(what="every network from 10.94.0.0/24 to 10.94.255.0/24 is in use on this machine", remedy="end another cluster: make kubernetes-down")


def connect_machine(layout: Layout, addresses: Addresses, node: Node) -> None:
    """The machine and the first node reach each other."""
    link, pid = layout.group, node.pid
    _batch(
        f"link add {link} type veth peer name {_UPLINK} netns {pid}",
        f"link set {link} addrgenmode none",
        f"address add {addresses.machine}/24 dev {link}",
        f"link set {link} up",
    )
    _batch(
        f"link add {_BRIDGE} address {_hardware(addresses.node(node.name))} type bridge",
        f"address add {addresses.node(node.name)}/24 dev {_BRIDGE}",
        f"link set {_BRIDGE} up",
        f"link set {_UPLINK} master {_BRIDGE} up",
        f"route add {SERVICE_CIDR} dev {_BRIDGE}",
        _pods(addresses, node),
        on=node,
    )
    _forward(addresses, node)


def connect_node(addresses: Addresses, node: Node, others: tuple[Node, ...]) -> None:
    """`node`, the machine and the others, of which the first one has the bridge, reach each other; and so do the nodes' pods."""
    first, own = others[0], addresses.node(node.name)
    _batch(
        f"link add {node.name} type veth peer name {_UPLINK} netns {node.pid}",
        f"link set {node.name} master {_BRIDGE} up",
        on=first,
    )
    _batch(
        f"address add {own}/24 dev {_UPLINK}",
        f"link set {_UPLINK} up",
        f"route add {SERVICE_CIDR} dev {_UPLINK}",
        _pods(addresses, node),
        *(f"route add {addresses.pods(other.name)} via {addresses.node(other.name)}" for other in others),
        on=node,
    )
    for other in others:
        _batch(f"route add {addresses.pods(node.name)} via {own}", on=other)
    _forward(addresses, node)


def lead_to_pods(layout: Layout, addresses: Addresses, nodes: tuple[str, ...]) -> None:
    """The machine reaches pods by their own addresses. Each cluster has the same ones, so that the one that asked last is led to."""
    _batch(*(f"route replace {addresses.pods(name)} via {addresses.node(name)} dev {layout.group}" for name in nodes))


def disconnect_machine(layout: Layout, *, within: timedelta = timedelta(seconds=5)) -> None:
    """The machine has no link of the cluster. The kernel takes it with the node's namespace, in its own time; one that is still there is deleted."""
    shown = ["ip", "link", "show", layout.group]
    deadline = time.monotonic() + within.total_seconds()
    while subprocess.run(shown, capture_output=True, check=False).returncode == 0:
        if time.monotonic() > deadline:
            subprocess.run(["ip", "link", "delete", layout.group], check=False)
            return
        time.sleep(0.02)


def _pods(addresses: Addresses, node: Node) -> str:
    """Return the order that makes the bridge that the node's pods will be on."""
    return f"link add {PODS_BRIDGE} address {_hardware(addresses.pods(node.name).partition('/')[0])} type bridge"


def _hardware(address: str) -> str:
    """Return a hardware address for a bridge: without one, it takes another each time a port comes or goes, and what is on its way is lost."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def _forward(addresses: Addresses, node: Node) -> None:
    """The node's pods are led on; those that ask the machine do so by the node's address, for the machine knows no way to theirs."""
    node.run("sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1")
    pods = ("--source", addresses.pods(node.name), "--destination", addresses.machine)
    node.run("iptables", "--table", "nat", "--append", "POSTROUTING", *pods, "--jump", "MASQUERADE")


def _batch(*orders: str, on: Node | None = None) -> None:
    """The orders were carried out by one `ip`, on the machine or on a node."""
    command = ("ip", "-batch", "-")
    entered = on.enter(*command, into=("--net",)) if on else command  # processes are counted as the machine does
    done = subprocess.run(entered, input="\n".join(orders), text=True, capture_output=True, check=False)
    if done.returncode:
        raise Problem(what=f"the network could not be made: {done.stderr.strip()}", remedy="make kubernetes-down, then try again")
