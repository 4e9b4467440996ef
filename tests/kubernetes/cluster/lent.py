"""A cluster for tests: our own where one can run, else one that there is; in a namespace that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.cluster.kubectl import Kubectl
from tests.kubernetes.cluster.lifecycle import up
from tests.kubernetes.cluster.packages import NoClusterHere, check_machine
from tests.kubernetes.cluster.parts.all import USUAL
from tests.kubernetes.cluster.running import Cluster, running
from unioneyes.kernel.ids import new_id

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
    """Give a cluster, which is left running, and a namespace, which is not. Raises: NoClusterHere, KubectlFailed."""
    kubectl, own = _choose(name)
    namespace = new_id("unioneyes-test").lower()
    kubectl("create", "namespace", namespace)
    try:
        yield Lent(kubectl=kubectl, namespace=namespace, own=own)
    finally:
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
    cluster = running(name) or up(name, nodes=1, parts=USUAL, say=_say)
    return cluster.kubectl, cluster


def _somebody_elses(kubeconfig: str) -> Kubectl:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise NoClusterHere(what="there is no kubectl on PATH for the cluster of another", remedy="install the one that belongs to it")
    chosen = Kubectl(Path(kubeconfig), Path(kubectl))
    _say(f"using {kubeconfig}, context {chosen('config', 'current-context').strip()}")
    return chosen


def _say(words: str) -> None:
    sys.stderr.write(f"kubernetes: {words}\n")
