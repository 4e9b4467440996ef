"""Backups, as people look at them. Reads only."""

from __future__ import annotations

from datetime import datetime

from unioneyes.kernel.problems import NotFound, Problem
from unioneyes.operations.database.backups.model import BackupsView, BackupView
from unioneyes.operations.database.backups.retention import fates
from unioneyes.operations.database.backups.rules import spoken_proof, spoken_state
from unioneyes.operations.database.backups.schedule import DailyView
from unioneyes.ports.database import Backup, Backups, NotProvable, Retention


class UnknownBackup(NotFound):
    """No backup has this name."""


def look_at_all(backups: Backups, retention: Retention, at: datetime, daily: DailyView | None) -> BackupsView:
    """Return every backup. Raises: StoreUnavailable."""
    found = backups.all()
    views = _views(found, retention, at)
    return BackupsView(at=at, place=backups.place, retention=retention, unprovable=_trouble(backups), backups=views, daily=daily)


def look_at(name: str, backups: Backups, retention: Retention, at: datetime) -> BackupView:
    """Return one backup. Raises: UnknownBackup, StoreUnavailable."""
    found = backups.all()
    shown = next((view for view in _views(found, retention, at) if view.backup.name == name), None)
    if shown is None:
        raise UnknownBackup(
            what=f"there is no backup called {name!r}", remedy=f"ue backup list; the newest: {', '.join(each.name for each in found[:5]) or 'none'}"
        )
    return shown


def why_unprovable(backups: Backups) -> str | None:
    """Return why a backup that is made now can't be proven here; None where it can."""
    try:
        backups.require_provable()
    except NotProvable as problem:
        return f"not provable here: {problem.what}; {problem.remedy}"
    return None


def _trouble(backups: Backups) -> str | None:
    """Return what keeps a backup from being proven, also where that is a key that can't be read: whoever looks at backups is not refused for it."""
    try:
        return why_unprovable(backups)
    except Problem as problem:
        return f"not provable here: {problem.what}; {problem.remedy}"


def _views(backups: tuple[Backup, ...], retention: Retention, at: datetime) -> tuple[BackupView, ...]:
    decided = {fate.name: fate for fate in fates(backups, at, retention)}
    return tuple(BackupView(backup=each, state=spoken_state(each), proof=spoken_proof(each), fate=decided[each.name]) for each in backups)
