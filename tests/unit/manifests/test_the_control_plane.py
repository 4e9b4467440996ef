"""The control plane's manifests give it what its adapters do, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.manifests import K8S, ROOT, Manifest, errors, render
from unioneyes.adapters.kubernetes import rights
from unioneyes.adapters.kubernetes.rights import Right
from unioneyes.environments.settings import read_settings

OVERLAY = K8S / "control-plane/overlays/production"
SETTINGS = OVERLAY / "environment.toml"
ELSEWHERE = {"INGRESS_NGINX", "PROXIES", "SELECTOR_TRAFFIC", "TOLD"}
"""What is done in another namespace; where there is no Gateway, for which there is a component; and by a machine that has the database itself."""


def granted(manifests: Iterable[Manifest]) -> set[tuple[str, str, str]]:
    """Each group, resource and verb that a Role allows."""
    (role,) = (manifest for manifest in manifests if manifest.kind == "Role")
    rules = role.at("rules")
    assert isinstance(rules, list)
    found = set()
    for rule in rules:
        assert isinstance(rule, dict)
        groups, resources, verbs = (rule[word] for word in ("apiGroups", "resources", "verbs"))
        assert isinstance(groups, list)
        assert isinstance(resources, list)
        assert isinstance(verbs, list)
        found |= {(str(group), str(resource), str(verb)) for group in groups for resource in resources for verb in verbs}
    return found


def said_by(lists: Iterable[tuple[Right, ...]]) -> set[tuple[str, str, str]]:
    return {(right.group, right.resource, verb) for each in lists for right in each for verb in right.verbs}


def listed() -> dict[str, tuple[Right, ...]]:
    """Every list of rights that the adapters have."""
    found = {name: value for name, value in vars(rights).items() if isinstance(value, tuple) and value and all(isinstance(each, Right) for each in value)}
    assert found.keys() >= {"REPLICAS", "PODS", "GATEWAY_TRAFFIC", "GATEWAY_EDGE", *ELSEWHERE}
    return found


def test_its_role_allows_whatever_the_adapters_do_in_the_namespace() -> None:
    assert said_by(value for name, value in listed().items() if name not in ELSEWHERE) - granted(render(OVERLAY)) == set()


def test_it_may_read_no_secret_and_do_nothing_by_a_wildcard() -> None:
    may = granted(render(OVERLAY))

    assert not {verb for _, resource, verb in may if resource == "secrets"} & {"get", "list", "watch"}
    assert not [right for right in may if "*" in right]
    assert not [manifest for manifest in render(OVERLAY) if manifest.kind.startswith("Cluster")]


def test_where_a_selector_leads_a_component_adds_what_that_takes_and_no_more() -> None:
    parent = ROOT / ".cache/overlays"
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent) as folder:
        back = f"../../../{K8S.name}/control-plane"
        said = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [f"{back}/overlays/production"]}
        (Path(folder) / "kustomization.yaml").write_text(json.dumps({**said, "components": [f"{back}/selector"]}))
        may = granted(render(Path(folder)))

    more = may - granted(render(OVERLAY))
    assert said_by([rights.SELECTOR_TRAFFIC, rights.INGRESS_NGINX]) - may == set()
    assert more == {("", "services", "patch"), ("", "pods/proxy", "create"), *said_by([rights.INGRESS_NGINX])}


def test_of_the_proxies_it_reads_and_changes_nothing() -> None:
    proxies = render(K8S / "control-plane/proxies")

    assert [error for manifest in proxies for error in errors(manifest)] == []
    assert granted(proxies) == said_by([rights.PROXIES])


def test_the_settings_beside_the_manifests_are_taken_and_belong_to_them() -> None:
    settings = read_settings(SETTINGS)

    (service,) = (manifest for manifest in render(OVERLAY) if manifest.kind == "Service")
    assert settings.elsewhere
    assert settings.cluster is not None
    assert settings.cluster.service_account
    assert settings.control.name == f"{service.name}.{settings.cluster.namespace}.svc"
    assert settings.control.port == service.at("spec", "ports", 0, "port")


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_the_folder_is_made_by_the_same_image_before_anything_runs_in_it(kind: str) -> None:
    (manifest,) = (manifest for manifest in render(OVERLAY) if manifest.kind == kind)
    pod = ("spec", "template", "spec")

    assert manifest.at(*pod, "initContainers", 0, "args") == ["env", "add", "/etc/unioneyes/environment/environment.toml"]
    for word in ("image", "volumeMounts", "securityContext"):
        assert manifest.at(*pod, "initContainers", 0, word) == manifest.at(*pod, "containers", 0, word)
    environment = manifest.at(*pod, "containers", 0, "env")
    assert {"name": "UE_ENV", "value": "production"} in (environment if isinstance(environment, list) else [])
    assert {"name": "XDG_STATE_HOME", "value": "/var/lib"} in (environment if isinstance(environment, list) else [])


def test_every_secret_comes_out_of_the_mounted_one(tmp_path: Path) -> None:
    text = SETTINGS.read_text()
    (tmp_path / "environment.toml").write_text(text)

    assert text.count("secret://file/etc/unioneyes/secrets#") == text.count("secret://")
