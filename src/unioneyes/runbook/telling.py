"""Telling people from a thread that looks again and again: what the chat did not take is told by a later look."""

from __future__ import annotations

import logging
from datetime import timedelta

from unioneyes.kernel.clock import Deadline
from unioneyes.kernel.problems import Problem
from unioneyes.ports.notifier import Announcement, Notifier

TELL_AGAIN = timedelta(seconds=30)
"""After the chat took nothing."""

_logger = logging.getLogger(__name__)


class Teller:
    """Asks nothing of a chat that is away until `again` has passed."""

    def __init__(self, notifier: Notifier, *, again: timedelta = TELL_AGAIN) -> None:
        """Announce by `notifier`."""
        self._notifier = notifier
        self._again = again
        self._quiet_until = Deadline.after(timedelta(0))

    def tell(self, told: Announcement) -> bool:
        """Return whether people were told, now or before: once per key. False where the chat did not take it, or is not asked yet."""
        if not self._quiet_until.passed:
            return False
        try:
            self._notifier.announce(told)
        except Problem as problem:
            _logger.warning("%s was not announced, and is tried again: %s", told.title, problem)
            self._quiet_until = Deadline.after(self._again)
            return False
        return True
