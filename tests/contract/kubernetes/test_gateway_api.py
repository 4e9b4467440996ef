"""A cluster without the Gateway API is seen as one, and an environment on it is led by the Service's selector."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse

from tests.contract.kubernetes.scripted import Scripted, failing, saying, scripted
from tests.stack import ue
from unioneyes.adapters.kubernetes.applied import GATEWAY_API, NoGatewayApi, require_gateway_api
from unioneyes.adapters.kubernetes.failures import ClusterUnavailable, KindMissing
from unioneyes.adapters.kubernetes.gateway.filed import HTTP_ROUTE
from unioneyes.environments.settings import read_settings

KNOWN = saying({"kind": "APIGroup", "apiVersion": "v1", "name": GATEWAY_API, "versions": []})
UNKNOWN = failing(404, "the server could not find the requested resource", reason="NotFound")
UNHEARD_OF = PlainTextResponse("404 page not found\n", status_code=404)
"""What an API server says of a group that nobody ever made. Source: apiserver/pkg/endpoints/discovery."""
FILE = """name = "mine"
[cluster]
kubeconfig = {kubeconfig}
images = "registry.example.org/unioneyes/service"
url = "https://app.example.org"
preview_url = "https://preview-{{colour}}.example.org"
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Scripted]:
    with scripted(tmp_path) as running:
        yield running


def test_what_a_cluster_knows_is_asked_of_it(script: Scripted) -> None:
    script.then(KNOWN, UNKNOWN, lambda _: UNHEARD_OF)

    assert [script.cluster.knows(GATEWAY_API) for _ in range(3)] == [True, False, False]
    assert {path for _, path, *_ in script.asked} == {"/apis/gateway.networking.k8s.io"}


def test_a_cluster_that_does_not_say_is_not_one_without_it(script: Scripted) -> None:
    script.then(*[failing(503, "starting")] * 20)

    with pytest.raises(ClusterUnavailable):
        script.cluster.knows(GATEWAY_API)


def test_without_it_the_setting_is_named_that_does_without(script: Scripted) -> None:
    script.then(KNOWN, UNKNOWN)

    require_gateway_api(script.cluster)
    with pytest.raises(NoGatewayApi) as refused:
        require_gateway_api(script.cluster)
    assert '[cluster] traffic = "selector"' in refused.value.remedy


def test_whoever_asks_for_a_route_there_is_told_the_same(script: Scripted) -> None:
    script.then(UNKNOWN, saying({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ops"}}))

    with pytest.raises(KindMissing) as refused:
        script.cluster.get(HTTP_ROUTE, "unioneyes-web")
    assert 'traffic = "selector"' in refused.value.remedy


@pytest.mark.parametrize("known", [True, False], ids=["known", "not known"])
def test_an_environment_is_added_with_what_its_cluster_can_do(script: Scripted, tmp_path: Path, *, known: bool) -> None:
    script.then(KNOWN if known else UNKNOWN)
    kubeconfig, file, home = tmp_path / "kubeconfig", tmp_path / "mine.toml", tmp_path / "home"
    kubeconfig.write_text(json.dumps(leading_to(script.cluster.server(), tmp_path / "authority.pem")))
    kubeconfig.chmod(0o600)
    file.write_text(FILE.format(kubeconfig=json.dumps(str(kubeconfig))))

    said = ue("env", "add", str(file), "--home", str(home))

    assert said.code == 0, said.err
    cluster = read_settings(home / "environment.toml").cluster
    assert cluster is not None
    assert cluster.traffic == ("gateway" if known else "selector")
    assert ('traffic = "selector" was written' in said.err) is not known


def leading_to(server: str, authority: Path) -> dict[str, object]:
    """Return a kubeconfig."""
    return {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": "it", "user": {"token": "first"}}],
    }
