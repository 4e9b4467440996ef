"""What Slack accepts, and the code that it refuses the rest with."""

from __future__ import annotations

import json
import time

import pytest
from pydantic import JsonValue

from unioneyes.simulators.slack.schema import SlackError, parse_message
from unioneyes.simulators.slack.views import Views, inputs, parse_view

GOOD: dict[str, JsonValue] = {"channel": "#incidents", "text": "hello"}


def header(text: str) -> JsonValue:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


def button(**members: JsonValue) -> JsonValue:
    return {"type": "button", "text": {"type": "plain_text", "text": "x" * 75}, "action_id": "a", **members}


def actions(*elements: JsonValue) -> JsonValue:
    return {"type": "actions", "elements": [*elements]}


def view(**members: JsonValue) -> JsonValue:
    asked: JsonValue = {
        "type": "input",
        "block_id": "why",
        "label": {"type": "plain_text", "text": "x"},
        "element": {"type": "plain_text_input", "action_id": "text", "max_length": 3000},
    }
    word: JsonValue = {"type": "plain_text", "text": "x" * 24}
    return {"type": "modal", "title": word, "submit": word, "blocks": [asked], "private_metadata": "x" * 3000, **members}


def test_a_modal_that_fits_is_shown() -> None:
    assert inputs(parse_view(view())) == {"why": "text"}
    assert inputs(parse_view(json.dumps(view()))) == {"why": "text"}


@pytest.mark.parametrize(
    "members",
    [
        {"type": "home"},
        {"title": {"type": "plain_text", "text": "x" * 25}},
        {"title": {"type": "mrkdwn", "text": "x"}},
        {"submit": {"type": "plain_text", "text": ""}},
        {"private_metadata": "x" * 3001},
        {"callback_id": "x" * 256},
        {"blocks": [header("x")] * 101},
        {"blocks": {}},
        {"colour": "red"},
        {"blocks": [{"type": "input", "label": {"type": "plain_text", "text": "x"}, "element": {"type": "plain_text_input"}}]},
        {"blocks": [{"type": "input", "block_id": "a", "label": {"type": "plain_text", "text": "x"}, "element": {"type": "button", "action_id": "b"}}]},
    ],
)
def test_a_modal_that_does_not_fit_is_refused(members: dict[str, JsonValue]) -> None:
    with pytest.raises(SlackError, match="invalid_arguments"):
        parse_view(view(**members))


def test_a_trigger_shows_one_modal_and_only_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    views = Views()
    trigger, late = views.trigger("U1"), views.trigger("U1")
    assert views.show({"trigger_id": trigger, "view": view()})["id"] == next(iter(views.open))
    for wrong, error in ((trigger, "exchanged_trigger_id"), ("1.x", "invalid_trigger_id")):
        with pytest.raises(SlackError, match=error):
            views.show({"trigger_id": wrong, "view": view()})
    later = time.monotonic() + 4
    monkeypatch.setattr("time.monotonic", lambda: later)
    with pytest.raises(SlackError, match="expired_trigger_id"):
        views.show({"trigger_id": late, "view": view()})


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
        {"blocks": [actions(button(style="danger", url="https://example.org/x"), button(action_id="b", value="x" * 2000))]},
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
        ({"blocks": [{"type": "input", "label": {"type": "plain_text", "text": "x"}}]}, "invalid_blocks"),
        ({"blocks": [actions()]}, "invalid_blocks"),
        ({"blocks": [actions(*[button()] * 2)]}, "invalid_blocks"),
        ({"blocks": [actions(*(button(action_id=str(number)) for number in range(26)))]}, "invalid_blocks"),
        ({"blocks": [actions(button(text={"type": "mrkdwn", "text": "x"}))]}, "invalid_blocks"),
        ({"blocks": [actions(button(text={"type": "plain_text", "text": "x" * 76}))]}, "invalid_blocks"),
        ({"blocks": [actions(button(value="x" * 2001))]}, "invalid_blocks"),
        ({"blocks": [actions(button(url="javascript:x"))]}, "invalid_blocks"),
        ({"blocks": [actions(button(style="warning"))]}, "invalid_blocks"),
        ({"blocks": [actions(button(colour="red"))]}, "invalid_blocks"),
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
