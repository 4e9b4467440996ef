"""What base backups and recoveries ask for, plan, and come to."""

from __future__ import annotations

from dataclasses import dataclass

from unioneyes.ports.recovery import BaseBackup, Exported, Pruned, Recovered, RecoveryPoint
from unioneyes.runbook.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRequest:
    """Make a base backup (`backup.base`)."""

    name: str | None = None
    """What it is called; base_YYYYMMDD_HHMMSS when not given."""
    incremental: bool = False
    """Hold only what changed since the newest one."""
    reason: str | None = None
    """Why, for the journal and the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PitrRequest:
    """Recover to a moment, or to before a transaction (`backup.pitr`)."""

    to: str | None = None
    """The moment, with its zone: "2026-02-09 14:30:00 UTC"; or `end`, for everything that is kept."""
    before_drop: str | None = None
    """The table that was dropped: everything that was committed before is brought back."""
    before_xid: int | None = None
    """The transaction's number: everything that was committed before it."""
    into: str | None = None
    """The new database on the live server that gets what was recovered."""
    table: str | None = None
    """Bring over the rows of this table alone, SCHEMA.TABLE; the others stay empty."""
    inspect: bool = False
    """Leave the scratch server running, to look into it."""
    reason: str | None = None
    """Why, for the journal and the audit log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BasePlan(Plan):
    """Everything that a base backup will do."""

    name: str
    incremental: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PitrPlan(Plan):
    """Everything that a recovery will do."""

    name: str
    """Of the scratch server."""
    point: RecoveryPoint
    into: str | None
    table: str | None
    inspect: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseMade:
    """The base backup is there, and what nobody needs any more is gone."""

    base: BaseBackup
    pruned: Pruned


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What a recovery came to."""

    point: RecoveryPoint
    recovered: Recovered
    exported: Exported | None
    kept: bool
    """Whether the scratch server runs on, to be looked into."""
