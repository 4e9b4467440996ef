"""An announcement as a Slack message: blocks for the channel, plain text for notifications and screen readers. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from unioneyes.adapters.slack.forms import buttons
from unioneyes.adapters.slack.text import escaped, shortened
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
    header: dict[str, object] = {"type": "header", "text": {"type": "plain_text", "text": shortened(announcement.title, LONGEST_HEADER)}}
    fields = [{"type": "mrkdwn", "text": shortened(f"*{escaped(name)}*\n{escaped(value)}", LONGEST_FIELD)} for name, value in announcement.facts]
    sections: list[dict[str, object]] = [
        {"type": "section", "fields": fields[start : start + FIELDS_PER_SECTION]} for start in range(0, len(fields), FIELDS_PER_SECTION)
    ]
    asked: list[dict[str, object]] = [{**block} for block in buttons(announcement.question)] if announcement.question else []
    lines = (announcement.title, "", *(f"{name}: {value}" for name, value in announcement.facts))
    return Message(
        channel=announcement.channel,
        text=shortened(escaped("\n".join(lines).strip()), LONGEST_TEXT),
        blocks=[header, *sections, *asked],
        metadata={"event_type": EVENT_TYPE, "event_payload": {"key": announcement.key}},
    )
