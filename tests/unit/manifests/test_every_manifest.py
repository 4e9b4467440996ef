"""What `k8s/` holds is what a cluster takes, and what the rest of the product counts on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.manifests import K8S, OVERLAYS, Manifest, errors, read, render

WITH_PODS = ("Deployment", "Job")
CLUSTER = K8S / "overlays/cluster"
every_overlay = pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: str(overlay.relative_to(K8S)))


def with_pods(overlay: Path) -> Iterator[Manifest]:
    return (manifest for manifest in render(overlay) if manifest.kind in WITH_PODS)


def test_what_belongs_to_the_cluster_stands_in_no_namespace() -> None:
    assert {manifest.at("metadata", "namespace") for manifest in render(CLUSTER)} == {None}


def test_there_is_an_overlay_for_each_place() -> None:
    assert {overlay.name for overlay in OVERLAYS} >= {"production", "rehearsal", "machine"}


@every_overlay
def test_a_cluster_takes_every_object(overlay: Path) -> None:
    assert [error for manifest in render(overlay) for error in errors(manifest)] == []


@pytest.mark.parametrize("overlay", [overlay for overlay in OVERLAYS if overlay != CLUSTER], ids=lambda overlay: str(overlay.relative_to(K8S)))
def test_every_object_stands_in_the_namespace_of_the_overlay(overlay: Path) -> None:
    (namespace,) = (manifest for manifest in render(overlay) if manifest.kind == "Namespace")
    assert {manifest.at("metadata", "namespace") for manifest in render(overlay) if manifest is not namespace} == {namespace.name}
    assert namespace.at("metadata", "labels", "pod-security.kubernetes.io/enforce") == "restricted"


@every_overlay
def test_no_overlay_carries_a_secret(overlay: Path) -> None:
    assert [manifest for manifest in render(overlay) if manifest.kind == "Secret"] == []


@every_overlay
def test_every_pod_is_restricted_and_writes_nothing_to_its_image(overlay: Path) -> None:
    for manifest in with_pods(overlay):
        pod = ("spec", "template", "spec")
        assert manifest.at(*pod, "securityContext", "runAsNonRoot") is True
        assert manifest.at(*pod, "securityContext", "seccompProfile", "type") == "RuntimeDefault"
        containers = manifest.at(*pod, "containers")
        assert isinstance(containers, list)
        for position in range(len(containers)):
            security = (*pod, "containers", position, "securityContext")
            assert manifest.at(*security, "readOnlyRootFilesystem") is True
            assert manifest.at(*security, "allowPrivilegeEscalation") is False
            assert manifest.at(*security, "capabilities", "drop") == ["ALL"]
            assert manifest.at(*pod, "containers", position, "resources", "limits", "memory")
            assert manifest.at(*pod, "containers", position, "terminationMessagePolicy") == "FallbackToLogsOnError"


@every_overlay
def test_no_image_is_named_by_a_tag_that_moves(overlay: Path) -> None:
    for manifest in with_pods(overlay):
        image = manifest.at("spec", "template", "spec", "containers", 0, "image")
        assert image is None or str(image).split("/", maxsplit=1)[0].endswith(".invalid") or "@sha256:" in str(image)


@every_overlay
def test_whatever_chooses_pods_chooses_some(overlay: Path) -> None:
    pods = [manifest.at("spec", "template", "metadata", "labels") for manifest in with_pods(overlay)]
    for manifest in render(overlay):
        match manifest.kind:
            case "Service":
                selector = manifest.at("spec", "selector")
            case "Deployment" | "PodDisruptionBudget":
                selector = manifest.at("spec", "selector", "matchLabels")
            case "NetworkPolicy":
                selector = manifest.at("spec", "podSelector", "matchLabels") or {}
            case _:
                continue
        assert isinstance(selector, dict)
        assert any(selector.items() <= labels.items() for labels in pods if isinstance(labels, dict)), manifest


@pytest.mark.parametrize("overlay", [overlay for overlay in OVERLAYS if not overlay.name.endswith("-operated")], ids=lambda overlay: overlay.name)
def test_whatever_is_referred_to_is_there(overlay: Path) -> None:
    there = {str(manifest) for manifest in render(overlay)}
    for manifest in render(overlay):
        for kind, name in _referred(manifest.content):
            assert f"{kind}/{name}" in there, f"{manifest} refers to {kind}/{name}"


def test_the_colours_differ_in_nothing_but_their_colour() -> None:
    blue, green = ((K8S / f"base/deployment-{colour}.yaml").read_text() for colour in ("blue", "green"))
    assert blue.replace("blue", "green") == green


def test_what_is_said_of_a_deployment_that_ue_operates_leaves_to_ue_what_ue_says() -> None:
    before, operated = (
        {manifest.name: manifest for manifest in render(K8S / "overlays" / overlay) if manifest.kind == "Deployment"}
        for overlay in ("production", "production-operated")
    )
    for name, deployment in operated.items():
        assert deployment.at("spec", "replicas") is None
        assert deployment.at("spec", "template", "spec", "containers", 0, "image") is None
        assert before[name].at("spec", "replicas") == 0
        assert deployment.at("spec", "template", "spec", "containers", 0, "env") == before[name].at("spec", "template", "spec", "containers", 0, "env")


@pytest.mark.parametrize("overlay", ["production-selector", "production-selector-operated"])
def test_without_the_gateway_api_nothing_of_it_is_applied_and_members_come_by_the_service(overlay: str) -> None:
    manifests = render(K8S / "overlays" / overlay)
    assert [manifest for manifest in manifests if "gateway" in manifest.type] == []
    (entrance,) = (manifest for manifest in manifests if str(manifest) == "NetworkPolicy/unioneyes-web-in")
    assert entrance.at("spec", "ingress", 0) == {"ports": [{"port": "http"}]}
    assert entrance.at("spec", "ingress", 1, "from", 0, "podSelector", "matchLabels", "app") == "unioneyes-control-plane"


def test_what_is_said_of_a_service_that_ue_points_leaves_the_colour_to_ue() -> None:
    before, operated = (
        {manifest.name: manifest.at("spec", "selector") for manifest in render(K8S / "overlays" / overlay) if manifest.kind == "Service"}
        for overlay in ("production-selector", "production-selector-operated")
    )
    assert before == {**operated, "unioneyes-web": {"app": "unioneyes-web", "version": "blue"}}
    assert operated["unioneyes-web"] == {"app": "unioneyes-web"}


def test_a_mistake_is_found() -> None:
    text = (K8S / "base/deployment-blue.yaml").read_text()
    (unknown,) = read(text.replace("replicas: 0", "replica: 0"))
    assert list(errors(unknown)) == ["Deployment/unioneyes-web-blue: $.spec: Additional properties are not allowed ('replica' was unexpected)"]
    (wrong,) = read(text.replace("replicas: 0", "replicas: none"))
    assert list(errors(wrong)) == ["Deployment/unioneyes-web-blue: $.spec.replicas: 'none' is not of type 'integer'"]


@pytest.mark.parametrize("file", sorted(K8S.glob("*.yaml")), ids=lambda file: file.name)
def test_a_cluster_takes_what_is_applied_by_itself(file: Path) -> None:
    assert [error for manifest in read(file.read_text()) for error in errors(manifest)] == []


def test_the_example_of_a_secret_is_one() -> None:
    (secret,) = read((K8S / "base/database-credentials.example.yaml").read_text())
    assert secret.name == "database-credentials"
    assert secret.at("stringData", "url")


def test_every_component_is_in_an_overlay() -> None:
    used = {path for overlay in OVERLAYS for path in re.findall(r"components/([\w-]+)", (overlay / "kustomization.yaml").read_text())}
    assert {folder.name for folder in (K8S / "components").iterdir()} == used


def _referred(value: object) -> Iterator[tuple[str, str]]:
    """Give the kind and name of each object of ours that the value refers to, as far as it must be there."""
    kinds = {"configMapKeyRef": "ConfigMap", "configMapRef": "ConfigMap", "configMap": "ConfigMap", "scaleTargetRef": "Deployment", "extensionRef": None}
    if isinstance(value, list):
        for each in value:
            yield from _referred(each)
    if isinstance(value, dict):
        for word, each in value.items():
            if word in kinds and isinstance(each, dict):
                yield kinds[word] or str(each["kind"]), str(each["name"])
            elif word == "serviceAccountName":
                yield "ServiceAccount", str(each)
            elif word == "backendRefs" and isinstance(each, list):
                yield from (("Service", str(backend["name"])) for backend in each)
            elif word == "targetRefs" and isinstance(each, list):
                yield from ((str(target["kind"]), str(target["name"])) for target in each)
            yield from _referred(each)
