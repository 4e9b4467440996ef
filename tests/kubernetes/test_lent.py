"""Where there is a cluster of somebody else's, the tests take it when they are told to, and keep to a namespace of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kubernetes.cluster.binaries import program
from tests.kubernetes.cluster.lent import NAMED, Lent, lend
from unioneyes.kernel.problems import Problem

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(400)]


def test_the_cluster_of_another_is_used_by_its_own_kubectl(lent: Lent, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert lent.own
    kubeconfig = tmp_path / "somebody-elses"
    kubeconfig.write_bytes(lent.own.layout.kubeconfig.read_bytes())
    (tmp_path / "kubectl").symlink_to(program("kubectl"))
    monkeypatch.setenv(NAMED, str(kubeconfig))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with lend() as other:
        assert other.own is None
        assert other.kubectl.kubeconfig == kubeconfig
        assert other.namespace != lent.namespace
        assert other.namespace in other.kubectl("get", "namespaces", "--output=name")
    with pytest.raises(Problem, match="not found"):
        lent.kubectl("get", "namespace", other.namespace)
