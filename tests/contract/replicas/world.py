"""What the replicas' tests stand on, whichever world it is: a service of which nothing runs yet, and whose releases are stand-ins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from unioneyes.ports.replicas import Replicas
from unioneyes.ports.traffic import Colour

BROKEN, MUTE = "2.0.0-broken", "2.0.0-mute"
"""Versions that end at once, and that never say they are well."""


class World(Protocol):
    """A world in which replicas run."""

    @property
    def replicas(self) -> Replicas:
        """What runs them, with no settings."""

    def configured(self, settings: Mapping[str, str]) -> Replicas:
        """Return what runs them where the environment says these settings now."""

    def running(self, colour: Colour) -> frozenset[str]:
        """Return what runs of the colour: names that no other process ever has."""

    def ask(self, colour: Colour, path: str = "/") -> str:
        """Return the version of the replica of `colour` that answers."""

    def settings_of(self, colour: Colour) -> list[Mapping[str, str]]:
        """Return with which settings each replica of the colour runs."""

    def fail(self, colour: Colour) -> None:
        """A replica of the colour ends by itself."""

    def rehearses_on(self) -> str:
        """Return the database that the rehearsal's replica was given."""
