"""Positions in the log, and the names of its segments. Pure. Source: PostgreSQL, `xlog_internal.h`."""

from __future__ import annotations

import re
from dataclasses import dataclass

SEGMENT_BYTES = 16 << 20
"""Of one segment, where the server was not made with another size."""
_HALF = 32
_NAME = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})")


def parse_lsn(text: str) -> int:
    """Return the byte that `0/3000148` names. Raises: ValueError."""
    high, _, low = text.partition("/")
    return (int(high, 16) << _HALF) | int(low, 16)


def format_lsn(position: int) -> str:
    """Return the position as PostgreSQL writes it."""
    return f"{position >> _HALF:X}/{position & (1 << _HALF) - 1:X}"


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One file of the log."""

    timeline: int
    number: int
    """From 0 on; how many bytes lie before it follows from the size of a segment."""

    @classmethod
    def at(cls, timeline: int, position: int, *, size: int) -> Segment:
        """Return the segment that holds `position`."""
        return cls(timeline, position // size)

    @classmethod
    def read(cls, name: str, *, size: int) -> Segment | None:
        """Return the segment that a file of that name is; None where it is none."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        timeline, high, low = (int(part, 16) for part in found.groups())
        return cls(timeline, high * _per_id(size) + low)

    def name(self, *, size: int) -> str:
        """Return its file's name."""
        high, low = divmod(self.number, _per_id(size))
        return f"{self.timeline:08X}{high:08X}{low:08X}"


def _per_id(size: int) -> int:
    return (1 << _HALF) // size
