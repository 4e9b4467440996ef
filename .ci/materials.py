"""What is in an image, as a CycloneDX document: the packages that were installed for it, and what the base says of itself."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from pydantic import BaseModel, ConfigDict

from licences import statement


class SystemPackage(BaseModel):
    """A package of the base's distribution."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    architecture: str


class Base(BaseModel):
    """What `probe.py` found in the base."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    python: str
    """`3.13`."""
    python_exact: str
    glibc: str
    """`2.36`; empty where the C library is another one."""
    machine: str
    """As the kernel says it: `x86_64`."""
    system: str
    """`debian`."""
    system_version: str
    packages: tuple[SystemPackage, ...]
    """Those that the distribution's own database names: none where a base comes without it."""


def bill_of_materials(*, name: str, version: str, packages: Path, base: Base, base_image: str, image: str) -> str:
    """Return the document, as JSON. `packages` is the folder that the image's Python packages were installed in, `image` its reference."""
    subject = Component(name=name, version=version, type=ComponentType.CONTAINER, bom_ref="image", description=image)
    installed = {canonicalize_name(found.name): found for found in distributions(path=[str(packages)])}
    components = {key: _python_package(found) for key, found in installed.items()}
    beside = (
        Component(name=base_image, type=ComponentType.CONTAINER, bom_ref="base"),
        Component(name="python", version=base.python_exact, type=ComponentType.PLATFORM, bom_ref="python"),
        *(_system_package(found, base) for found in base.packages),
    )
    bom = Bom(components=(*components.values(), *beside), metadata=BomMetaData(component=subject))
    bom.register_dependency(subject, (*components.values(), *beside))
    for key, found in installed.items():
        bom.register_dependency(components[key], (components[other] for other in _needed(found) if other in components))
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _python_package(found: Distribution) -> Component:
    url = PackageURL("pypi", name=canonicalize_name(found.name), version=found.version)
    licence = statement(found)
    licences = (LicenseFactory().make_from_string(licence),) if licence else ()
    return Component(name=found.name, version=found.version, purl=url, bom_ref=url.to_string(), licenses=licences)


def _system_package(found: SystemPackage, base: Base) -> Component:
    url = PackageURL("deb", base.system, found.name, found.version, qualifiers={"arch": found.architecture, "distro": f"{base.system}-{base.system_version}"})
    return Component(name=found.name, version=found.version, purl=url, bom_ref=url.to_string())


def _needed(found: Distribution) -> Iterable[NormalizedName]:
    """Give the names of the packages that this one may need; which of them were installed, the folder says."""
    return {canonicalize_name(Requirement(line).name) for line in found.requires or ()}
