"""The versions of the service that tests deploy, as images in the cluster's registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.kubernetes.cluster.running import Cluster

_ROOT = Path(__file__).parents[2]
_STORAGE = _ROOT / ".cache/images"


def push_releases(cluster: Cluster, repository: str, *versions: str) -> Mapping[str, str]:
    """Each of `versions` is an image of `repository` in the cluster's registry; return the references, by digest. Takes seconds where nothing changed."""
    return _push(cluster, "service", "base", repository, *(f"--version={version}" for version in versions))


def push_control_plane(cluster: Cluster, repository: str) -> str:
    """`ue` is an image of `repository` in the cluster's registry; return its reference, by digest."""
    (reference,) = _push(cluster, "control-plane", "debian", repository).values()
    return reference


def _push(cluster: Cluster, image: str, base: str, repository: str, *words: str) -> Mapping[str, str]:
    """Return the references by version. A program of its own builds: a test's process may ask nobody but this machine."""
    registry = cluster.addresses.registry
    command = [sys.executable, ".ci/images.py", image, f"--base={registry}/{base}", "--insecure", f"--push={registry}/{repository}", *words]
    environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(_storage()), "CONTAINER_TOOL": "buildah"}
    done = subprocess.run(command, cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split()[1:] for line in done.stdout.splitlines())


def _storage() -> Path:
    """Return the configuration of a storage beside what is built, so that nothing of it is left elsewhere on the machine."""
    _STORAGE.mkdir(parents=True, exist_ok=True)
    configuration = _STORAGE / "storage.conf"
    storage = {"driver": "overlay", "graphroot": str(_STORAGE / "storage"), "runroot": str(_STORAGE / "run")}
    configuration.write_text("\n".join(["[storage]", *(f"{name} = {json.dumps(value)}" for name, value in storage.items())]) + "\n")
    return configuration
