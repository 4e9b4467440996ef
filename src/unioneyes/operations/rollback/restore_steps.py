"""The side effects of putting a backup in the live database's place."""

from __future__ import annotations

from datetime import datetime, timedelta

from unioneyes.kernel.clock import Deadline, now
from unioneyes.kernel.problems import Problem, Refused, Unavailable
from unioneyes.kernel.units import format_bytes
from unioneyes.operations.rollback.model import Maintenance, ServesAgain, Serving
from unioneyes.operations.rollback.rules import failures, serving
from unioneyes.ports.database import Difference, RestoredBeside, Restores, Room, Swapped
from unioneyes.ports.erasures import ErasedAgain, Erasures
from unioneyes.ports.replicas import Replicas
from unioneyes.ports.service import HealthStatus, Service
from unioneyes.ports.traffic import Traffic
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.steps import pause, progress, step

SMOKE_WITHIN = timedelta(seconds=60)
RECONNECT_WITHIN = timedelta(seconds=60)
"""How long a release may take to find its database again."""
DRAIN_WITHIN = timedelta(seconds=15)
"""How long members' requests that are under way may take; what still writes afterwards is cut off."""


class ServedOtherwise(Refused):
    """Who serves is not whom the plan was made for; nothing was changed."""


class NoRoom(Refused):
    """A second copy of the database does not fit on the server's disk."""


class RestoredUnfit(Problem):
    """The release that serves does not work on the restored database."""


@step(effect=Effect.READ)
def check_restorable(restores: Restores, traffic: Traffic, replicas: Replicas, *, wanted: tuple[Serving, ...]) -> Room:
    """Who serves is whom the plan was made for, and a second copy of the database fits on the disk."""
    there = serving(traffic.view().weights, replicas.all())
    if there != wanted:
        served = ", ".join(f"{one.version} on {one.colour}" for one in there) or "nothing"
        raise ServedOtherwise(what=f"{served} serves; the plan was made for something else", remedy="start the restore anew")
    room = restores.room()
    require_room(room)
    return room


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=5))
def discard_restored(restores: Restores, *, backup: str, beside: str) -> None:
    """The restored copy is gone."""
    del backup
    restores.discard_beside(beside=beside)


@step(effect=Effect.CHANGE, undo=discard_restored, time_limit=timedelta(hours=2))
def restore_beside(restores: Restores, *, backup: str, beside: str) -> RestoredBeside:
    """The backup stands in a database of its own beside the live one, and equals its manifest.

    Source: Rollback Steps, option C, "Restore from backup".
    """
    return restores.restore_beside(backup, beside=beside)


@step(effect=Effect.CHANGE)
def let_members_in(traffic: Traffic, *, wanted: tuple[Serving, ...], retry_after: timedelta) -> None:
    """Requests reach the colours again."""
    del wanted, retry_after
    traffic.leave_maintenance()


@step(effect=Effect.CHANGE, undo=let_members_in, time_limit=timedelta(minutes=2))
def keep_members_out(traffic: Traffic, *, wanted: tuple[Serving, ...], retry_after: timedelta) -> Maintenance:
    """Every member is told 503 with Retry-After, and no request is under way any more."""
    since = now()
    traffic.enter_maintenance(retry_after=retry_after)
    for one in wanted:
        traffic.drained(one.colour, within=DRAIN_WITHIN)
    return Maintenance(since=since)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=2))
def reopen_database(restores: Restores, *, beside: str) -> None:
    """The live database lets everybody in as before."""
    restores.reopen(beside=beside)


@step(effect=Effect.CHANGE, undo=reopen_database, time_limit=timedelta(minutes=2))
def close_database(restores: Restores, *, beside: str) -> None:
    """Nobody is in the live database, and nobody comes in: from here on nothing is written there."""
    restores.close(beside=beside)


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=40))
def erase_again(erasures: Erasures, *, beside: str, since: datetime) -> ErasedAgain:
    """Nobody is in the restored database who was erased since the backup was made: from here on nobody is erased in the live one either."""
    return erasures.erase_again(beside, since=since)


@step(effect=Effect.READ, time_limit=timedelta(hours=2))
def compare_rows(restores: Restores, *, beside: str) -> Difference:
    """What was written since the backup is counted, row by row, while nobody writes."""
    found = restores.difference(beside=beside)
    for table in found.tables:
        progress(f"{table.table}: {table.only_live:,} rows only in the live database, {table.only_backup:,} only in the backup")
    return found


@step(effect=Effect.CHANGE, time_limit=timedelta(minutes=2))
def swap_back(restores: Restores, *, beside: str, kept: str) -> None:
    """What was live before is live again."""
    restores.swap_back(beside=beside, kept=kept)


@step(effect=Effect.DESTROY, undo=swap_back, time_limit=timedelta(minutes=2))
def swap_databases(restores: Restores, *, beside: str, kept: str) -> Swapped:
    """The restored database has the live one's name; what was live is kept under another.

    Source: decision 13.
    """
    return restores.swap(beside=beside, kept=kept)


@step(effect=Effect.READ, time_limit=timedelta(minutes=5))
def verify_restored(service: Service, *, wanted: tuple[Serving, ...]) -> ServesAgain:
    """Who serves has found the restored database, is healthy, and passes its smoke tests, before any member comes back."""
    for one in wanted:
        _await_health(service, one)
        report = service.smoke(via=one.colour, within=SMOKE_WITHIN)
        if not report.passed:
            raise RestoredUnfit(what=f"{one.version} fails on the restored database: {failures(report)}", remedy="choose another backup: ue rollback plan")
    return ServesAgain(at=now(), version=", ".join(one.version for one in wanted))


def require_room(room: Room) -> None:
    """Return when a second copy fits, or nobody can know. Raises: NoRoom."""
    if room.free is not None and room.free < room.needed:
        raise NoRoom(
            what=f"the database has {format_bytes(room.needed)}, and its server's disk {format_bytes(room.free)} free; nothing was changed",
            remedy="make room: older kept databases are dropped by dropdb",
        )


def _await_health(service: Service, one: Serving) -> None:
    deadline = Deadline.after(RECONNECT_WITHIN)
    while True:
        try:
            health = service.health(via=one.colour)
        except Unavailable as problem:
            last = problem.what
        else:
            if health.status is not HealthStatus.UNHEALTHY:
                return
            last = "; ".join(f"{check.name}: {check.error}" for check in health.checks if check.error) or health.status.value
        if deadline.passed:
            raise RestoredUnfit(what=f"{one.version} is unhealthy on the restored database: {last}", remedy="choose another backup: ue rollback plan")
        pause(timedelta(milliseconds=200))
