"""Releases whose versions are the tags of images. Implements `ports.releases.Releases`."""

from __future__ import annotations

from dataclasses import dataclass

from unioneyes.adapters.oci.repository import Repository
from unioneyes.ports.releases import Release, Releases


@dataclass(frozen=True, slots=True)
class ImageReleases:
    """What a catalogue says of releases; what is started of them is what a registry has."""

    catalogue: Releases
    """Knows what each release needs of the schema. Nobody asks it for a digest."""
    repository: Repository

    def all(self) -> tuple[Release, ...]:
        """Return every release, oldest first; one of them may have no image."""
        return self.catalogue.all()

    def get(self, version: str) -> Release:
        """Return the release. Raises: UnknownVersion."""
        return self.catalogue.get(version)

    def digest(self, version: str) -> str:
        """Return the image's digest, `sha256:...`. Raises: UnknownVersion, RegistryUnavailable, RegistryRefuses."""
        self.catalogue.get(version)
        return self.repository.digest(version)

    def image(self, version: str) -> str:
        """Return what a pod runs as this version now, by digest: `registry/name@sha256:...`. Raises: as `digest`."""
        return f"{self.repository.name}@{self.digest(version)}"
