"""How far the replica is behind, in a way that a disconnected replica can't hide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection, sql
from unioneyes.ports.database import DatabaseUnavailable

_LIMIT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationStatus:
    """What both ends say. The replica alone would say that it is not behind while it is cut off."""

    connected: bool
    """True when the primary streams to a replica, and that replica receives."""
    lag_bytes: int | None
    """Of the log that the replica has not replayed; None when nobody knows."""
    receiver: str
    """State of the replica's receiver (`streaming`), `none` when it has none, `unreachable` when the replica does not answer."""
    slots_lost: tuple[str, ...]
    """Slots whose log the primary has thrown away: their replica must be cloned anew."""


def replication_status(primary_url: SecretStr, replica_url: SecretStr | None) -> ReplicationStatus:
    """Return the state of replication, as a role with pg_monitor sees it; without a replica's address, as the primary alone does.

    Raises: DatabaseUnavailable when the primary does not answer.
    """
    with connection(primary_url, name="ue-status", statement_limit=_LIMIT) as primary:
        row = primary.execute(sql("replication_primary")).fetchone()
        position, streaming, lag, slots_lost = row or (None, False, None, [])
    if replica_url is None:
        return ReplicationStatus(connected=streaming, lag_bytes=lag, receiver="not asked", slots_lost=tuple(slots_lost))
    try:
        with connection(replica_url, name="ue-status", statement_limit=_LIMIT) as replica:
            seen = replica.execute(sql("replication_replica"), {"primary": position}).fetchone()
            receiver, behind = seen or (None, None)
    except DatabaseUnavailable:
        return ReplicationStatus(connected=False, lag_bytes=lag, receiver="unreachable", slots_lost=tuple(slots_lost))
    connected = streaming and receiver == "streaming"
    return ReplicationStatus(connected=connected, lag_bytes=lag if connected else behind, receiver=receiver or "none", slots_lost=tuple(slots_lost))
