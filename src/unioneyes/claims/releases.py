"""The local catalogue: every version of the claims service that can be deployed here, honest ones and ones that are faulty on purpose."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from unioneyes.claims.digest import CODE, digest
from unioneyes.kernel.project import project_path
from unioneyes.ports.releases import Release, UnknownVersion

_NORMAL = project_path("db/migrations")
_FAULTS = project_path("db/faults")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A release, and what of the code base is its own."""

    release: Release
    queries: tuple[str, ...]
    """Generations of `sql/`, a later one replacing queries of an earlier one."""


def _on_1_1_0(fault: str, note: str, *, harmless: bool = False, migration: str | None = None, queries: tuple[str, ...] = ()) -> _Entry:
    """Return a release that is 1.1.0 plus a fault."""
    schema = migration or "0001_claim_deadlines"
    release = Release(version=f"1.2.0-{fault}", fault=fault, migration=migration, schema=schema, harmless=harmless, note=note)
    return _Entry(release=release, queries=("1.0", "1.1", *queries))


_CATALOGUE = (
    _Entry(
        release=Release(version="1.0.0", fault=None, migration="0000_initial", schema="0000_initial", note="the first release"),
        queries=("1.0",),
    ),
    _Entry(
        release=Release(version="1.1.0", fault=None, migration="0001_claim_deadlines", schema="0001_claim_deadlines", note="claims get a deadline"),
        queries=("1.0", "1.1"),
    ),
    _on_1_1_0("errors", "one request for claims in five answers 500, once a replica has warmed up"),
    _on_1_1_0("slow", "one request for claims in three takes three seconds longer, once a replica has warmed up"),
    _on_1_1_0("crash", "ends with an exception at its start"),
    _on_1_1_0("hang", "listens, and never answers"),
    _on_1_1_0("leak", "keeps about a megabyte of every request for claims, until it gets no more memory"),
    _on_1_1_0("sick", "its health turns bad a few seconds after a replica has warmed up"),
    _on_1_1_0("flap", "its health is bad for one second in three, once a replica has warmed up; it serves well all the time", harmless=True),
    _on_1_1_0("wrong", "the list of claims leaves out the newest one"),
    _on_1_1_0("route", "every assignment of a claim answers 500, once a replica has warmed up; nothing else does"),
    _on_1_1_0("tenant", "every request of one small organization answers 500, once a replica has warmed up; all others are fine"),
    _on_1_1_0("broken-migration", "its migration fails half-way, on every database", migration="0002_claim_references"),
    _on_1_1_0(
        "incompatible-migration",
        "its migration applies, and 1.1.0 can't submit claims any more",
        migration="0002_claim_channel",
        queries=("1.2-channel",),
    ),
    _on_1_1_0("unsafe-migration", "its migration locks the claims for as long as it runs; the lint refuses it", migration="0002_claims_by_priority"),
)


class Catalogue:
    """Implements `ports.releases.Releases` on the table above."""

    def __init__(self, code: Path = CODE) -> None:
        """Releases are started from the program's source in `code`."""
        self._code = code

    def all(self) -> tuple[Release, ...]:
        """Return every release, oldest first."""
        return tuple(entry.release for entry in _CATALOGUE)

    def get(self, version: str) -> Release:
        """Return the release. Raises: UnknownVersion."""
        return _entry(version).release

    def digest(self, version: str) -> str:
        """Return the SHA-256 of what would be started as this version now; see `digest`. Raises: UnknownVersion."""
        return digest(version, query_generations(version), self._code)


def migration_folders(version: str) -> tuple[Path, ...]:
    """Return the Drizzle folders that the release carries: the normal one, then its fault's where it has one. Raises: UnknownVersion."""
    release = _entry(version).release
    faulty = _FAULTS / release.fault if release.fault and release.migration else None
    return (_NORMAL, faulty) if faulty else (_NORMAL,)


def newest_migration(version: str) -> str:
    """Return the tag of the newest migration that the release needs. Raises: UnknownVersion."""
    return _entry(version).release.schema


def query_generations(version: str) -> tuple[str, ...]:
    """Return the generations of `sql/` that the release is made of, oldest first. Raises: UnknownVersion."""
    return _entry(version).queries


def schema_hash(version: str) -> str:
    """Return what Drizzle's ledger holds once the release's newest migration is applied: its file's SHA-256. Raises: UnknownVersion."""
    tag = newest_migration(version)
    file = next(path for folder in migration_folders(version) if (path := folder / f"{tag}.sql").exists())
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _entry(version: str) -> _Entry:
    for entry in _CATALOGUE:
        if entry.release.version == version:
            return entry
    known = ", ".join(entry.release.version for entry in _CATALOGUE)
    raise UnknownVersion(what=f"there is no release {version!r}", remedy=f"one of: {known}")
