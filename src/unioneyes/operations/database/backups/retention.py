"""Which backups are kept, and why. Pure. Source: Backup and Restore, "Retention: 30 days"."""

from __future__ import annotations

from datetime import datetime, timedelta

from unioneyes.kernel.units import format_duration
from unioneyes.operations.database.backups.model import Fate
from unioneyes.ports.database import Backup, BackupState, Retention


def fates(backups: tuple[Backup, ...], now: datetime, policy: Retention) -> tuple[Fate, ...]:
    """Return what becomes of each backup, newest first.

    One that may still be wanted is kept: an unproven one as long as a proven one, and all of them while there is no proven one at all.
    """
    ordered = sorted(backups, key=lambda backup: (backup.taken_at, backup.name), reverse=True)
    proven = [backup.name for backup in ordered if backup.state is BackupState.VERIFIED]
    spared = set(proven[: max(policy.at_least, 1)])
    return tuple(_fate(backup, now - backup.taken_at, policy, spared=spared, newest=next(iter(proven), None)) for backup in ordered)


def _fate(backup: Backup, age: timedelta, policy: Retention, *, spared: set[str], newest: str | None) -> Fate:
    def kept(because: str) -> Fate:
        return Fate(name=backup.name, kept=True, because=because)

    limit = policy.keep_failed if backup.state is BackupState.FAILED else policy.keep
    if age <= limit:
        return kept(f"not older than {format_duration(limit)}")
    if backup.name == newest:
        return kept("the last proven one")
    if backup.name in spared:
        return kept(f"one of the last {policy.at_least} proven ones")
    if newest is None and backup.state is BackupState.TAKEN:
        return kept("none is proven yet, and this one may be good")
    word = "found wrong, and older" if backup.state is BackupState.FAILED else "older"
    return Fate(name=backup.name, kept=False, because=f"{word} than {format_duration(limit)}")
