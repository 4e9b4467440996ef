"""Telling people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from unioneyes.kernel.problems import Problem, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What people are asked to say yes or no to. A chat may let them do so where they read it (`ports.chat`)."""

    run: str
    plan: str
    """The hash of what they sign."""
    gates: tuple[tuple[str, str], ...]
    """(name, title) of each gate that is asked for."""
    page: str | None
    """Where the console shows all of it; None where no browser reaches it."""


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
    question: Question | None = None
    """None: nobody is asked for an answer."""


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
