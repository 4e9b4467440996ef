"""A cluster is started, looked at, and ended: whole, or what is left of one."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from tests.kubernetes.cluster import control_plane, workloads
from tests.kubernetes.cluster.binaries import ETCD, KUBERNETES, Say, build
from tests.kubernetes.cluster.control_groups import ControlGroup
from tests.kubernetes.cluster.credentials import Credentials, make_credentials
from tests.kubernetes.cluster.images import Image, build_images, images
from tests.kubernetes.cluster.kubectl import Kubectl, answers_ready, wait_until
from tests.kubernetes.cluster.layout import CONTROL_NODE, Layout, cache
from tests.kubernetes.cluster.network import connect_machine, connect_node, disconnect_machine, free_addresses
from tests.kubernetes.cluster.packages import check_machine, install_packages
from tests.kubernetes.cluster.parts.all import PARTS
from tests.kubernetes.cluster.parts.kwok import FAKE_NODES
from tests.kubernetes.cluster.parts.model import Part, Setting
from tests.kubernetes.cluster.registry import registry
from tests.kubernetes.cluster.running import Cluster, running
from unioneyes.kernel.problems import Refused

_READY_WITHIN = timedelta(seconds=120)
"""A bound for a machine that hangs; on a quiet one it takes 4 s."""
_NODE_GRACE, _FAKE_NODE_GRACE = timedelta(seconds=8), timedelta(seconds=50)
"""How long a node may say nothing: tests that end one wait for it. A fake one speaks every 10 s, and takes Kubernetes' own default."""


def up(name: str, *, nodes: int, parts: tuple[Part, ...], say: Say) -> Cluster:
    """The cluster runs, every node of it ready; return it. One that runs already is left as it is, what is left of one is removed first. Raises: Problem."""
    check_machine()
    names = tuple(f"node{position + 1}" for position in range(nodes))
    if running(name) is None:
        with _alone(cache(), say):
            install_packages(say)
            build((ETCD, KUBERNETES, *(family for part in parts for family in part.families)), say)
            build_images(_images(parts), say)
    layout = Layout.named(name)
    with _alone(layout.home.parent, say):
        if there := running(name):
            _check_same(there, names, parts)
            say(f"{name} is up already")
            return there
        if _remove(layout):
            say(f"removed what was left of {name}")
        cluster = Cluster(name=name, number=free_addresses().number, nodes=names, parts=tuple(part.name for part in parts))
        _start(cluster, images(_images(parts)))
        return cluster


def down(name: str, *, say: Say) -> bool:
    """Nothing of the cluster is left: no process, mount, namespace, link, control group or file; return whether anything was. Raises: StillRunning."""
    layout = Layout.named(name)
    with _alone(layout.home.parent, say):
        return _remove(layout)


def _check_same(there: Cluster, nodes: tuple[str, ...], parts: tuple[Part, ...]) -> None:
    """The cluster that runs is the one that is asked for. Raises: Refused."""
    if (there.nodes, there.parts) != (nodes, tuple(part.name for part in parts)):
        has = f"{len(there.nodes)} node(s) and {', '.join(there.parts) or 'its core alone'}"
        raise Refused(what=f"{there.name} is up already, with {has}", remedy="end it first (make kubernetes-down), or start another one (--name)")


def _images(parts: tuple[Part, ...]) -> tuple[Image, ...]:
    return tuple(image for part in parts for image in part.images())


def _start(cluster: Cluster, held: Path) -> None:
    layout, addresses, first = cluster.layout, cluster.addresses, cluster.node(CONTROL_NODE)
    layout.data.mkdir(parents=True, mode=0o700)
    layout.description.write_bytes(TypeAdapter(Cluster).dump_json(cluster))
    credentials = make_credentials(layout.credentials, addresses, cluster.nodes)
    ControlGroup(layout.group).make(*cluster.nodes)
    first.start()
    connect_machine(layout, addresses, first)
    first.want(
        control_plane.etcd(layout),
        control_plane.api_server(addresses, credentials),
        registry(layout.data / "registry.json", layout.data / "registry", addresses.registry, images=held),
        workloads.containerd(first, addresses),
    )
    nodes = tuple(map(cluster.node, cluster.nodes))
    for position, node in enumerate(nodes[1:], start=1):
        node.start()
        connect_node(addresses, node, nodes[:position])
        node.want(workloads.containerd(node, addresses))
    wait_until(lambda: answers_ready(addresses.api, credentials.authority), "the API server was not ready", within=_READY_WITHIN)
    grace = _FAKE_NODE_GRACE if FAKE_NODES.name in cluster.parts else _NODE_GRACE
    first.want(control_plane.controllers(layout, credentials, node_grace=grace), control_plane.scheduler(credentials))
    _join(cluster, credentials)
    _add_parts(Setting(cluster=cluster, credentials=credentials, kubectl=Kubectl(credentials.kubeconfig("admin"))))
    partial_copy = shutil.copy(credentials.kubeconfig("admin"), layout.kubeconfig.with_suffix(".partial"))
    Path(partial_copy).rename(layout.kubeconfig)


def _join(cluster: Cluster, credentials: Credentials) -> None:
    """Every node is ready for pods."""
    kubectl = Kubectl(credentials.kubeconfig("admin"))
    kubectl.apply(*(_described(name, cluster.addresses.pods(name)) for name in cluster.nodes))
    for name in cluster.nodes:
        node = cluster.node(name)
        node.want(workloads.kubelet(node, cluster.addresses, credentials), workloads.proxy(node, credentials))
    kubectl("wait", "--for=condition=Ready", "node", "--all", f"--timeout={_READY_WITHIN.total_seconds():.0f}s", within=_READY_WITHIN.total_seconds() + 10)
    wait_until(lambda: "default" in kubectl("get", "serviceaccounts", "--output=name"), "pods can't be made", within=_READY_WITHIN)


def _add_parts(setting: Setting) -> None:
    """Every part of the cluster is ready."""
    parts = [part for part in PARTS if part.name in setting.cluster.parts]
    for part in parts:
        part.start(setting)
    for part in parts:
        wait_until(partial(part.ready, setting), f"{part.name} was not ready", within=_READY_WITHIN)


def _described(node: str, pods: str) -> dict[str, JsonValue]:
    """Return what the API is told of a node, before its kubelet tells more."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}, "spec": {"podCIDR": pods}}


def _remove(layout: Layout) -> bool:
    """Nothing of the cluster is left; return whether anything was."""
    group = ControlGroup(layout.group)
    ended = group.end_members()
    group.remove()
    disconnect_machine(layout)
    if not layout.home.exists():
        return ended > 0
    shutil.rmtree(layout.home)
    return True


@contextmanager
def _alone(folder: Path, say: Say) -> Iterator[None]:
    """No other command starts or ends a cluster of this user meanwhile, or builds into the cache: whichever `folder` stands for."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another command, which works in {folder}")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
