"""What the ledger lacks of a release's migrations, and where the two contradict each other. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from unioneyes.ports.database import Migration, MigrationDrift


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of `drizzle.__drizzle_migrations`, as it stands there."""

    id: int
    sha256: str
    when: int
    """`created_at`: the journal's milliseconds since the epoch."""
    name: str | None = None
    """As Drizzle 1.0 keeps it; None where the ledger has no names, or not this one."""
    applied_at: datetime | None = None
    """The same."""


def aligned(entries: tuple[Entry, ...], wanted: tuple[Migration, ...]) -> tuple[Entry, ...]:
    """Return `entries` with times as precise as those of `wanted`: a ledger that Drizzle 0.45 wrote has milliseconds, the folders of 1.0 have seconds."""
    if not any(migration.named for migration in wanted):
        return entries
    return tuple(replace(entry, when=entry.when - entry.when % 1000) for entry in entries)


def is_of(entry: Entry, migration: Migration) -> bool:
    """Return whether the row says that `migration`, with this text, was applied at its place."""
    return entry.sha256 == migration.sha256 and aligned((entry,), (migration,))[0].when == migration.when


def pending(wanted: tuple[Migration, ...], entries: tuple[Entry, ...]) -> tuple[Migration, ...]:
    """Return what the ledger lacks of `wanted`, in order.

    Rows newer than the release's own are no drift: the release was rolled back, and the schema stayed ahead. Raises: MigrationDrift.
    """
    entries = aligned(entries, wanted)
    found = contradictions(wanted, entries)
    if found:
        raise MigrationDrift(
            what=f"the database and the release's migrations contradict each other: {'; '.join(found)}",
            remedy="restore the migrations as they were applied, or correct the ledger drizzle.__drizzle_migrations by hand; nothing was changed",
        )
    return missing(wanted, entries)


def missing(wanted: tuple[Migration, ...], entries: tuple[Entry, ...]) -> tuple[Migration, ...]:
    """Return what the ledger lacks of `wanted`, in order, whatever else it says."""
    applied = {entry.when for entry in entries}
    return tuple(migration for migration in wanted if migration.when not in applied)


def concerned(wanted: tuple[Migration, ...], entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Return the rows that say something of `wanted`, which may be the newest migrations of a longer history: its older rows are not theirs to explain."""
    own = {migration.sha256 for migration in wanted}
    return tuple(entry for entry in aligned(entries, wanted) if entry.sha256 in own or (wanted and entry.when >= wanted[0].when))


def contradictions(wanted: tuple[Migration, ...], entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Return a sentence for each contradiction; empty when there is none."""
    if not wanted:
        return ()
    hashes = {entry.when: entry.sha256 for entry in entries}
    newest = max(hashes, default=0)
    known = {migration.when for migration in wanted}
    edited = [f"{migration.tag} was edited after it was applied" for migration in wanted if hashes.get(migration.when, migration.sha256) != migration.sha256]
    moved = {entry.sha256: entry for entry in entries if entry.when not in known}
    late = [
        f"{migration.tag} was applied under another time" if migration.sha256 in moved else f"{migration.tag} is older than what was applied after it"
        for migration in wanted
        if migration.when not in hashes and (migration.when < newest or migration.sha256 in moved)
    ]
    own = {migration.sha256 for migration in wanted}
    unknown = [
        f"row {entry.id} of the ledger ({entry.sha256[:12]}) is unknown to the release"
        for entry in entries
        if entry.when not in known and entry.when < wanted[-1].when and entry.sha256 not in own
    ]
    return (*edited, *late, *unknown)
