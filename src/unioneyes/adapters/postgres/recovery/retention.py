"""Which base backups, and which of the log, nobody needs for the window any more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from unioneyes.adapters.postgres.recovery.positions import Segment, parse_lsn
from unioneyes.ports.recovery import BaseBackup


@dataclass(frozen=True, slots=True, kw_only=True)
class Surplus:
    """What may go."""

    bases: tuple[str, ...]
    segments: tuple[Segment, ...]


def surplus(bases: Iterable[BaseBackup], segments: Iterable[Segment], *, now: datetime, window: timedelta, size: int) -> Surplus:
    """Return what may go so that every moment of the window that can be recovered to still can be.

    Kept are: every base backup of the window, the newest one before it (from it one recovers to the window's beginning), the newest one in any case, those
    that a kept one holds the changes since, and the log from the oldest of them on. `now` is the server's.
    """
    ordered = sorted(bases, key=lambda base: (base.ended_at, base.name))
    if not ordered:
        return Surplus(bases=(), segments=())  # nothing says where the log has to begin
    before = [base for base in ordered if base.ended_at <= now - window]
    kept = {base.name for base in ordered if base.ended_at > now - window} | {base.name for base in before[-1:]} | {ordered[-1].name}
    by_name = {base.name: base for base in ordered}
    for name in tuple(kept):
        kept.update(_below(name, by_name))
    first = min(parse_lsn(by_name[name].start_lsn) // size for name in kept)
    return Surplus(
        bases=tuple(base.name for base in ordered if base.name not in kept),
        segments=tuple(sorted(segment for segment in segments if segment.number < first)),
    )


def _below(name: str, by_name: Mapping[str, BaseBackup]) -> Iterator[str]:
    """Yield those of which a base backup holds the changes, and theirs."""
    while (parent := by_name[name].parent) is not None and parent in by_name:
        yield parent
        name = parent
