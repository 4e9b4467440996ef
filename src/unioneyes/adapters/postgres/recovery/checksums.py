"""Whether the files of a base backup are those that the server sent, by its own list of them. Source: PostgreSQL's documentation, "Backup Manifest Format"."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import google_crc32c
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unioneyes.adapters.postgres.recovery.positions import parse_lsn
from unioneyes.ports.recovery import BaseBroken

LIST = "backup_manifest"
_PIECE = 1 << 20
_LATER = ("pg_wal/", "postgresql.auto.conf", "standby.signal", "recovery.signal", LIST)
"""What may stand there and not in the list, as `pg_verifybackup` has it."""
_REMEDY = "do not rely on it: remove it, and make another one with ue backup base"


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _File(_Read):
    path: Annotated[str | None, Field(alias="Path")] = None
    encoded: Annotated[str | None, Field(alias="Encoded-Path")] = None
    size: Annotated[int, Field(alias="Size")]
    algorithm: Annotated[str | None, Field(alias="Checksum-Algorithm")] = None
    checksum: Annotated[str | None, Field(alias="Checksum")] = None

    @property
    def name(self) -> str:
        """Its path; bytes that are no UTF-8 are told in hexadecimal."""
        return self.path if self.path is not None else bytes.fromhex(self.encoded or "").decode(errors="surrogateescape")


class _Range(_Read):
    timeline: Annotated[int, Field(alias="Timeline")]
    start: Annotated[str, Field(alias="Start-LSN")]
    end: Annotated[str, Field(alias="End-LSN")]


class _List(_Read):
    files: Annotated[tuple[_File, ...], Field(alias="Files")]
    ranges: Annotated[tuple[_Range, ...], Field(alias="WAL-Ranges", min_length=1)]
    checksum: Annotated[str, Field(alias="Manifest-Checksum")]
    system: Annotated[int | None, Field(alias="System-Identifier")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the server said of a base backup that it sent."""

    bytes: int
    files: int
    timeline: int
    start_lsn: str
    end_lsn: str
    system: int | None
    """Identifier of the cluster; None before PostgreSQL 17."""
    checksum: str
    """SHA-256 of the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The server's list of files, before any of them is looked at."""

    files: int
    checksum: str
    """SHA-256 of the list."""


def read_listing(folder: Path) -> Listing | None:
    """Return what the list says; None where there is none that can be read."""
    try:
        listed, checksum = _parsed(folder.name, _read(folder, folder.name))
    except BaseBroken:
        return None
    return Listing(files=len(listed.files), checksum=checksum)


def require_unbroken(folder: Path, *, called: str | None = None) -> Listed:
    """Return what the server said, once every file has the size and the checksum that it told, and none is too many.

    Raises: BaseBroken, which names the base backup as it is `called`; as its folder, when not given.
    """
    name = called or folder.name
    listed, checksum = _parsed(name, _read(folder, name))
    for each in listed.files:
        _require_file(folder, each, name)
    known = {each.name for each in listed.files}
    for path in folder.rglob("*"):
        file = path.relative_to(folder).as_posix()
        if path.is_file() and file not in known and not file.startswith(_LATER):
            raise BaseBroken(what=f"{name}: {file} is none of the files that the server sent", remedy=_REMEDY)
    last = max(listed.ranges, key=lambda each: (each.timeline, parse_lsn(each.end)))
    return Listed(
        bytes=sum(file.size for file in listed.files),
        files=len(listed.files),
        timeline=last.timeline,
        start_lsn=last.start,
        end_lsn=last.end,
        system=listed.system,
        checksum=checksum,
    )


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / LIST).read_bytes()
    except OSError as error:
        raise BaseBroken(what=f"{name}: the list of its files can't be read ({error.strerror})", remedy=_REMEDY) from None


def _parsed(name: str, text: bytes) -> tuple[_List, str]:
    """Return the list and its SHA-256, which the list's own last line tells of all lines before it."""
    before, found, _ = text.rpartition(b'"Manifest-Checksum"')
    try:
        listed = _List.model_validate(json.loads(text))
    except (ValueError, ValidationError):
        listed = None
    if not found or listed is None or hashlib.sha256(before).hexdigest() != listed.checksum:
        raise BaseBroken(what=f"{name}: the list of its files was changed or cut off", remedy=_REMEDY)
    return listed, hashlib.sha256(text).hexdigest()


def _require_file(folder: Path, file: _File, name: str) -> None:
    try:
        size = (folder / file.name).stat().st_size
        found = crc32c(folder / file.name) if size == file.size and file.algorithm == "CRC32C" else None
    except OSError as error:
        raise BaseBroken(what=f"{name}: {file.name} can't be read ({error.strerror})", remedy=_REMEDY) from None
    if size != file.size:
        raise BaseBroken(what=f"{name}: {file.name} has {size:,} bytes, and the server sent {file.size:,}", remedy=_REMEDY)
    if found != file.checksum:
        raise BaseBroken(what=f"{name}: {file.name} has another checksum than what the server sent", remedy=_REMEDY)


def crc32c(path: Path) -> str:
    """Return the CRC32C of a file as the server writes it: its four bytes, the lowest first."""
    value = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            value = google_crc32c.extend(value, piece)
    return struct.pack("<I", value).hex()
