"""What Slack accepts, and the error code that it answers with otherwise. Pure.

Source: Slack's method reference (`chat.postMessage`, `chat.delete`, `conversations.history`, `conversations.list`), its Block Kit reference and
its metadata reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

LONGEST_TEXT = 40_000
MOST_BLOCKS = 50
LONGEST_HEADER = 150
LONGEST_SECTION = 3000
MOST_FIELDS = 10
LONGEST_FIELD = 2000
MOST_CONTEXT_ELEMENTS = 10
LONGEST_BLOCK_ID = 255
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
    blocks = _decoded(arguments.get("blocks", []))
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    complaints = tuple(_check_blocks(blocks))
    if complaints:
        raise SlackError("invalid_blocks", *complaints)
    return blocks


def _parse_metadata(arguments: Arguments) -> dict[str, JsonValue] | None:
    metadata = _decoded(arguments.get("metadata"))
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


def _decoded(value: JsonValue) -> JsonValue:
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


def _check_blocks(blocks: list[JsonValue]) -> Iterator[str]:
    """Yield what is wrong, as Slack words it in `response_metadata.messages`."""
    if len(blocks) > MOST_BLOCKS:
        yield f"no more than {MOST_BLOCKS} items allowed [json-pointer:/blocks]"
    for number, block in enumerate(blocks):
        where = f"/blocks/{number}"
        if not isinstance(block, dict):
            yield _complaint("must be an object", where)
            continue
        block_id = block.get("block_id", "-")
        if not isinstance(block_id, str) or not 1 <= len(block_id) <= LONGEST_BLOCK_ID:
            yield _complaint(f"must be a string of at most {LONGEST_BLOCK_ID} characters", f"{where}/block_id")
        match block.get("type"):
            case "header":
                yield from _check_members(block, {"text"}, where)
                yield from _check_text(block.get("text"), f"{where}/text", longest=LONGEST_HEADER, kinds={"plain_text"})
            case "section":
                yield from _check_section(block, where)
            case "context":
                yield from _check_members(block, {"elements"}, where)
                yield from _check_texts(block.get("elements"), f"{where}/elements", most=MOST_CONTEXT_ELEMENTS, longest=LONGEST_SECTION)
            case "divider":
                yield from _check_members(block, set(), where)
            case kind:
                yield _complaint(f"unsupported type: {kind}", f"{where}/type")


def _check_section(block: dict[str, JsonValue], where: str) -> Iterator[str]:
    yield from _check_members(block, {"text", "fields", "expand"}, where)
    if "text" not in block and "fields" not in block:
        yield _complaint("missing required field: text or fields", where)
    if "text" in block:
        yield from _check_text(block["text"], f"{where}/text", longest=LONGEST_SECTION, kinds={"plain_text", "mrkdwn"})
    if "fields" in block:
        yield from _check_texts(block["fields"], f"{where}/fields", most=MOST_FIELDS, longest=LONGEST_FIELD)


def _check_texts(texts: JsonValue, where: str, *, most: int, longest: int) -> Iterator[str]:
    if not isinstance(texts, list) or not texts:
        yield _complaint("must be a list of at least 1 item", where)
        return
    if len(texts) > most:
        yield _complaint(f"no more than {most} items allowed", where)
    for number, text in enumerate(texts):
        yield from _check_text(text, f"{where}/{number}", longest=longest, kinds={"plain_text", "mrkdwn"})


def _check_text(text: JsonValue, where: str, *, longest: int, kinds: set[str]) -> Iterator[str]:
    if not isinstance(text, dict):
        yield _complaint("missing required field: text", where)
        return
    if text.get("type") not in kinds:
        yield _complaint(f"unsupported type: {text.get('type')}", f"{where}/type")
    yield from _check_members(text, {"text", "emoji" if text.get("type") == "plain_text" else "verbatim"}, where)
    words = text.get("text")
    if not isinstance(words, str) or not words:
        yield _complaint("must be more than 0 characters", f"{where}/text")
    elif len(words) > longest:
        yield _complaint(f"must be less than {longest + 1} characters", f"{where}/text")


def _check_members(thing: dict[str, JsonValue], allowed: set[str], where: str) -> Iterator[str]:
    for name in sorted(set(thing) - allowed - {"type", "block_id"}):
        yield _complaint(f"invalid additional property: {name}", where)


def _complaint(what: str, where: str) -> str:
    return f"[ERROR] {what} [json-pointer:{where}]"
