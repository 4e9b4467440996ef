"""`[backup]`: where backups are kept, for how long, how they are encrypted, when they are made by themselves; and how the log is kept for recovery."""

from __future__ import annotations

import re
from datetime import UTC, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from unioneyes.environments.setting_types import AbsolutePath, Duration, Reference, Section, Text, require_encrypted
from unioneyes.ports.recovery import WalMode

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def _at_home(path: str) -> str:
    return str(Path(path).expanduser()) if path.startswith("~/") else path


def _time_of_day(value: object) -> object:
    if value == "never":
        return None
    if not isinstance(value, str) or not (found := _TIME.fullmatch(value)):
        message = 'a time of day is written as "02:00", in UTC; or "never"'
        raise ValueError(message)
    return time(int(found[1]), int(found[2]), tzinfo=UTC)


class Engine(StrEnum):
    """Who makes base backups, and keeps them and the log."""

    POSTGRESQL = "postgresql"
    """This program, by PostgreSQL's own."""
    BARMAN = "barman"
    """Barman, whose catalogue is used: it also receives the log, and removes what its retention policy needs no more."""


class BarmanSettings(Section):
    """`[backup.barman]`: Barman as it stands on this machine, with its own configuration; `ue` runs as its user, and gives it no secrets."""

    server: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    """What Barman calls the database's server."""
    config: Annotated[AbsolutePath, AfterValidator(_at_home)] | None = None
    """Its configuration file; the one that it finds by itself when not given."""
    program: Annotated[str, StringConstraints(pattern=r"^(barman|/.+|~/.+)$"), AfterValidator(_at_home)] = "barman"
    """Its command, where PATH does not find it."""


class BackupSettings(Section):
    """`[backup]`."""

    engine: Annotated[Engine, Field(strict=False)] = Engine.POSTGRESQL
    """Who makes base backups, and keeps them and the log: `postgresql`, whose own programs `ue` runs; or `barman`, as `[backup.barman]` says."""
    barman: BarmanSettings | None = None
    to: Annotated[str, StringConstraints(pattern=r"^(/|~/|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_./-]*)?$)")] | None = None
    """A folder, or s3://BUCKET/PREFIX; the folder `backups` of the environment when not given."""
    endpoint_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+/?$"), AfterValidator(require_encrypted)] | None = None
    """Of an object store that is not Amazon's."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$")] | None = None
    """Where the bucket is; what the standard chain says when not given."""
    profile: Text | None = None
    """Whose credentials are taken of the files that hold several."""
    credentials_file: AbsolutePath | None = None
    """In the form of ~/.aws/credentials, and in place of it; nobody else can read it."""
    recipients: Annotated[tuple[Annotated[str, StringConstraints(pattern=r"^age1[0-9a-z]{20,80}$")], ...], Field(strict=False)] = ()
    """Public keys of age to which backups are encrypted; not encrypted when none is given."""
    identity: Reference | None = None
    """The private key that opens them: without it, what is encrypted is not proven here."""
    daily: Annotated[time | None, BeforeValidator(_time_of_day)] = time(2, 0, tzinfo=UTC)
    """When a backup is made by itself, in UTC: "02:00"; or "never". Source: Backup and Restore, "Daily Backup (Automated)"."""
    keep: Duration = timedelta(days=30)
    """How old a backup gets before it may be pruned. Source: Backup and Restore, "Retention: 30 days"."""
    keep_at_least: Annotated[int, Field(ge=1, le=1000)] = 7
    """How many verified ones are kept, however old they are."""
    keep_failed: Duration = timedelta(days=3)
    """How old one gets that was found wrong."""
    wal: Annotated[WalMode, Field(strict=False)] = WalMode.NONE
    """How the database's log is kept, which recovery to a moment needs beside base backups: `receive`d as it is written; `synchronous`, where no commit is
    answered before it is kept, and commits wait while nobody receives; or `none`. With Barman, as Barman has it."""
    window: Duration = timedelta(days=7)
    """How far back one can recover: base backups and the log that are older are removed after the next base backup; with Barman, by Barman alone."""

    @model_validator(mode="after")
    def _kept_by_one(self) -> Self:
        if (self.engine is Engine.BARMAN) != (self.barman is not None):
            message = 'engine = "barman" and [backup.barman] server = "NAME" go together'
            raise ValueError(message)
        if self.barman is not None and self.wal is not WalMode.NONE:
            message = 'wal goes with engine = "postgresql": Barman receives the log itself, as its own configuration says'
            raise ValueError(message)
        if self.wal is WalMode.ARCHIVED:
            message = 'wal is "none", "receive" or "synchronous"'
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _store_of_its_own_kind(self) -> Self:
        if (self.endpoint_url or self.region or self.profile or self.credentials_file) and not (self.to or "").startswith("s3://"):
            message = 'endpoint_url, region, profile and credentials_file go with to = "s3://BUCKET/PREFIX"'
            raise ValueError(message)
        return self
