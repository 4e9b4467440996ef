"""The Kubernetes of `--env cluster-test`: started by the project's own command, and named in the environment's file.

What starts it stands beside the project's tests (`tests/kubernetes/cluster`), and so this works in a checkout alone.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from unioneyes.environments import CLUSTER_TEST, SETTINGS
from unioneyes.kernel.files import replace_file
from unioneyes.kernel.problems import Refused, Unavailable
from unioneyes.kernel.project import project_path
from unioneyes.kernel.units import format_duration
from unioneyes.kernel.variables import handed_on

_BEGINS, _ENDS = "# >>> the cluster, written anew by each `ue env up`", "# <<<"
_WITHIN = timedelta(minutes=45)
"""The first time, the cluster is built."""


class Served(TypedDict):
    """What the command prints."""

    kubeconfig: str
    server: str
    namespace: str
    images: str
    machine: str
    url: str
    preview_url: str


_SERVED = TypeAdapter(Served)


def prepare(name: str, home: Path) -> None:
    """What the environment called `name` stands on is there, before it is started.

    For `cluster-test`: a Kubernetes runs on this machine with the service's objects and images on it, and the environment's file in `home` names it.
    In a new home, nothing of an earlier one is left on the cluster. Raises: NoClusterHere, ClusterFailed.
    """
    if name != CLUSTER_TEST:
        return
    if not project_path("tests/kubernetes/cluster").is_dir():
        raise NoClusterHere(
            what=f"the cluster of {CLUSTER_TEST!r} is started from a checkout of the project, and this is none",
            remedy="run it there; or write an environment.toml with [cluster] for a cluster that there is",
        )
    anew = not (home / ".unioneyes").exists()
    name_cluster(home, _command("serve", "--namespace", namespace_of(home), *(("--anew",) if anew else ())))


def namespace_of(home: Path) -> str:
    """Return the namespace of the environment in `home`: one of its own, for several may stand on the cluster."""
    return f"unioneyes-{hashlib.sha256(bytes(home)).hexdigest()[:8]}"


def _command(*words: str) -> Served:
    """Return what the command printed; what it says meanwhile is shown. Raises: ClusterFailed."""
    command = [sys.executable, "-m", "tests.kubernetes.cluster", *words]
    root = project_path("pyproject.toml").parent
    try:
        done = subprocess.run(
            command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=handed_on(), timeout=_WITHIN.total_seconds(), check=False
        )
        return _SERVED.validate_json(done.stdout)
    except subprocess.TimeoutExpired:
        raise ClusterFailed(what=f"the cluster was not there within {format_duration(_WITHIN)}", remedy="make kubernetes-status") from None
    except ValidationError:
        raise ClusterFailed(what="the cluster could not be started", remedy="see above; make kubernetes-down ends what is left of it") from None


def name_cluster(home: Path, served: Served) -> None:
    """The file has the cluster between two marks, at its end, and is otherwise as its owner wrote it."""
    file = home / SETTINGS
    owned = file.read_text() if file.exists() else f'name = "{CLUSTER_TEST}"\n'
    owned = owned.partition(_BEGINS)[0].rstrip("\n")
    lines = [_BEGINS, "[cluster]", *(f"{name} = {json.dumps(value)}" for name, value in served.items()), "plain_registry = true", 'shell = ["python3"]', _ENDS]
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(file, "\n".join([owned, "", *lines, ""]))


class NoClusterHere(Refused):
    """No cluster can be started from here."""


class ClusterFailed(Unavailable):
    """The cluster of the rehearsal did not start."""
