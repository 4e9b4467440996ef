"""A backup's manifest: everything that a restore needs to know, beside the backup, so that it also works when every catalogue is lost."""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from unioneyes.adapters.postgres.fingerprint import Fingerprint
from unioneyes.ports.database import Backup, BackupState


class SchemaHead(BaseModel):
    """The newest row of the ledger in the backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    tag: str | None


class Manifest(BaseModel):
    """What `<name>.json` says about `<name>.dump`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    state: BackupState = BackupState.TAKEN
    taken_at: datetime
    took: timedelta
    verified_in: timedelta | None = None
    """How long its restore and the comparison took, when it was last verified."""
    file: str
    """Name of the dump beside it, in `pg_dump`'s custom format."""
    bytes: int
    sha256: str
    database: str
    roles: tuple[str, ...]
    """Roles of the server: a restore needs those that own something or were granted something."""
    server_version: str
    written_by: str
    """`pg_dump (PostgreSQL) 18.4`; restore with this version or a newer one."""
    wal_position: str
    """Where the server's log stood when the snapshot was taken."""
    schema_head: SchemaHead | None
    fingerprint: Fingerprint

    def backup(self, folder: Path) -> Backup:
        """Return it as the port shows it."""
        return Backup(
            name=self.name,
            path=folder / self.file,
            taken_at=self.taken_at,
            took=self.took,
            bytes=self.bytes,
            sha256=self.sha256,
            tables=len(self.fingerprint.tables),
            rows=self.fingerprint.rows,
            schema=self.schema_head.tag if self.schema_head else None,
            state=self.state,
            verified_in=self.verified_in,
        )


def manifest_path(folder: Path, name: str) -> Path:
    """Return where the manifest of `name` stands."""
    return folder / f"{name}.json"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """The manifest stands in `folder`, whole or not at all, and survives a power cut."""
    path = manifest_path(folder, manifest.name)
    partial = path.with_suffix(".json.partial")
    with partial.open("w") as file:
        file.write(manifest.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    keep(folder)


def read_manifest(path: Path) -> Manifest | None:
    """Return the manifest; None when there is none that can be read: a dump without one is no backup."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def sha256_of(path: Path) -> str:
    """Return the checksum of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def keep(path: Path) -> None:
    """A file, or a folder's list of names, is on the disk, not only in memory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
