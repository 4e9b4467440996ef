"""A cluster for tests: our own where one can run, else one that there is; in a namespace that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.cluster.kubectl import Kubectl
from tests.kubernetes.cluster.packages import NoClusterHere, check_machine
from tests.kubernetes.cluster.running import Cluster, running
from unioneyes.kernel.ids import new_id

_ROOT = Path(__file__).parents[3]
NAMED, OFFERED = "UE_TEST_KUBECONFIG", "KUBECONFIG"
"""Variables. A kubeconfig in the first is used wherever it leads; one in the second only where no cluster of our own can run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """A cluster, and a namespace in it for the tests alone."""

    kubectl: Kubectl
    namespace: str
    own: Cluster | None
    """None when it is somebody else's: then nothing outside the namespace may be touched."""


@contextmanager
def lend(name: str = "test") -> Iterator[Lent]:
    """Give a cluster, and a namespace that is gone afterwards; a cluster that was started for it is gone, too. Raises: NoClusterHere, KubectlFailed."""
    was = running(name)
    kubectl, own = _choose(name)
    namespace = new_id("unioneyes-test").lower()
    kubectl("create", "namespace", namespace)
    try:
        yield Lent(kubectl=kubectl, namespace=namespace, own=own)
    finally:
        if own and not was:
            _command(name, "down")
        else:
            kubectl("delete", "namespace", namespace, within=120)


def _choose(name: str) -> tuple[Kubectl, Cluster | None]:
    if named := os.environ.get(NAMED):
        return _somebody_elses(named), None
    try:
        check_machine()
    except NoClusterHere:
        if offered := os.environ.get(OFFERED):
            return _somebody_elses(offered), None
        raise
    if (cluster := running(name)) is None:
        _command(name, "up")
        cluster = running(name)
        assert cluster
    return cluster.kubectl, cluster


def _command(name: str, *words: str) -> None:
    """The command ended well; it runs by itself, for a test's own process may ask nobody but this machine. Raises: NoClusterHere."""
    command = [sys.executable, "-m", "tests.kubernetes.cluster", "--name", name, *words]
    done = subprocess.run(command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    sys.stderr.write(done.stderr)
    if done.returncode:
        raise NoClusterHere(what=f"make kubernetes-{words[0]} failed: {done.stderr.strip()[-500:]}", remedy="see its programs' logs: make kubernetes-status")


def _somebody_elses(kubeconfig: str) -> Kubectl:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise NoClusterHere(what="there is no kubectl on PATH for the cluster of another", remedy="install the one that belongs to it")
    chosen = Kubectl(Path(kubeconfig), Path(kubectl))
    _say(f"using {kubeconfig}, context {chosen('config', 'current-context').strip()}")
    return chosen


def _say(words: str) -> None:
    sys.stderr.write(f"kubernetes: {words}\n")
