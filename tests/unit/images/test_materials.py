"""What is in an image is said in a form that others read."""

from __future__ import annotations

import json
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from materials import Base, SystemPackage, bill_of_materials

BASE = Base(
    python="3.13",
    python_exact="3.13.4",
    glibc="2.36",
    machine="x86_64",
    system="debian",
    system_version="12",
    packages=(SystemPackage(name="libssl3", version="3.0.17-1~deb12u2", architecture="amd64"),),
)


def install(folder: Path, name: str, version: str, *lines: str) -> None:
    found = folder / f"{name}-{version}.dist-info"
    found.mkdir(parents=True)
    (found / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines, ""]))


def bill(packages: Path) -> str:
    return bill_of_materials(name="web", version="1.1.0", packages=packages, base=BASE, base_image="debian:12", image="r.example.org/web@sha256:00")


def test_a_bill_of_materials_is_a_valid_document(tmp_path: Path) -> None:
    install(tmp_path, "Asked_For", "2.0", "License-Expression: MIT", "Requires-Dist: needed>=1", "Requires-Dist: not-there; extra == 'more'")
    install(tmp_path, "needed", "1.5", "Classifier: License :: OSI Approved :: BSD License")
    said = bill(tmp_path)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(said) is None
    document = json.loads(said)
    assert (document["metadata"]["component"]["name"], document["metadata"]["component"]["version"]) == ("web", "1.1.0")
    found = {component["name"]: component for component in document["components"]}
    assert found.keys() == {"Asked_For", "needed", "libssl3", "python", "debian:12"}
    assert found["Asked_For"]["purl"] == "pkg:pypi/asked-for@2.0"
    assert found["Asked_For"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert found["libssl3"]["purl"] == "pkg:deb/debian/libssl3@3.0.17-1~deb12u2?arch=amd64&distro=debian-12"
    edges = {edge["ref"]: edge.get("dependsOn", []) for edge in document["dependencies"]}
    assert edges["pkg:pypi/asked-for@2.0"] == ["pkg:pypi/needed@1.5"]
    assert set(edges["image"]) == {component["bom-ref"] for component in document["components"]}


def test_an_image_without_packages_has_a_bill_too(tmp_path: Path) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill(tmp_path)) is None
