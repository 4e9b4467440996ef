"""What is shown of the audit log: the same values for the API and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.runbook.audit.entry import AuditEntry

LONGEST_LAG = timedelta(minutes=1)
"""How long an entry may wait for a checkpoint before that is an alarm: it takes a second, and a process that ends in it is taken over in a few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditItem:
    """One entry, as a list shows it."""

    index: int | None
    """Its place in the tree; None while it is not sealed."""
    entry: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStatus:
    """Where the log is."""

    key: str | None
    """What its checkpoints are verified by; None where nothing is sealed."""
    sealed: int
    """Entries in the tree."""
    unsealed: int
    """Entries that wait for their place in it."""
    covered: int
    """Entries that the last checkpoint covers."""
    checkpoint_at: datetime | None
    lag_seconds: float
    """How long the oldest entry waits that no checkpoint covers."""
    late: bool
    """True when that is longer than it may be."""
    trouble: str | None
    """Why nothing is sealed, nothing is known to be covered, or a break-glass journal is not brought in; None while all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditProof:
    """That one entry is in the log."""

    index: int
    entry: AuditEntry
    size: int
    """Of the tree that the checkpoint signed."""
    proof: str
    """In the form of c2sp.org/tlog-proof, with the entry's own text as its extra data."""
