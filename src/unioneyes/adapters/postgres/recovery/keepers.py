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


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """How far the log was received, as the server was told; None for what nobody knows."""

    streaming: bool | None = None
    """Whether it is received, or the last segment was handed over."""
    position: str | None = None
    """Or the name of that segment."""
    behind: int | None = None
    slot: str | None = None
    slot_room: int | None = None


def received(session: psycopg.Connection, *, receiver: str | None, slot: str | None, handed_over: bool) -> Received:
    """Return how far it was received by who streams under that name; or handed over by the server, where nobody streams."""
    if handed_over:
        position, well = session.execute(sql("recovery_archiver")).fetchone() or (None, None)
        return Received(streaming=well, position=position)
    keeper = next((each for each in keepers(session) if each.keeper == receiver), None)
    kept = session.execute(sql("recovery_slot"), {"slot": slot}).fetchone()
    return Received(
        streaming=keeper is not None,
        position=keeper.received if keeper else None,
        behind=keeper.behind_bytes if keeper else None,
        slot=kept[1] if kept else None,
        slot_room=kept[2] if kept else None,
    )


def failover_view(found: tuple[Keeper, ...], *, wanted: tuple[str, ...], last_base: datetime | None, promotion: timedelta | None) -> FailoverView:
    """Return what would be lost with the primary. Whoever should stream and does not is away: nobody knows how far behind, and never "not at all"."""
    there = tuple(
        Exposure(keeper=each.keeper, synchronous=each.synchronous, behind_bytes=each.behind_bytes, behind=each.behind, connected=True) for each in found
    )
    seen = {each.keeper for each in found}
    away = tuple(Exposure(keeper=name, synchronous=False, behind_bytes=None, behind=None, connected=False) for name in wanted if name not in seen)
    return FailoverView(exposures=(*there, *away), synchronous=any(each.synchronous for each in found), last_base=last_base, promotion=promotion)
