"""Where everything of one cluster stands, and which addresses it has."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from unioneyes.kernel.problems import BadInput

HIDDEN = (Path("/run"), Path("/var/run"), Path("/var/lib"), Path("/var/log"))
"""A node has its own ones: what stands there on the machine, it does not see."""
CONTROL_NODE = "node1"
"""The node that the control plane, the registry and the add-ons run on; the first one."""
CLUSTER_CIDR, SERVICE_CIDR, API_SERVICE, DNS_SERVICE = "10.244.0.0/16", "10.96.0.0/16", "10.96.0.1", "10.96.0.10"
"""Seen inside the cluster only. A node's pods are a /24 of the first one."""
API_PORT, REGISTRY_PORT = 6443, 5000
_NAME = re.compile(r"[a-z][a-z0-9]{0,7}")
"""Short, because the names of network links are."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths and names of the cluster called `name`."""

    name: str
    home: Path

    @classmethod
    def named(cls, name: str) -> Layout:
        """Return the layout of that cluster of this user's. Raises: BadInput."""
        if not _NAME.fullmatch(name):
            raise BadInput(what=f"{name!r} is no name for a cluster", remedy="eight lower-case letters or digits at most, a letter first")
        return cls(name, _folder("XDG_STATE_HOME", ".local/state") / "unioneyes" / "clusters" / name)

    @property
    def group(self) -> str:
        """The control group that every process of the cluster is in; the link from the machine to the cluster is called the same."""
        return f"ue-{self.name}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's; says, once it is there, that the cluster was started whole."""
        return self.home / "kubeconfig"

    @property
    def description(self) -> Path:
        """What was started."""
        return self.home / "cluster.json"

    @property
    def credentials(self) -> Path:
        """Certificates, keys and the programs' kubeconfigs."""
        return self.home / "credentials"

    @property
    def data(self) -> Path:
        """One folder for each program of the control plane that keeps something."""
        return self.home / "data"

    def node(self, name: str) -> Path:
        """Return the folder of that node."""
        return self.home / name

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes that were begun, in order."""
        return tuple(sorted(folder.name for folder in self.home.glob("node[0-9]")))


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of a cluster: one of 256 networks of the machine's, and what is derived from it."""

    number: int

    @property
    def machine(self) -> str:
        """The machine, as the nodes see it."""
        return f"10.94.{self.number}.1"

    def node(self, name: str) -> str:
        """Return the address of `node1`, `node2`, ..."""
        return f"10.94.{self.number}.{_position(name) + 1}"

    def pods(self, name: str) -> str:
        """Return the network of that node's pods."""
        return f"10.244.{_position(name)}.0/24"

    @property
    def api(self) -> str:
        """The API server, from the machine and from the nodes alike."""
        return f"https://{self.node(CONTROL_NODE)}:{API_PORT}"

    @property
    def registry(self) -> str:
        """The image registry: the beginning of an image's name, for those who push and for the nodes alike. Plain HTTP."""
        return f"{self.node(CONTROL_NODE)}:{REGISTRY_PORT}"


def cache() -> Path:
    """Return the folder of what is built once for all clusters of this user. Raises: BadInput."""
    return _folder("XDG_CACHE_HOME", ".cache") / "unioneyes" / "cluster"


def _folder(variable: str, otherwise: str) -> Path:
    folder = Path(os.environ.get(variable) or Path.home() / otherwise).resolve()
    if any(folder.is_relative_to(hidden) for hidden in HIDDEN):
        raise BadInput(what=f"{folder} is in a folder of which each node has its own", remedy=f"point {variable} somewhere else")
    return folder


def _position(node: str) -> int:
    return int(node.removeprefix("node"))
