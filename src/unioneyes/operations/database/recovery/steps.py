"""The side effects of base backups and recoveries."""

from __future__ import annotations

from datetime import timedelta

from unioneyes.kernel.units import format_bytes
from unioneyes.ports.recovery import BaseBackup, Exported, Pruned, Recovered, Recovery, RecoveryPoint
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import progress, step

_LONGEST = timedelta(hours=6)


@step(effect=Effect.CHANGE, time_limit=_LONGEST, retries=0)
def make_base(recovery: Recovery, *, name: str, incremental: bool) -> BaseBackup:
    """The base backup is there, and each of its files is what the server sent."""
    made = recovery.back_up(name, incremental=incremental)
    progress(f"{made.files:,} files, {format_bytes(made.bytes)}", bytes=made.bytes)
    return made


@step(effect=Effect.DESTROY, time_limit=timedelta(minutes=30))
def remove_surplus(recovery: Recovery) -> Pruned:
    """Base backups and the log that nobody needs for the window are gone; never the newest base backup, nor the log after it."""
    return recovery.prune()


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=10))
def discard_scratch(recovery: Recovery, *, name: str, point: RecoveryPoint) -> None:
    """The scratch server is gone, with its files."""
    del point
    recovery.discard(name)


@step(effect=Effect.CHANGE, undo=discard_scratch, time_limit=_LONGEST, retries=0)
def recover_beside(recovery: Recovery, *, name: str, point: RecoveryPoint) -> Recovered:
    """A scratch server holds the database as it was then; the live one is not touched.

    Source: Backup and Restore, "Point-in-Time Recovery".
    """
    return recovery.recover(name, point)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=10))
def discard_brought(recovery: Recovery, *, name: str, point: RecoveryPoint, into: str, table: str | None) -> None:
    """The new database is gone, where it was made from this scratch server."""
    del point, table
    recovery.discard_export(name, into=into)


@step(effect=Effect.CHANGE, undo=discard_brought, time_limit=_LONGEST, retries=0)
def bring_over(recovery: Recovery, *, name: str, point: RecoveryPoint, into: str, table: str | None) -> Exported:
    """The live server has a new database that holds what was recovered.

    The scratch server ends with whoever started it: where another worker goes on, it recovers again.
    """
    if not recovery.running(name):
        recovery.recover(name, point)
    return recovery.export(name, into=into, table=table)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=10))
def end_scratch(recovery: Recovery, *, name: str) -> None:
    """The scratch server is gone, with its files."""
    recovery.discard(name)
