"""The service lock: one run at a time changes a service. Its token rises with each change of hands, so that a run that lost it is found out.

It is a fencing token: what runs write to keeps the highest that it saw (`kernel.fencing`). So a token is never lower than the time in milliseconds, and those
of a database that was made anew, or restored, stand above those that were given before.

Each function works inside a transaction that is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert

from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.fencing import LEAP
from unioneyes.runbook.problems import ServiceLocked
from unioneyes.runbook.store.tables import runs, service_locks
from unioneyes.runbook.views import LockView

_MILLISECONDS = cast(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger)
_HELD = select(service_locks.c.token).where(service_locks.c.service == bindparam("of")).with_for_update()
_RELEASED = (
    update(service_locks)
    .where(service_locks.c.service == bindparam("of"), service_locks.c.run_id == bindparam("by"))
    .values(run_id=None, reason=None, since=None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obtained:
    """The run holds the service."""

    token: int
    superseded: str | None
    """The run that held it before and was not done; None when it was free."""


def obtain(connection: Connection, *, service: str, run_id: str, reason: str, supersedes: Callable[[str], bool]) -> Obtained:
    """`run_id` holds `service`: because it was free, or because it `supersedes` the runbook that holds it, whose run is told so.

    Raises: ServiceLocked, with holder and reason.
    """
    connection.execute(insert(service_locks).values(service=service, token=0).on_conflict_do_nothing())
    holder = connection.execute(
        select(service_locks.c.run_id, service_locks.c.reason, service_locks.c.since, runs.c.runbook, runs.c.parent)
        .outerjoin_from(service_locks, runs, runs.c.id == service_locks.c.run_id)
        .where(service_locks.c.service == service)
        .with_for_update(of=service_locks)
    ).one()
    if holder.run_id is not None:
        if not supersedes(holder.runbook):
            raise ServiceLocked(
                what=f"{service} is held by {holder.run_id} since {rfc3339(holder.since)}: {holder.reason}", remedy=f"ue run watch {holder.run_id}"
            )
        family = [run for run in (holder.run_id, holder.parent) if run is not None]
        connection.execute(update(runs).where(runs.c.id.in_(family)).values(superseded_by=run_id))
    return Obtained(token=_give(connection, service, run_id, reason), superseded=holder.parent or holder.run_id)


def pass_on(connection: Connection, *, service: str, giver: str, taker: str, reason: str) -> int | None:
    """`taker` holds what `giver` held; return the new token, or None when `giver` held nothing."""
    held = connection.execute(
        select(service_locks.c.run_id).where(service_locks.c.service == service, service_locks.c.run_id == giver).with_for_update()
    ).one_or_none()
    return None if held is None else _give(connection, service, taker, reason)


def renew(connection: Connection, *, service: str, run_ids: Sequence[str]) -> int | None:
    """Whichever of `run_ids` holds `service` holds it by a new token, which is returned; None where none of them does."""
    holder = connection.execute(
        select(service_locks.c.run_id, service_locks.c.reason).where(service_locks.c.service == service, service_locks.c.run_id.in_(run_ids)).with_for_update()
    ).one_or_none()
    return None if holder is None else _give(connection, service, holder.run_id, holder.reason)


def await_others(connection: Connection, service: str) -> None:
    """Nobody else changes the service's lock until the transaction ends."""
    connection.execute(_HELD, {"of": service})


def release(connection: Connection, *, service: str, run_id: str) -> None:
    """`run_id` does not hold `service`."""
    connection.execute(_RELEASED, {"of": service, "by": run_id})


def view(connection: Connection, service: str) -> LockView | None:
    """Return who holds `service`; None when nobody does."""
    row = connection.execute(select(service_locks).where(service_locks.c.service == service, service_locks.c.run_id.is_not(None))).one_or_none()
    return None if row is None else LockView(service=row.service, run_id=row.run_id, reason=row.reason, since=row.since, token=row.token)


def _give(connection: Connection, service: str, run_id: str, reason: str) -> int:
    token: int = connection.execute(
        update(service_locks)
        .where(service_locks.c.service == service)
        .values(run_id=run_id, reason=reason, since=func.clock_timestamp(), token=func.greatest(service_locks.c.token + LEAP, _MILLISECONDS))
        .returning(service_locks.c.token)
    ).scalar_one()
    connection.execute(update(runs).where(runs.c.id == run_id).values(token=token))
    return token
