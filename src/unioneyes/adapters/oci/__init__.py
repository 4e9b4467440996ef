"""Image registries: releases that are images, addressed by digest."""

from unioneyes.adapters.oci.releases import ImageReleases, TaggedReleases
from unioneyes.adapters.oci.repository import Repository

__all__ = ["ImageReleases", "Repository", "TaggedReleases"]
