"""The Kubernetes of `--env cluster-test`: started by the project's own command, and named in the environment's file.

What starts it stands beside the project's tests (`tests/kubernetes/cluster`), and so this works in a checkout alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
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

NAMESPACE = "unioneyes-rehearsal"
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


def serve_cluster(home: Path, *, tell: Callable[[str], None]) -> None:
    """A Kubernetes runs on this machine with the service's objects and images on it, and the environment's file in `home` names it.

    In a new home, nothing of an earlier one is left on the cluster. Raises: NoClusterHere, ClusterFailed.
    """
    if not project_path("tests/kubernetes/cluster").is_dir():
        raise NoClusterHere(
            what=f"the cluster of {CLUSTER_TEST!r} is started from a checkout of the project, and this is none",
            remedy="run it there; or write an environment.toml with [cluster] for a cluster that there is",
        )
    anew = not (home / ".unioneyes").exists()
    served = _command(("serve", "--namespace", NAMESPACE, *(("--anew",) if anew else ())), tell)
    _name(home, served)


def _command(words: tuple[str, ...], tell: Callable[[str], None]) -> Served:
    """Return what the command printed; what it says meanwhile is told. Raises: ClusterFailed."""
    command = [sys.executable, "-m", "tests.kubernetes.cluster", *words]
    last = ""
    root = project_path("pyproject.toml").parent
    with subprocess.Popen(command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=handed_on()) as process:
        assert process.stderr
        assert process.stdout
        try:
            for line in process.stderr:
                last = line.strip().removeprefix("kubernetes: ")
                tell(last)
            printed, _ = process.communicate(timeout=_WITHIN.total_seconds())
        except subprocess.TimeoutExpired:
            process.kill()
            raise ClusterFailed(what=f"the cluster was not there within {format_duration(_WITHIN)}", remedy="make kubernetes-status") from None
        except BaseException:
            process.kill()
            raise
    try:
        return _SERVED.validate_json(printed)
    except ValidationError:
        raise ClusterFailed(
            what=f"the cluster could not be started: {last}", remedy="make kubernetes-up says more; make kubernetes-down ends what is left"
        ) from None


def _name(home: Path, served: Served) -> None:
    """The file has the cluster between two marks, at its end, and is otherwise as its owner wrote it."""
    file = home / SETTINGS
    owned = file.read_text() if file.exists() else f'name = "{CLUSTER_TEST}"\n'
    owned = owned.partition(_BEGINS)[0].rstrip("\n")
    lines = [_BEGINS, "[cluster]", *(f"{name} = {json.dumps(value)}" for name, value in served.items()), "plain_registry = true", _ENDS]
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(file, "\n".join([owned, "", *lines, ""]))


class NoClusterHere(Refused):
    """No cluster can be started from here."""


class ClusterFailed(Unavailable):
    """The cluster of the rehearsal did not start."""
