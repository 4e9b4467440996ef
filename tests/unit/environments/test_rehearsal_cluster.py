from __future__ import annotations

from pathlib import Path

import pytest

from unioneyes.environments import CLUSTER_TEST, LOCAL
from unioneyes.environments.local import rehearsal_cluster
from unioneyes.environments.local.rehearsal_cluster import NoClusterHere, Served, name_cluster, prepare
from unioneyes.environments.settings import read_settings

SERVED = Served(
    kubeconfig="/home/of/a/cluster/kubeconfig",
    server="https://10.94.0.2:6443",
    namespace="unioneyes-rehearsal",
    images="10.94.0.2:5000/unioneyes-rehearsal/service",
    machine="10.94.0.1",
    url="http://10.94.0.2:30080",
    preview_url="http://10.94.0.2:30081",
)


def test_the_environment_s_file_names_the_cluster(tmp_path: Path) -> None:
    name_cluster(tmp_path / "new", SERVED)

    settings = read_settings(tmp_path / "new" / "environment.toml")
    assert settings.name == CLUSTER_TEST
    assert settings.cluster is not None
    assert settings.cluster.model_dump(include=set(SERVED)) == dict(SERVED)
    assert settings.cluster.shell == ("python3",), "its base image has no other"


def test_what_its_owner_wrote_stays_and_the_cluster_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "environment.toml").write_text('name = "cluster-test"\nbake = "90s"\n\n[service]\nreplicas = 3\n')
    for server in ("https://10.94.1.2:6443", "https://10.94.2.2:6443"):
        name_cluster(tmp_path, Served(**{**SERVED, "server": server}))

    settings = read_settings(tmp_path / "environment.toml")
    assert settings.service.replicas == 3
    assert settings.cluster is not None
    assert settings.cluster.server == "https://10.94.2.2:6443"
    assert (tmp_path / "environment.toml").read_text().count("[cluster]") == 1


def test_the_local_environment_needs_no_cluster(tmp_path: Path) -> None:
    prepare(LOCAL, tmp_path)

    assert not list(tmp_path.iterdir())


def test_without_a_checkout_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal_cluster, "project_path", lambda relative: tmp_path / "installed" / relative)

    with pytest.raises(NoClusterHere, match="a checkout of the project"):
        prepare(CLUSTER_TEST, tmp_path)
