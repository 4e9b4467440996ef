"""What `barman --format json` prints, as far as it is used. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from unioneyes.adapters.postgres.recovery.positions import SEGMENT_BYTES, Segment, parse_lsn

_SIZES = tuple(1 << power for power in range(20, 31))
"""What a segment of the log may have, in bytes."""
_MAJOR = 10_000
_PASSWORD = re.compile(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|\S+)", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"(://[^:/@\s]*:)[^@\s]*@")

DONE, WAITING = "DONE", "WAITING_FOR_WALS"


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Complaint(_Read):
    """What Barman prints where it refuses."""

    errors: tuple[str, ...] = Field(default=(), alias="_ERROR")
    exceptions: tuple[str, ...] = Field(default=(), alias="_EXCEPTION")


class Check(_Read):
    """One item of `barman check`."""

    status: str
    hint: str = ""


class Checks(_Read):
    """`barman check SERVER`, by item; the server's name is taken off."""

    items: Mapping[str, Check]

    @property
    def failed(self) -> Mapping[str, Check]:
        """Those that are not well."""
        return {name: check for name, check in self.items.items() if check.status != "OK"}

    @property
    def complaints(self) -> tuple[str, ...]:
        """Those, for people: with what Barman says of each."""
        return tuple(f"{spoken(name)}{f': {check.hint}' if check.hint else ''}" for name, check in self.failed.items())


def spoken(item: str) -> str:
    """Return an item of `barman check` as people read it."""
    return item.replace("_", " ")


class Listed(_Read):
    """One base backup, of `barman list-backups SERVER`."""

    backup_id: str
    backup_name: str | None = None
    status: str


class _Base(_Read):
    backup_size_bytes: int
    begin_time: datetime
    end_time: datetime
    begin_lsn: str
    end_lsn: str
    begin_wal: str
    timeline: int
    compression: str | None = None
    encryption: str | None = None


class _Place(_Read):
    parent_backup_id: str | None = None


class _Tablespace(_Read):
    name: str


class Detail(_Read):
    """`barman show-backup SERVER ID`."""

    backup_id: str
    base: _Base = Field(alias="base_backup_information")
    place: _Place = Field(alias="catalog_information")
    cluster_size_bytes: int | None = None
    postgresql_version: int
    tablespaces: tuple[_Tablespace, ...] | None = None

    @property
    def server_version(self) -> str:
        """The 18.4 of 180004."""
        return f"{self.postgresql_version // _MAJOR}.{self.postgresql_version % _MAJOR}"

    @property
    def plain(self) -> bool:
        """True where its files stand in the catalogue as the server sent them."""
        return not self.base.compression and not self.base.encryption

    @property
    def segment_bytes(self) -> int:
        """Bytes of one segment of the log, as the name of the one says in which it begins; what PostgreSQL has by itself, where several would do."""
        position = parse_lsn(self.base.begin_lsn)
        fitting = [size for size in _SIZES if Segment.at(self.base.timeline, position, size=size).name(size=size) == self.base.begin_wal]
        return SEGMENT_BYTES if SEGMENT_BYTES in fitting or not fitting else fitting[0]


class Server(_Read):
    """`barman show-servers SERVER`, which knows more than anybody should be told: of its addresses nothing is read."""

    wals_directory: str
    incoming_wals_directory: str
    streaming_wals_directory: str
    basebackups_directory: str
    streaming_archiver: bool
    archiver: bool
    streaming_archiver_name: str = "barman_receive_wal"
    slot_name: str | None = None
    retention_policy: str | None = None


def without_secrets(text: str) -> str:
    """Return what Barman said without the passwords that an address in it may hold."""
    return _IN_ADDRESS.sub(r"\1***@", _PASSWORD.sub(r"\1***", text))
