"""What Slack accepts, and the code that it refuses the rest with."""

from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from unioneyes.simulators.slack.schema import SlackError, parse_message

GOOD: dict[str, JsonValue] = {"channel": "#incidents", "text": "hello"}


def header(text: str) -> JsonValue:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


def section(count: int, text: str = "field") -> JsonValue:
    return {"type": "section", "fields": [{"type": "mrkdwn", "text": text} for _ in range(count)]}


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"text": "x" * 40_000},
        {"text": "", "blocks": [header("x" * 150)]},
        {"blocks": [section(10, "x" * 2000), {"type": "divider"}]},
        {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000, "verbatim": True}, "block_id": "one"}]},
        {"blocks": [{"type": "context", "elements": [{"type": "plain_text", "text": "x", "emoji": True}]}]},
        {"blocks": [header("x")] * 50},
        {"metadata": {"event_type": "told", "event_payload": {"key": "a", "count": 1, "sure": True, "who": {"id": "b"}, "all": [{"id": "c"}]}}},
        {"blocks": json.dumps([header("x")]), "metadata": json.dumps({"event_type": "told", "event_payload": {}})},
    ],
)
def test_what_fits_is_taken(message: dict[str, JsonValue]) -> None:
    assert parse_message({**GOOD, **message}).channel == "#incidents"


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"channel": ""}, "channel_not_found"),
        ({"channel": 5}, "channel_not_found"),
        ({"text": ""}, "no_text"),
        ({"text": 5}, "invalid_arguments"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"blocks": "not json"}, "invalid_blocks_format"),
        ({"blocks": {}}, "invalid_blocks_format"),
        ({"blocks": [header("x")] * 51}, "invalid_blocks"),
        ({"blocks": [header("x" * 151)]}, "invalid_blocks"),
        ({"blocks": [header("")]}, "invalid_blocks"),
        ({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, "invalid_blocks"),
        ({"blocks": [section(11)]}, "invalid_blocks"),
        ({"blocks": [section(0)]}, "invalid_blocks"),
        ({"blocks": [section(1, "x" * 2001)]}, "invalid_blocks"),
        ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": "x"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x"}, "colour": "red"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "banner"}]}, "invalid_blocks"),
        ({"blocks": ["text"]}, "invalid_blocks"),
        ({"blocks": [{"type": "divider", "block_id": "x" * 256}]}, "invalid_blocks"),
        ({"metadata": "told"}, "invalid_metadata_format"),
        ({"metadata": {"event_type": "told"}}, "invalid_metadata_format"),
        ({"metadata": {"event_type": "to be told", "event_payload": {}}}, "invalid_metadata_format"),
        ({"metadata": {"event_type": "told", "event_payload": {"who": {"deep": {"er": 1}}}}}, "invalid_metadata_schema"),
        ({"metadata": {"event_type": "told", "event_payload": {"who": None}}}, "invalid_metadata_schema"),
        ({"metadata": {"event_type": "told", "event_payload": {"key": "x" * 16_000}}}, "metadata_too_large"),
    ],
)
def test_what_does_not_fit_is_refused_with_slacks_own_code(message: dict[str, JsonValue], error: str) -> None:
    with pytest.raises(SlackError) as refused:
        parse_message({**GOOD, **message})
    assert refused.value.error == error


def test_a_refused_block_is_pointed_at() -> None:
    with pytest.raises(SlackError) as refused:
        parse_message({**GOOD, "blocks": [header("x"), section(1, "x" * 2001)]})
    assert refused.value.details == ("[ERROR] must be less than 2001 characters [json-pointer:/blocks/1/fields/0/text]",)
