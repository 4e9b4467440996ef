"""Who keeps what the primary writes, and how far behind each is: what would be lost with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg.rows import class_row

from unioneyes.adapters.postgres.connections import sql
from unioneyes.ports.recovery import Exposure, FailoverView


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """One that streams from the primary."""

    keeper: str
    synchronous: bool
    """True where a commit waits for it."""
    behind_bytes: int | None
    behind: timedelta | None
    received: str | None


def keepers(session: psycopg.Connection) -> tuple[Keeper, ...]:
    """Return everybody who streams now; as far as each told, which `pg_receivewal` does once a second."""
    with session.cursor(row_factory=class_row(Keeper)) as cursor:
        return tuple(cursor.execute(sql("recovery_keepers")))


def failover_view(found: tuple[Keeper, ...], *, wanted: tuple[str, ...], last_base: datetime | None, promotion: timedelta | None) -> FailoverView:
    """Return what would be lost with the primary. Whoever should stream and does not is away: nobody knows how far behind, and never "not at all"."""
    there = tuple(
        Exposure(keeper=each.keeper, synchronous=each.synchronous, behind_bytes=each.behind_bytes, behind=each.behind, connected=True) for each in found
    )
    seen = {each.keeper for each in found}
    away = tuple(Exposure(keeper=name, synchronous=False, behind_bytes=None, behind=None, connected=False) for name in wanted if name not in seen)
    return FailoverView(exposures=(*there, *away), synchronous=any(each.synchronous for each in found), last_base=last_base, promotion=promotion)
