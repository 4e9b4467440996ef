"""Releases whose versions are the tags of images. Implements `ports.releases.Releases`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from unioneyes.adapters.oci.repository import Repository
from unioneyes.ports.releases import Release, Releases, UnknownVersion

_NAMED = 10
"""How many are named to somebody who asks for one that there is not."""


_VERSION = re.compile(r"v?\d+(\.\d+)*([-+][A-Za-z0-9.+-]+)?")
"""Tags that are versions; `latest` and the marks of builds are none."""


@dataclass(frozen=True, slots=True)
class TaggedReleases:
    """A catalogue of what was pushed: each tag that is a version is a release. Of their schema nothing is known but the newest migration that there is."""

    repository: Repository
    schema: str = ""
    """Tag of the newest migration; empty where the service has none."""

    def all(self) -> tuple[Release, ...]:
        """Return every release, oldest version first. Raises: RegistryUnavailable, RegistryRefuses."""
        return tuple(self._release(tag) for tag in sorted(filter(_VERSION.fullmatch, self.repository.tags()), key=order))

    def get(self, version: str) -> Release:
        """Return the release. Raises: UnknownVersion, RegistryUnavailable, RegistryRefuses."""
        known = self.all()
        for release in known:
            if release.version == version:
                return release
        newest = ", ".join(release.version for release in known[-_NAMED:])
        raise UnknownVersion(what=f"there is no release {version!r}", remedy=f"one of: {newest}" if newest else f"push an image to {self.repository.name}")

    def digest(self, version: str) -> str:
        """Return the image's digest, `sha256:...`. Raises: UnknownVersion, RegistryUnavailable, RegistryRefuses."""
        return self.repository.digest(version)

    def _release(self, version: str) -> Release:
        return Release(version=version, fault=None, migration=None, schema=self.schema)


def order(version: str) -> tuple[tuple[int, ...], bool, str]:
    """Return what orders versions: by their numbers; one that comes before a release stands before it. Source: Semantic Versioning 2.0.0, 11, simplified."""
    numbers, _, rest = version.removeprefix("v").partition("-")
    return tuple(int(number) for number in re.findall(r"\d+", numbers.partition("+")[0])), not rest, rest


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
