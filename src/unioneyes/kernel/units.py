"""Durations and sizes as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

from unioneyes.kernel.problems import BadInput

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_TENTHS_BELOW = 10.0
"""Seconds below which a tenth still says something."""


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` names: `90s`, `10m`, `1h30m`, `500ms`; a bare number is seconds.

    Raises: BadInput when it names none.
    """
    compact = text.strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        compact += "s"
    if not re.fullmatch(rf"({_PART.pattern})+", compact):
        raise BadInput(what=f"{text!r} is no duration", remedy="write it as 90s, 10m or 1h30m")
    try:
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(compact)))
    except OverflowError:
        raise BadInput(what=f"{text!r} is longer than anything lasts", remedy="write it as 90s, 10m or 1h30m") from None


def format_duration(duration: timedelta) -> str:
    """Return `duration` in at most two units: `340 ms`, `4.2 s`, `10 min`, `1 h 30 min`, `3 d 2 h`."""
    seconds = duration.total_seconds()
    if seconds < 0:
        return f"-{format_duration(-duration)}"
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < _TENTHS_BELOW:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    days, whole = divmod(whole, 86400)
    hours, whole = divmod(whole, 3600)
    minutes, whole = divmod(whole, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (whole, "s")]
    shown = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(shown[:2]) or "0 s"


def format_share(share: float) -> str:
    """Return a share of 0-1 in percent: `0.0 %`, `14.4 %`."""
    return f"{100 * share:.1f} %"


def format_bytes(count: int) -> str:
    """Return `count` bytes in binary units: `312 B`, `4.2 KiB`, `1.0 GiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - the factor of binary units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
