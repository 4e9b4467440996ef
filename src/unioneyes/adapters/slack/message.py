"""An announcement as a Slack message: blocks for the channel, plain text for notifications and screen readers. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from unioneyes.ports.notifier import Announcement

EVENT_TYPE = "unioneyes_announcement"
"""Marks our messages in the channel's history; the idempotency key stands in the event's payload."""
LONGEST_HEADER = 150
LONGEST_FIELD = 2000
FIELDS_PER_SECTION = 10
LONGEST_TEXT = 4000
"""Characters above which Slack asks that a text be shortened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What `chat.postMessage` is given."""

    channel: str
    text: str
    blocks: list[dict[str, object]]
    metadata: dict[str, object]


def compose(announcement: Announcement) -> Message:
    """Return the message, within Slack's limits. Source: Incident Response, "Stakeholder Notification Template"; Slack's Block Kit reference."""
    header: dict[str, object] = {"type": "header", "text": {"type": "plain_text", "text": _shortened(announcement.title, LONGEST_HEADER)}}
    fields = [{"type": "mrkdwn", "text": _shortened(f"*{_escaped(name)}*\n{_escaped(value)}", LONGEST_FIELD)} for name, value in announcement.facts]
    sections: list[dict[str, object]] = [
        {"type": "section", "fields": fields[start : start + FIELDS_PER_SECTION]} for start in range(0, len(fields), FIELDS_PER_SECTION)
    ]
    lines = (announcement.title, "", *(f"{name}: {value}" for name, value in announcement.facts))
    return Message(
        channel=announcement.channel,
        text=_shortened(_escaped("\n".join(lines).strip()), LONGEST_TEXT),
        blocks=[header, *sections],
        metadata={"event_type": EVENT_TYPE, "event_payload": {"key": announcement.key}},
    )


def _escaped(text: str) -> str:
    """Return `text` so that Slack reads no markup into it. Source: Slack, "Formatting text", the three characters."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
