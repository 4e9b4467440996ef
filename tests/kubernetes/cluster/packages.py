"""What comes from Debian: installed when it is missing and we may."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.cluster.binaries import Say
from unioneyes.kernel.problems import Refused

PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "nft": "nftables",
    "ipset": "ipset",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "sysctl": "procps",
    "unshare": "util-linux",
    "docker-registry": "docker-registry",
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "gcc": "gcc",
    "/usr/include/stdlib.h": "libc6-dev",
}
"""The package of each program that the cluster runs, or that builds its images."""
_SERVICES = {"containerd": "containerd.service", "docker-registry": "docker-registry.service"}
"""What these packages start on the machine, which the cluster does not use."""


@dataclass(kw_only=True, eq=False)
class NoClusterHere(Refused):
    """A cluster of our own can't run here; nothing was changed."""


_OTHERWISE = "use a cluster that there is (kind, k3d, a cloud): make test-kubernetes KUBECONFIG=/path/to/it; the tests keep to a namespace of their own"


def check_machine() -> None:
    """A cluster of our own can run here. Raises: NoClusterHere."""
    if os.geteuid() != 0:
        raise NoClusterHere(what="a cluster of our own takes root: its nodes have namespaces and control groups", remedy=_OTHERWISE)
    if not Path("/proc/self/ns/pid").exists() or shutil.which("apt-get") is None:
        raise NoClusterHere(what="a cluster of our own takes Linux and Debian's packages (Debian, Ubuntu)", remedy=_OTHERWISE)


def install_packages(say: Say) -> None:
    """Every program of PROGRAMS is there. Says what it installs; says nothing when nothing is missing. Raises: NoClusterHere."""
    missing = sorted({package for name, package in PROGRAMS.items() if shutil.which(name) is None and not Path(name).exists()})
    if not missing:
        return
    say(f"installing {', '.join(missing)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-qq", "--no-install-recommends", *missing]):
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoClusterHere(
                what=f"{' '.join(command[:2])} failed: {done.stderr.strip()[-500:]}", remedy=f"install {' '.join(missing)} by hand, or {_OTHERWISE}"
            )
    services = [service for package, service in _SERVICES.items() if package in missing]
    if services and Path("/run/systemd/system").exists():
        subprocess.run(["systemctl", "disable", "--now", "--quiet", *services], check=False)
