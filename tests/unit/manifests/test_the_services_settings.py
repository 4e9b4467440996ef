"""What the manifests tell a replica is what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.manifests import K8S, OVERLAYS, Manifest, render
from unioneyes.claims.settings import TcpAddress, read_settings

POD = ("spec", "template", "spec")
FROM_IMAGE = {"CLAIMS_VERSION": "1.1.0"}
FROM_MACHINE = {"CLAIMS_JWKS_URL": "http://10.94.0.1:8080/.well-known/jwks.json", "CLAIMS_ISSUER": "http://10.94.0.1:8080"}
"""What whoever starts the machine's servers writes into its ConfigMap."""
FROM_POD = {"metadata.name": "unioneyes-web-blue-abcde"}


def environment(deployment: Manifest, overlay: Path) -> dict[str, str]:
    """Return what a replica's process finds, as the kubelet would put it together."""
    later = FROM_MACHINE if overlay.name == "machine" else {}
    values = {manifest.name: {**_mapping(manifest.at("data")), **later} for manifest in render(overlay) if manifest.kind == "ConfigMap"}
    found = dict(FROM_IMAGE)
    for source in _list(deployment.at(*POD, "containers", 0, "envFrom")):
        found |= {name: str(value) for name, value in _mapping(values[str(_mapping(source["configMapRef"])["name"])]).items()}
    for variable in _list(deployment.at(*POD, "containers", 0, "env")):
        match variable:
            case {"name": str(name), "value": str(value)}:
                found[name] = value
            case {"name": str(name), "valueFrom": {"fieldRef": {"fieldPath": str(path)}}}:
                found[name] = FROM_POD[path]
            case {"name": str(name), "valueFrom": {"configMapKeyRef": {"name": str(of), "key": str(key), **more}}}:
                given = _mapping(values[of])
                assert key in given or more.get("optional"), f"{of} has no {key}"
                found |= {name: str(given[key])} if key in given else {}
            case _:
                pytest.fail(f"not understood: {variable}")
    return found


def web(overlay: Path) -> list[Manifest]:
    return [manifest for manifest in render(overlay) if manifest.kind == "Deployment" and manifest.name.startswith("unioneyes-web")]


WITH_SERVICE = [overlay for overlay in OVERLAYS if web(overlay) and not overlay.name.endswith("-operated")]


@pytest.mark.parametrize("overlay", WITH_SERVICE, ids=lambda overlay: str(overlay.relative_to(K8S)))
def test_a_replica_takes_what_the_manifests_tell_it(overlay: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for deployment in web(overlay):
        with monkeypatch.context() as patched:
            for name, value in environment(deployment, overlay).items():
                patched.setenv(name, value)
            settings = read_settings()
        ports = {port["name"]: port["containerPort"] for port in _list(deployment.at(*POD, "containers", 0, "ports"))}
        assert settings.listen == TcpAddress("0.0.0.0", 8000)  # noqa: S104 - a pod's own address
        assert settings.private_listen == TcpAddress("0.0.0.0", 8001)  # noqa: S104 - the same
        assert ports == {"http": 8000, "private": 8001}
        assert settings.allow_faults == (overlay.name in {"rehearsal", "machine"})
        (mounted,) = (each for each in _list(deployment.at(*POD, "containers", 0, "volumeMounts")) if each["name"] == "database")
        assert settings.database_url_file == Path(str(mounted["mountPath"])) / "url"


@pytest.mark.parametrize("overlay", WITH_SERVICE, ids=lambda overlay: str(overlay.relative_to(K8S)))
def test_a_pod_is_given_the_time_that_a_drain_takes(overlay: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for deployment in web(overlay):
        with monkeypatch.context() as patched:
            for name, value in environment(deployment, overlay).items():
                patched.setenv(name, value)
            drain = read_settings().drain_seconds
        rest, grace = deployment.at(*POD, "containers", 0, "lifecycle", "preStop", "sleep", "seconds"), deployment.at(*POD, "terminationGracePeriodSeconds")
        assert isinstance(rest, int)
        assert isinstance(grace, int)
        assert rest == 2
        assert grace >= rest + drain + 20


def test_the_images_listen_where_the_manifests_say() -> None:
    assert "CLAIMS_LISTEN=0.0.0.0:8000 CLAIMS_PRIVATE_LISTEN=0.0.0.0:8001" in (K8S / "images/service/Containerfile").read_text()


def _list(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value
