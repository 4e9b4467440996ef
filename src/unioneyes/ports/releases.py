"""Releases: what can be deployed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from unioneyes.kernel.problems import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of the service that can be deployed."""

    version: str
    fault: str | None
    """What is wrong with it on purpose (local environment only); None for an honest release."""
    migration: str | None
    """Tag of the migration that this release brings (`0001_claim_deadlines`); None when it brings none."""
    schema: str
    """Tag of the newest migration that this release needs; its own or an earlier release's."""
    harmless: bool = False
    """Whether its fault harms no member, so that it is right to keep it."""
    note: str = ""
    """One line for people."""


class Releases(Protocol):
    """The catalogue."""

    def all(self) -> tuple[Release, ...]:
        """Return every release, oldest first."""

    def get(self, version: str) -> Release:
        """Return the release. Raises: UnknownVersion."""

    def digest(self, version: str) -> str:
        """Return the SHA-256 of what would be started as this version now: where releases are images, the image's digest. Raises: UnknownVersion."""


class UnknownVersion(NotFound):
    """No release has this version."""
