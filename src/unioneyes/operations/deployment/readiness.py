"""Whether the way back is open, as a pure rule over what was seen of the old version: it is believed when it answers, and not because it did once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from unioneyes.operations.deployment.verdict import Look

SILENT_FOR = timedelta(seconds=2)
"""How long no probe of the old version may be answered well; ten are made a second."""


class Turn(StrEnum):
    """What became of the way back."""

    LOST = "lost"
    REGAINED = "regained"


@dataclass(slots=True, kw_only=True)
class Readiness:
    """Whether the old version could take the members back now. Fed with every look."""

    losses: int = 0
    """How often it was lost, by a watch before a takeover too."""
    lost_since: datetime | None = None
    why: str = ""
    """Why it is lost; empty while it is not."""
    _answered_at: datetime | None = None

    def see(self, look: Look) -> Turn | None:
        """Take one more look into account; return what turned by it."""
        old = look.old
        if old is None:
            return None
        if old.answered or self._answered_at is None:
            self._answered_at = look.at
        if self.lost_since is not None:
            return self._regain() if old.answered and old.ready != 0 else None
        if old.ready == 0:
            return self._lose(look.at, "none of its replicas is ready")
        if look.at - self._answered_at > SILENT_FOR:
            return self._lose(self._answered_at, f"it has given no good answer for {SILENT_FOR.total_seconds():.0f} s")
        return None

    def _lose(self, since: datetime, why: str) -> Turn:
        self.losses += 1
        self.lost_since, self.why = since, why
        return Turn.LOST

    def _regain(self) -> Turn:
        self.lost_since, self.why = None, ""
        return Turn.REGAINED
