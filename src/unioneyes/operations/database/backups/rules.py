"""What a new backup is called, and which one is meant. Pure."""

from __future__ import annotations

import re
from datetime import datetime

from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.problems import BadInput, Refused
from unioneyes.kernel.units import format_bytes, format_duration
from unioneyes.ports.database import Backup, BackupState, NoSuchBackup, Room, require_backup_name
from unioneyes.runbook.plan import Reading

PREFIX = "unioneyes"
"""Source: Backup and Restore, "Daily Backup (Automated)", `unioneyes_$(date +%Y%m%d).dump`."""

_DATABASE = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class NameTaken(Refused):
    """There is a backup of this name."""


class NotProven(Refused):
    """Only a backup that was restored and compared is restored into anything."""


class LiveDatabase(BadInput):
    """The new database would be the live one."""


def new_name(asked: str | None, at: datetime, there: tuple[Backup, ...]) -> str:
    """Return what the backup is called: as asked, or the document's name, with the time behind it where that is taken. Raises: NameTaken."""
    taken = {backup.name for backup in there}
    if asked is not None:
        require_backup_name(asked)
        if asked in taken:
            raise NameTaken(what=f"there is a backup called {asked} already; nothing was changed", remedy=f"ue backup verify {asked}, or give another --name")
        return asked
    of_the_day = f"{PREFIX}_{at:%Y%m%d}"
    return f"{of_the_day}_{at:%H%M%S}" if of_the_day in taken else of_the_day


def named(name: str, there: tuple[Backup, ...]) -> Backup:
    """Return the backup of that name. Raises: NoSuchBackup."""
    found = next((backup for backup in there if backup.name == name), None)
    if found is None:
        known = ", ".join(backup.name for backup in there[:5]) or "none"
        raise NoSuchBackup(what=f"there is no backup called {name!r}; nothing was changed", remedy=f"ue backup list; the newest: {known}")
    return found


def require_proven(backup: Backup) -> None:
    """Return where the backup was restored and compared. Raises: NotProven."""
    if backup.state is not BackupState.VERIFIED:
        why = f": {backup.wrong}" if backup.wrong else ""
        raise NotProven(what=f"{backup.name} is {spoken_state(backup)}{why}; nothing was changed", remedy=f"prove it first: ue backup verify {backup.name}")


def require_beside(into: str, live: str) -> None:
    """Return where the new database is another one than the live one. Raises: LiveDatabase."""
    if not _DATABASE.fullmatch(into):
        raise BadInput(what=f"{into[:63]!r} is no name for a database; nothing was changed", remedy="use small letters, digits and _, as in unioneyes_restore")
    if into == live:
        raise LiveDatabase(
            what=f"{into} is the live database; nothing was changed",
            remedy=f"to put the backup in its place: ue backup restore NAME --into {live} --confirm {live}",
        )


def spoken_state(backup: Backup) -> str:
    """Return how a backup stands, in a word."""
    return {BackupState.VERIFIED: "verified", BackupState.TAKEN: "unproven", BackupState.FAILED: "failed"}[backup.state]


def spoken_proof(backup: Backup) -> str:
    """Return how a backup was proven, in a sentence."""
    when = f" at {rfc3339(backup.verified_at)}" if backup.verified_at else ""
    match backup.state:
        case BackupState.VERIFIED:
            took = f" in {format_duration(backup.verified_in)}" if backup.verified_in else ""
            return f"restored into a scratch server, and all {backup.tables} tables were equal to the source's in the dump's snapshot{took}{when}"
        case BackupState.FAILED:
            return f"found wrong{when}: {backup.wrong or 'see the run that verified it'}"
        case BackupState.TAKEN:
            return "not proven: nobody has restored it yet"


def room_readings(room: Room) -> tuple[Reading, ...]:
    """Return what there is to back up, and what fits."""
    free = "unknown" if room.free is None else format_bytes(room.free)
    return (Reading(name="database", value=format_bytes(room.needed)), Reading(name="free for backups", value=free))
