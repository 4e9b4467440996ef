"""A chat in which people answer: what they do there, and what they are shown for it. Who they are is none of its business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from unioneyes.kernel.problems import NotAuthorised


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """The yes or no that somebody is about to say, as the message had it that they read."""

    run: str
    gate: str
    plan: str
    """The hash of what they would sign."""
    yes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """Somebody wants to answer, and sees nothing yet."""

    account: str
    """The chat's own name for who did it: `slack/T0123/U0456`. It says nothing of who they are here."""
    answering: Answering
    ticket: str
    """Lets one form be shown to them, within three seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoned:
    """Somebody filled in why."""

    account: str
    answering: Answering
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """Somebody filled in the code that says who they are here."""

    account: str
    answering: Answering
    code: str


Doing = Pressed | Reasoned | Coded


@dataclass(frozen=True, slots=True, kw_only=True)
class AskWhy:
    """A form that shows what is signed, and asks for the reason."""

    answering: Answering
    title: str
    """What the run would do."""
    facts: tuple[tuple[str, str], ...]
    """(name, value) pairs."""
    longest: int
    """Characters of a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCode:
    """A form that asks for the code, and says where it is had."""

    answering: Answering
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Nothing is asked any more."""

    title: str
    """A few words."""
    text: str


Shown = AskWhy | AskCode | Tell


class Chat(Protocol):
    """A chat that tells us what people do with our messages, and signs what it tells."""

    @property
    def place(self) -> str:
        """What people call it: `Slack`."""

    def read(self, body: bytes, headers: Mapping[str, str]) -> Doing | None:
        """Return what somebody did; None for what asks nothing of us. Raises: NotOfChat, where it was not the chat that sent this, lately, as it is."""

    def show(self, pressed: Pressed, form: Shown) -> None:
        """Whoever pressed sees the form. Raises: NotifierUnavailable, NotifierRefused."""

    def next(self, form: Shown) -> JsonValue:
        """Return the answer to what somebody filled in that puts `form` in its place."""

    def complaint(self, doing: Reasoned | Coded, text: str) -> JsonValue:
        """Return the answer that leaves the form as it is, and says beside what was filled in what is wrong with it."""


class NotOfChat(NotAuthorised):
    """The chat did not sign this, or too long ago."""
