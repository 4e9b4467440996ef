"""The only side effects of making, proving, pruning and restoring backups."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.kernel.clock import now
from unioneyes.kernel.units import format_bytes
from unioneyes.operations.database.backups.model import Fate, Pruned
from unioneyes.operations.database.backups.retention import fates
from unioneyes.ports.database import Backup, Backups, BackupVerified, RestoredBeside, Restores, Retention
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import pause, progress, step

LONGEST_BACKUP = timedelta(hours=12)
"""Of a dump, and of a proof: a terabyte takes hours."""
LONGEST_PRUNE = timedelta(hours=1)


def told(line: str) -> None:
    """The journal says how far it is. Called by code of others too, so a run that must stop is stopped by what it has under way, and not here."""
    progress(line)


@step(effect=Effect.CHANGE, time_limit=LONGEST_BACKUP)
def make_backup(backups: Backups, *, name: str) -> Backup:
    """A backup of the whole database exists, with a manifest that says everything about it.

    Source: Backup and Restore, "Daily Backup (Automated)".
    """
    return backups.create(name, meanwhile=told)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def discard_restored_copy(backups: Backups, *, name: str) -> None:
    """The restored copy is gone; the backup stays."""
    backups.discard_scratch(name)


@step(effect=Effect.CHANGE, undo=discard_restored_copy, time_limit=LONGEST_BACKUP)
def prove_by_restoring(backups: Backups, *, name: str) -> BackupVerified:
    """The backup is proven: restored into a scratch server, and equal to the source in the dump's own snapshot."""
    return backups.verify(name, meanwhile=told)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def end_scratch_server(backups: Backups, *, name: str) -> None:
    """The scratch server is gone, with the restored copy; the backup stays."""
    backups.discard_scratch(name)


@step(effect=Effect.DESTROY, time_limit=LONGEST_PRUNE)
def remove_backups(backups: Backups, *, wanted: tuple[Fate, ...], policy: Retention) -> Pruned:
    """Backups that the policy does not keep are gone: those of the plan, as far as the policy still says so.

    Source: Backup and Restore, "Retention: 30 days".
    """
    there = {backup.name: backup for backup in backups.all()}
    by_now = {fate.name for fate in fates(tuple(there.values()), now(), policy) if not fate.kept}
    gone = 0
    for fate in wanted:
        pause(timedelta(0))
        if fate.kept or fate.name not in there:
            continue
        if fate.name not in by_now:
            progress(f"{fate.name} is kept after all")
            continue
        backups.delete(fate.name)
        gone += there[fate.name].bytes
        progress(f"{fate.name}: {format_bytes(there[fate.name].bytes)} removed, {fate.because}")
    return Pruned(fates=wanted, bytes=gone)


@step(effect=Effect.READ)
def check_new(restores: Restores, *, into: str) -> None:
    """There is no database of this name."""
    restores.require_new(database=into)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def drop_restored(restores: Restores, *, backup: str, into: str) -> None:
    """What was restored is gone; a database that somebody else made is left alone."""
    restores.discard_into(backup, database=into)


@step(effect=Effect.CHANGE, undo=drop_restored, time_limit=LONGEST_BACKUP)
def restore_into(restores: Restores, *, backup: str, into: str) -> RestoredBeside:
    """The backup stands in a new database beside the live one, and equals its manifest.

    Source: Backup and Restore, "Point-in-Time Recovery", `pg_restore -d unioneyes_restore`.
    """
    return restores.restore_into(backup, database=into, meanwhile=told)
