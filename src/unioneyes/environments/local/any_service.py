"""What differs by the service that is operated: UnionEyes itself, or a plain one, with nothing of ours in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unioneyes.adapters.postgres.drizzle import read_folders
from unioneyes.claims.releases import migration_folders, newest_migration
from unioneyes.environments.settings import ServiceSettings
from unioneyes.ports.replicas import Replicas
from unioneyes.ports.traffic import Colour, Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedMigrations:
    """Which migrations a version of the service carries."""

    folders: Callable[[str], tuple[Path, ...]]
    """The Drizzle folders of a version, oldest first; none where the service has no migrations."""
    newest: Callable[[str], str]
    """Tag of the newest migration that a version needs; empty where the service has none."""


def carried_migrations(settings: ServiceSettings) -> CarriedMigrations:
    """Return which migrations each version carries; of a plain service, every version all that stand in its folder. Raises, when asked: FolderUnreadable."""
    if not settings.plain:
        return CarriedMigrations(folders=migration_folders, newest=newest_migration)
    folders = (Path(settings.migrations).expanduser(),) if settings.migrations else ()

    def newest(_version: str) -> str:
        found = read_folders(folders) if folders else ()
        return found[-1].migration.tag if found else ""

    return CarriedMigrations(folders=lambda _version: folders, newest=newest)


def standing_version(replicas: Replicas, traffic: Traffic) -> Callable[[Colour | None], str | None]:
    """Return what says which version answers there, for a service that does not say so itself.

    It is what the ready replicas were started as, which the cluster knows by their images' digests; None where that is none, or more than one.
    """

    def stands(via: Colour | None) -> str | None:
        colour = via or traffic.view().weights.live
        versions = {replica.version for replica in replicas.all() if replica.colour is colour and replica.ready}
        return versions.pop() if len(versions) == 1 else None

    return stands
