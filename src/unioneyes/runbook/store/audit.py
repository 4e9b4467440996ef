"""The audit log's rows. Each function works inside a transaction that is the caller's.

Appending takes no lock, so that writers never wait for each other. One sealer at a time (`take_turn`) gives entries their place in the tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import JsonValue
from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Select, Text, bindparam, case, cast, exists, func, insert, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

from unioneyes.kernel.access import way_in
from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.audit.entry import CHAT, SHARED, AuditEntry, entry_text
from unioneyes.runbook.store.tables import audit_entries as entries
from unioneyes.runbook.store.tables import audit_leaves as leaves

_TURN = 0x7565_0003
"""Key of the advisory lock that the one sealer holds until its transaction ends."""
_PAGE = 5_000
"""Leaves that are read at once."""


def _xid(bound: ColumnElement[object]) -> ColumnElement[int]:
    return cast(cast(bound, Text), BigInteger)


_OLDEST_UNDER_WAY = _xid(func.pg_snapshot_xmin(func.pg_current_snapshot()))
_NOT_BEGUN = _xid(func.pg_snapshot_xmax(func.pg_current_snapshot()))
_FINAL = or_(entries.c.xid < _OLDEST_UNDER_WAY, entries.c.xid >= _NOT_BEGUN)
"""Nothing can be committed any more that stands before such an entry. (One that is seen, of a transaction that has not begun, came from another cluster.)"""
_UNSEALED = ~exists().where(leaves.c.entry_id == entries.c.id)
_LAST_SEALED = select(entries.c.xid).join(leaves, leaves.c.entry_id == entries.c.id).order_by(leaves.c.index.desc()).limit(1).scalar_subquery()
_FLOOR = case((_LAST_SEALED < _OLDEST_UNDER_WAY, _LAST_SEALED), else_=0)
"""The transaction below which everything is sealed: entries are sealed in the order of their transactions."""

_APPEND = insert(entries).values(entry=bindparam("text")).inline()
"""Made once, and asks for nothing back: this is what every change pays for being audited."""
_SEALED = (
    func.unnest(bindparam("ids", type_=ARRAY(BigInteger)), bindparam("hashes", type_=ARRAY(BYTEA)))
    .table_valued("id", "hash", with_ordinality="number")
    .render_derived()
)
_SEAL = insert(leaves).from_select(
    ["index", "entry_id", "leaf_hash"], select(bindparam("first", type_=BigInteger) + _SEALED.c.number - 1, _SEALED.c.id, _SEALED.c.hash)
)


class AuditTrail:
    """Appends to the audit log."""

    def __init__(self, redactor: Redactor) -> None:
        """Blot secrets out by `redactor`."""
        self._redact = redactor

    def append(self, connection: Connection, entry: AuditEntry) -> None:
        """The entry is kept for good when the caller's transaction is, and not otherwise. It says whose name was only said, and who spoke from a chat."""
        if (way := way_in.get()) is not None:
            came: dict[str, JsonValue] = {**({SHARED: True} if way.shared else {}), **({CHAT: way.chat} if way.chat else {})}
            entry = replace(entry, data=entry.data | came) if came else entry
        connection.execute(_APPEND, {"text": entry_text(entry, self._redact)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """An entry that is to be sealed."""

    id: int
    entry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """An entry that was sealed."""

    index: int
    leaf_hash: bytes
    entry: str | None
    """None when the entry's row is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What no checkpoint covers yet."""

    unsealed: int
    uncovered: int
    """Sealed, but not below any checkpoint."""
    oldest: timedelta
    """How long the first of them has waited; nothing when none does."""


def take_turn(connection: Connection) -> bool:
    """Return whether this transaction is the only one that seals, until it ends."""
    mine: bool = connection.execute(select(func.pg_try_advisory_xact_lock(_TURN))).scalar_one()
    return mine


def size(connection: Connection) -> int:
    """Return how many leaves the tree has, if none is missing."""
    found: int = connection.execute(select(func.coalesce(func.max(leaves.c.index) + 1, 0))).scalar_one()
    return found


def unsealed(connection: Connection, *, limit: int, everywhere: bool) -> tuple[Appended, ...]:
    """Return the entries that can be sealed next, in their final order: by transaction, then as they were appended.

    An entry is left for later while any transaction is under way that is older than its own, because that one may still append before it. `everywhere`
    also looks among the entries of long ago, where a database that was restored into another cluster may have some.
    """
    wanted = select(entries.c.id, entries.c.entry).where(_FINAL, _UNSEALED).order_by(entries.c.xid, entries.c.id).limit(limit)
    if not everywhere:
        wanted = wanted.where(entries.c.xid >= _FLOOR)
    return tuple(Appended(id=row.id, entry=row.entry) for row in connection.execute(wanted))


def seal(connection: Connection, sealed: Sequence[tuple[Appended, bytes]], *, first: int) -> None:
    """The entries with these hashes are leaves of the tree, from index `first` on."""
    connection.execute(_SEAL, {"first": first, "ids": [each.id for each, _ in sealed], "hashes": [hashed for _, hashed in sealed]})


def leaf_hashes(connection: Connection, *, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield the leaves' indices and hashes, in order."""
    wanted = select(leaves.c.index, leaves.c.leaf_hash).where(leaves.c.index < end).order_by(leaves.c.index).limit(_PAGE)
    while page := connection.execute(wanted.where(leaves.c.index >= begin)).all():
        yield from ((index, hashed) for index, hashed in page)
        begin = page[-1][0] + 1


def sealed_page(connection: Connection, *, begin: int, end: int) -> tuple[Leaf, ...]:
    """Return the leaves with indices from `begin` on, but not `end`, and their entries, in order; as many as are read at once."""
    wanted = _leaves().where(leaves.c.index >= begin, leaves.c.index < end).order_by(leaves.c.index).limit(_PAGE)
    return tuple(map(_leaf, connection.execute(wanted)))


def newest_sealed(connection: Connection, *, before: int | None, run_id: str | None, limit: int) -> tuple[Leaf, ...]:
    """Return the leaves with the greatest indices, below `before`; only those of a run, where one is named."""
    wanted = _leaves().order_by(leaves.c.index.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(leaves.c.index < before)
    if run_id is not None:
        wanted = wanted.where(entries.c.run_id == run_id)
    return tuple(map(_leaf, connection.execute(wanted)))


def newest_unsealed(connection: Connection, *, run_id: str | None, limit: int) -> tuple[str, ...]:
    """Return the entries that are not sealed yet, the last that was appended first."""
    wanted = select(entries.c.entry).where(entries.c.xid >= _FLOOR, _UNSEALED).order_by(entries.c.id.desc()).limit(limit)
    if run_id is not None:
        wanted = wanted.where(entries.c.run_id == run_id)
    return tuple(connection.execute(wanted).scalars())


def imported(connection: Connection, run_id: str) -> frozenset[str]:
    """Return which entries of a local journal about that run stand in the log, by the names that they had there."""
    named = cast(entries.c.entry, JSONB)["data"]["entry"].astext
    return frozenset(connection.execute(select(named).where(entries.c.run_id == run_id, named.is_not(None))).scalars())


def waiting(connection: Connection, *, covered: int) -> Waiting:
    """Return what waits to be below a checkpoint, when the last one covers the first `covered` leaves."""
    age = func.coalesce(func.clock_timestamp() - func.min(entries.c.appended_at), literal(timedelta(0)))
    open_ones = connection.execute(select(func.count(), age).where(entries.c.xid >= _FLOOR, _UNSEALED)).one()
    sealed = connection.execute(select(func.count(), age).join_from(leaves, entries, entries.c.id == leaves.c.entry_id).where(leaves.c.index >= covered)).one()
    return Waiting(unsealed=open_ones[0], uncovered=sealed[0], oldest=max(open_ones[1], sealed[1], timedelta(0)))


def _leaves() -> Select[int, bytes, str | None]:
    return select(leaves.c.index, leaves.c.leaf_hash, entries.c.entry).outerjoin_from(leaves, entries, entries.c.id == leaves.c.entry_id)


def _leaf(row: Row[int, bytes, str | None]) -> Leaf:
    index, hashed, entry = row
    return Leaf(index=index, leaf_hash=hashed, entry=entry)
