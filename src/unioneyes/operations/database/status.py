"""How the operated database is, in one value: what it does, what it is behind with, and what is wrong. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from unioneyes.operations.database.blocking import Link, blocking
from unioneyes.operations.database.connections import Connected, Doing, connections
from unioneyes.operations.database.sessions import is_own
from unioneyes.operations.database.status_rules import (
    Trouble,
    last_proven,
    longest_transaction,
    of_activity,
    of_backups,
    of_lag,
    of_log,
    of_pools,
    of_signs,
)
from unioneyes.ports.activity import ActivityView, Limits, Session
from unioneyes.ports.database import Backup
from unioneyes.ports.recovery import LogFault, Window
from unioneyes.ports.replicas import PoolUse
from unioneyes.ports.vitals import Lag, Unknown, VitalSigns

_NO_POOLS = Unknown(what="pools", why="no replica of the service says how it uses its connections")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStatus:
    """How the operated database is."""

    environment: str
    at: datetime
    """By the database's clock."""
    troubles: tuple[Trouble, ...]
    """Empty when all is as it should be; what is urgent comes first."""
    signs: VitalSigns
    limits: Limits
    used: int
    """Connections that count against the limit."""
    connected: tuple[Connected, ...]
    """By database, role, application and state; most first."""
    pools: tuple[PoolUse, ...]
    """The connections that the service's replicas hold, each of them."""
    longest: Session | None
    """Whoever has been in a transaction for the longest time, beside ourselves."""
    blocking: tuple[Link, ...]
    """Who waits for whom."""
    lag: Lag
    proven: Backup | None
    """The last backup that was restored and compared."""
    recoverable: Window | None
    """The newest stretch of time that can be recovered to, to the second; None where there is none, or nobody knows."""
    unknown: tuple[Unknown, ...]
    """What can't be known here, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LagStatus:
    """How far the copies are behind, and what is wrong with them."""

    lag: Lag
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recoverable:
    """What of the database can be recovered."""

    backups: tuple[Backup, ...]
    window: Window | None = None
    faults: tuple[LogFault, ...] = ()
    unknown: tuple[Unknown, ...] = ()


def database_status(
    *, environment: str, signs: VitalSigns, view: ActivityView, pools: tuple[PoolUse, ...], lag: Lag, recoverable: Recoverable
) -> DatabaseStatus:
    """Return the status that these readings come to."""
    found = connections(view, app=None, user=None, database=None, state=Doing.ANY)
    of_what_is_kept = (*of_backups(recoverable.backups, view.at), *of_log(recoverable.faults))
    troubles = (*of_activity(view), *of_pools(pools), *of_lag(lag), *of_signs(signs), *of_what_is_kept)
    return DatabaseStatus(
        environment=environment,
        at=view.at,
        troubles=tuple(sorted(troubles, key=lambda each: not each.urgent)),
        signs=signs,
        limits=view.limits,
        used=found.used,
        connected=found.groups,
        pools=pools,
        longest=longest_transaction(session for session in view.sessions if session.user and not is_own(session)),
        blocking=blocking(view),
        lag=lag,
        proven=last_proven(recoverable.backups),
        recoverable=recoverable.window,
        unknown=(*signs.unknown, *lag.unknown, *(() if pools else (_NO_POOLS,)), *recoverable.unknown),
    )


def lag_status(lag: Lag) -> LagStatus:
    """Return the lag, and what is wrong with it."""
    return LagStatus(lag=lag, troubles=tuple(of_lag(lag)))
