"""`[backup]`: how the log is kept, and how far back one can recover."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from unioneyes.environments.setting_types import Duration, Section
from unioneyes.ports.recovery import WalMode


class BackupSettings(Section):
    """`[backup]`."""

    wal: Annotated[WalMode, Field(strict=False)] = WalMode.NONE
    """How the database's log is kept, which recovery to a moment needs beside base backups: `receive`d as it is written; `synchronous`, where no commit is
    answered before it is kept, and commits wait while nobody receives; or `none`."""
    window: Duration = timedelta(days=7)
    """How far back one can recover: base backups and the log that are older are removed after the next base backup."""
