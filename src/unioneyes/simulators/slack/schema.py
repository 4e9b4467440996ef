"""What Slack accepts, and the error code that it answers with otherwise. Pure.

Source: Slack's method reference (`chat.postMessage`, `chat.delete`, `conversations.history`, `conversations.list`), its Block Kit reference and
its metadata reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from unioneyes.simulators.slack.blocks import IN_MESSAGES, MOST_BLOCKS, check_blocks

LONGEST_TEXT = 40_000
LARGEST_METADATA = 16_000
"""Bytes of a message's metadata as JSON."""

POST_MESSAGE_ARGUMENTS = frozenset(
    {
        *("attachments", "as_user", "blocks", "channel", "icon_emoji", "icon_url", "link_names", "markdown_text", "metadata", "mrkdwn", "parse"),
        *("reply_broadcast", "text", "thread_ts", "token", "unfurl_links", "unfurl_media", "username"),
    }
)
HISTORY_ARGUMENTS = frozenset({"channel", "cursor", "include_all_metadata", "inclusive", "latest", "limit", "oldest", "token"})
LIST_ARGUMENTS = frozenset({"cursor", "exclude_archived", "limit", "team_id", "token", "types"})
DELETE_ARGUMENTS = frozenset({"as_user", "channel", "token", "ts"})
AUTH_TEST_ARGUMENTS = frozenset({"token"})
VIEWS_OPEN_ARGUMENTS = frozenset({"interactivity_pointer", "token", "trigger_id", "view"})

Arguments = Mapping[str, JsonValue]


class SlackError(Exception):
    """The request is refused with a code that Slack has, and with what Slack says in `response_metadata.messages`."""

    def __init__(self, error: str, *details: str) -> None:
        """Refuse with `error`."""
        super().__init__(error)
        self.error = error
        self.details = details


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message that fits."""

    channel: str
    """Name or identifier, as it was given."""
    text: str
    blocks: list[JsonValue]
    metadata: dict[str, JsonValue] | None


def parse_message(arguments: Arguments) -> NewMessage:
    """Return the message that `chat.postMessage` is asked to post. Raises: SlackError."""
    channel, text = arguments.get("channel"), arguments.get("text", "")
    if not isinstance(channel, str) or not channel:
        raise SlackError("channel_not_found", "missing required field: channel")
    if not isinstance(text, str):
        raise SlackError("invalid_arguments", "must be a string [json-pointer:/text]")
    if len(text) > LONGEST_TEXT:
        raise SlackError("msg_too_long")
    blocks = _parse_blocks(arguments)
    if not text and not blocks:
        raise SlackError("no_text")
    return NewMessage(channel=channel, text=text, blocks=blocks, metadata=_parse_metadata(arguments))


def _parse_blocks(arguments: Arguments) -> list[JsonValue]:
    blocks = decoded(arguments.get("blocks", []))
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    complaints = tuple(check_blocks(blocks, most=MOST_BLOCKS, kinds=IN_MESSAGES))
    if complaints:
        raise SlackError("invalid_blocks", *complaints)
    return blocks


def _parse_metadata(arguments: Arguments) -> dict[str, JsonValue] | None:
    metadata = decoded(arguments.get("metadata"))
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or set(metadata) != {"event_type", "event_payload"}:
        raise SlackError("invalid_metadata_format")
    event, payload = metadata["event_type"], metadata["event_payload"]
    if not isinstance(event, str) or not re.fullmatch(r"[A-Za-z0-9_.-]+", event) or not isinstance(payload, dict):
        raise SlackError("invalid_metadata_format")
    if not all(_is_payload_value(value) for value in payload.values()):
        raise SlackError("invalid_metadata_schema")
    if len(json.dumps(metadata).encode()) > LARGEST_METADATA:
        raise SlackError("metadata_too_large")
    return metadata


def unknown_arguments(arguments: Arguments, known: frozenset[str]) -> tuple[str, ...]:
    """Return the arguments that the method does not have. Slack ignores them; a client that sends them is mistaken."""
    return tuple(f"unknown argument: {name}" for name in sorted(set(arguments) - known))


def decoded(value: JsonValue) -> JsonValue:
    """Return what a form field holds: nested values travel there as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        decoded: JsonValue = json.loads(value)
    except json.JSONDecodeError:
        return value
    return decoded


def _is_payload_value(value: JsonValue) -> bool:
    match value:
        case str() | int() | float():
            return True
        case dict():
            return all(isinstance(part, str | int | float) for part in value.values())
        case list():
            return all(isinstance(part, dict) and _is_payload_value(part) for part in value)
        case _:
            return False
