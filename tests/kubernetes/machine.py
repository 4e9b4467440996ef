"""What a cluster may leave on a machine, counted before and after; and the command that starts and ends one, as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.cluster.control_groups import ControlGroup
from tests.kubernetes.cluster.layout import Layout

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the whole machine has of each kind; of processes, control groups and files, what belongs to the cluster."""

    links: frozenset[str]
    mounts: frozenset[str]
    addresses: frozenset[str]
    routes: frozenset[str]
    settings: frozenset[str]
    processes: frozenset[str]
    control_groups: frozenset[str]
    files: frozenset[str]


def footprint(name: str) -> Footprint:
    layout = Layout.named(name)
    return Footprint(
        links=frozenset(link["ifname"] for link in json.loads(_read("ip", "-json", "link"))),
        mounts=frozenset(Path("/proc/self/mounts").read_text().splitlines()),
        addresses=frozenset(address["local"] for link in json.loads(_read("ip", "-json", "address")) for address in link["addr_info"]),
        routes=frozenset(_read("ip", "route").splitlines()),
        settings=frozenset(_read("sysctl", "--ignore", "vm.overcommit_memory", "kernel.panic", "kernel.panic_on_oops", "net.ipv4.ip_forward").splitlines()),
        processes=frozenset(_processes(layout)),
        control_groups=frozenset(str(found) for found in Path("/sys/fs/cgroup").glob(f"**/{layout.group}")),
        files=frozenset(str(found) for found in (layout.home, *Path("/run/netns").glob("*"), Path("/etc/cni/net.d/pods.conflist")) if found.exists()),
    )


def _processes(layout: Layout) -> set[str]:
    """Return the processes that are in the cluster's control group, or that name its folder."""
    found = {str(pid) for pid in ControlGroup(layout.group).members()}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(layout.home).encode() in (folder / "cmdline").read_bytes():
                found.add(folder.name)
        except OSError:
            continue
    return found


def sharing_namespaces(pid: int) -> frozenset[Path]:
    """Return the processes, containers' too, that have a namespace of this one's that the machine's own do not have.

    Their links, not the namespaces' numbers: the kernel gives those again at once.
    """
    kinds = ("net", "mnt", "pid", "ipc", "uts")
    of = {kind: Path(f"/proc/{pid}/ns/{kind}").readlink() for kind in kinds}
    assert all(Path(f"/proc/self/ns/{kind}").readlink() != own for kind, own in of.items())
    found = set[Path]()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any((process / "ns" / kind).readlink() == own for kind, own in of.items()):
                found.add(process)
    return frozenset(found)


def command(name: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "tests.kubernetes.cluster", "--name", name, *words]


def run(name: str, *words: str, within: float = 170) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(name, *words), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within, check=False)


def _read(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
