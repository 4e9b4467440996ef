"""Telling people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from unioneyes.kernel.problems import Problem, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What stakeholders are told."""

    channel: str
    """`#incidents`."""
    title: str
    facts: tuple[tuple[str, str], ...]
    """(name, value) pairs, in the order of the document's template."""
    key: str
    """Idempotency key: the same key is announced once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """The vendor took the message."""

    channel: str
    reference: str
    """The vendor's own identifier of the message."""
    repeated: bool
    """True when it had been sent before, and was not sent again."""


class Notifier(Protocol):
    """A chat that stakeholders read."""

    def announce(self, announcement: Announcement) -> Announced:
        """The channel shows the announcement, once per key. Raises: NotifierUnavailable, NotifierRefused."""

    def describe_announce(self, announcement: Announcement) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""


class NotifierUnavailable(Unavailable):
    """The vendor does not take messages at the moment."""


class NotifierRefused(Problem):
    """The vendor will not take this message from us, now or later: the token, the channel or the message is wrong."""
