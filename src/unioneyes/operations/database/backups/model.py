"""What making, proving, pruning and restoring backups ask for, plan, and come to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.operations.database.backups.schedule import DailyView
from unioneyes.ports.database import Backup, BackupVerified, Retention
from unioneyes.runbook.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """Back the database up, and prove it (`backup.create`)."""

    name: str | None = None
    """What it is called; unioneyes_YYYYMMDD when not given, with the time behind it where there is one of that day."""
    no_verify: bool = False
    """Leave it unproven: quicker, and it counts for nothing until it is verified."""
    reason: str | None = None
    """Why, for the journal and the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePlan(Plan):
    """Everything that a backup will do."""

    name: str
    prove: bool
    unproven_because: str | None
    """Why it is not proven; None where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """The backup exists; and was proven, where that was asked for and could be."""

    backup: Backup
    verified: BackupVerified | None
    unproven_because: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """Prove a backup (`backup.verify`)."""

    name: str
    """What it is called."""
    reason: str | None = None
    """Why, for the journal and the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPlan(Plan):
    """Everything that a proof will do."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRequest:
    """Remove backups that need not be kept any more (`backup.prune`)."""

    reason: str | None = None
    """Why, for the journal and the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of a backup, and why."""

    name: str
    kept: bool
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupView:
    """A backup, and what is to be said of it."""

    backup: Backup
    state: str
    """`verified`, `unproven` or `failed`."""
    proof: str
    """How it was proven, in a sentence."""
    fate: Fate
    """Whether the next prune keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupsView:
    """Every backup of an environment."""

    at: datetime
    place: str
    """Where new ones are kept."""
    retention: Retention
    unprovable: str | None
    """Why a backup that is made now can't be proven here; None where it can."""
    backups: tuple[BackupView, ...]
    """Newest first."""
    daily: DailyView | None
    """The daily backup; None where none is made by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePlan(Plan):
    """Everything that pruning will do."""

    fates: tuple[Fate, ...]
    """Of each backup, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """These backups are gone."""

    fates: tuple[Fate, ...]
    bytes: int
    """Of those that are gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreIntoRequest:
    """Restore a backup into a new database beside the live one (`backup.restore`)."""

    name: str
    """What the backup is called."""
    into: str = "unioneyes_restore"
    """The new database's name."""
    reason: str | None = None
    """Why, for the journal and the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreIntoPlan(Plan):
    """Everything that restoring into a new database will do."""

    backup: str
    into: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredInto:
    """The new database holds the backup, and equals its manifest."""

    backup: str
    database: str
    tables: int
    rows: int
    took: timedelta
    drop: str
    """What a person types when it is needed no more."""
