"""Envoy's own word that it took a file: until then nothing has changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from unioneyes.adapters.envoy.admin import Accepted
from unioneyes.kernel.units import format_duration
from unioneyes.ports.traffic import RoutesRejected, TrafficUnavailable

CONFIRM_LIMIT = timedelta(seconds=5)
"""A change takes milliseconds; after this Envoy hangs."""
_POLL_SECONDS = 0.002


def confirm(accepted: Callable[[], Accepted], version: str, refused: int) -> None:
    """Return when Envoy took the content with this version. Raises: RoutesRejected, TrafficUnavailable."""
    give_up = time.monotonic() + CONFIRM_LIMIT.total_seconds()
    while (seen := accepted()).version != version:
        if seen.refused > refused:
            raise RoutesRejected(what="Envoy refused the new configuration and keeps the old one", remedy="Envoy's log says why; the file was put back")
        if time.monotonic() > give_up:
            raise TrafficUnavailable(
                what=f"Envoy has not taken a change within {format_duration(CONFIRM_LIMIT)}", remedy="ue env status; the file was put back"
            )
        time.sleep(_POLL_SECONDS)


def new_version() -> str:
    """Return a version that no content had before."""
    return str(time.time_ns())
