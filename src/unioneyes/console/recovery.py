"""Recovery in the HTTP API: how the log is kept, and what would be lost with the primary. Base backups and recoveries are runs."""

from __future__ import annotations

from fastapi import APIRouter

from unioneyes.console.api import PREFIX, VersionedJson
from unioneyes.console.control import Parts
from unioneyes.console.failures import RESPONSES
from unioneyes.console.guard import Reader
from unioneyes.ports.recovery import FailoverView, WalView

router = APIRouter(prefix=f"{PREFIX}/recovery", default_response_class=VersionedJson, responses=RESPONSES)


@router.get("")
def show_wal(control: Parts, by: Reader) -> WalView:
    """Return how the database's log is kept, and what can be recovered to."""
    del by
    return control.environment.recovery.wal()


@router.get("/failover")
def show_failover(control: Parts, by: Reader) -> FailoverView:
    """Return what would be lost if the primary were gone this moment, and how long promoting its replica takes."""
    del by
    return control.environment.recovery.failover()
