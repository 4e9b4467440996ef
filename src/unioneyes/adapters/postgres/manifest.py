"""A backup's manifest: everything that a restore needs to know, beside the backup, so that it also works when every catalogue is lost."""

from __future__ import annotations

from datetime import datetime, timedelta
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
    """What `<name>.json` says about the dump beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1, 2, 3] = 3
    """1: the dump is `pg_dump`'s own file. 2: it may be compressed and encrypted as a whole. 3: each table says what of its rows is summed up."""
    name: str
    state: BackupState = BackupState.TAKEN
    taken_at: datetime
    took: timedelta
    verified_in: timedelta | None = None
    """How long its restore and the comparison took, when it was last verified."""
    verified_at: datetime | None = None
    wrong: str | None = None
    """What was found when it was last verified, where it failed."""
    file: str
    """Name of the dump beside it, in `pg_dump`'s custom format."""
    compression: Literal["none", "zstd"] = "none"
    """Of the file as a whole, before it is encrypted."""
    recipients: tuple[str, ...] = ()
    """Fingerprints of the age public keys to which the file is encrypted: the first 16 hex digits of each key's SHA-256. Not encrypted when empty."""
    how: tuple[str, ...] = ()
    """What a person types to restore it without any program of ours."""
    bytes: int
    """Of the file."""
    dump_bytes: int | None = None
    """Of the dump in it."""
    sha256: str
    """Of the file."""
    database: str
    encoding: str = "UTF8"
    """Its character set, as PostgreSQL calls it: text has other bytes in another one, and so another sum."""
    roles: tuple[str, ...]
    """Roles of the server: a restore needs those that own something or were granted something."""
    server_version: str
    written_by: str
    """`pg_dump (PostgreSQL) 18.4`; restore with this version or a newer one."""
    program: str | None = None
    """`unioneyes 0.1.0`, which had it written."""
    wal_position: str
    """Where the server's log stood when the snapshot was taken."""
    schema_head: SchemaHead | None
    fingerprint: Fingerprint

    def backup(self, address: str) -> Backup:
        """Return it as the port shows it."""
        return Backup(
            name=self.name,
            place=address,
            taken_at=self.taken_at,
            took=self.took,
            bytes=self.bytes,
            sha256=self.sha256,
            tables=len(self.fingerprint.tables),
            rows=self.fingerprint.rows,
            schema=self.schema_head.tag if self.schema_head else None,
            state=self.state,
            verified_in=self.verified_in,
            verified_at=self.verified_at,
            wrong=self.wrong,
            database=self.database,
            written_by=self.written_by,
            recipients=self.recipients,
        )

    def text(self) -> str:
        """Return what the file holds."""
        return f"{self.model_dump_json(indent=2)}\n"


def manifest_file(name: str) -> str:
    """Return the name of the manifest of the backup `name`."""
    return f"{name}.json"


def read_manifest(content: bytes | None) -> Manifest | None:
    """Return the manifest; None when there is none that can be read: a dump without one is no backup."""
    try:
        return None if content is None else Manifest.model_validate_json(content)
    except ValidationError:
        return None
