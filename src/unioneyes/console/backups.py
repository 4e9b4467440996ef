"""Backups in the HTTP API: which there are, and how each was proven. Making, proving, pruning and restoring them are runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as InPath

from unioneyes.console.api import PREFIX, VersionedJson
from unioneyes.console.control import Parts
from unioneyes.console.failures import RESPONSES
from unioneyes.console.guard import Reader
from unioneyes.kernel.clock import now
from unioneyes.operations.database.backups.model import BackupsView, BackupView
from unioneyes.operations.database.backups.views import look_at, look_at_all

_LONGEST_NAME = 100
"""Characters of a backup's name."""

router = APIRouter(prefix=f"{PREFIX}/backups", default_response_class=VersionedJson, responses=RESPONSES)


@router.get("")
def list_backups(control: Parts, by: Reader) -> BackupsView:
    """Return every backup, newest first: how it was proven, and whether the next prune keeps it."""
    del by
    environment = control.environment
    at = now()
    return look_at_all(environment.backups, environment.facts.retention, at, control.watch.view(at))


@router.get("/{backup}")
def show_backup(backup: Annotated[str, InPath(max_length=_LONGEST_NAME)], control: Parts, by: Reader) -> BackupView:
    """Return everything of one backup: what is in it, where it is kept, and how it was proven."""
    del by
    environment = control.environment
    return look_at(backup, environment.backups, environment.facts.retention, now())
