"""What is shown in Slack fits Slack, whatever it says; and what comes back is what was shown."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from contextlib import suppress
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, SecretStr

from unioneyes.adapters.slack import SlackChat
from unioneyes.adapters.slack.chat import StrangePayload
from unioneyes.adapters.slack.forms import CODE, WHY, modal
from unioneyes.adapters.slack.message import compose
from unioneyes.ports.chat import Answering, AskCode, AskWhy, Coded, NotOfChat, Pressed, Reasoned, Shown, Tell
from unioneyes.ports.notifier import Announcement, Question
from unioneyes.simulators.slack import schema
from unioneyes.simulators.slack.views import inputs, parse_view

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
CHAT = SlackChat(token=SecretStr("xoxb-1"), signing_secret=SecretStr(SECRET))
TEXTS = st.text(max_size=4000)
NAMES = st.text(min_size=1, max_size=80)
ANSWERINGS = st.builds(Answering, run=NAMES, gate=NAMES, plan=st.from_regex(r"[0-9a-f]{64}", fullmatch=True), yes=st.booleans())
FORMS = st.one_of(
    st.builds(AskWhy, answering=ANSWERINGS, title=TEXTS, facts=st.lists(st.tuples(NAMES, TEXTS), min_size=1, max_size=12).map(tuple), longest=st.just(1000)),
    st.builds(AskCode, answering=ANSWERINGS, how=TEXTS),
    st.builds(Tell, title=TEXTS, text=TEXTS),
)


def signed(payload: JsonValue) -> tuple[bytes, dict[str, str]]:
    body, timestamp = urlencode({"payload": json.dumps(payload)}).encode(), str(int(time.time()))
    signature = hmac.new(SECRET.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
    return body, {"x-slack-request-timestamp": timestamp, "x-slack-signature": f"v0={signature}"}


@given(gates=st.lists(st.tuples(NAMES, TEXTS), max_size=30), page=st.one_of(st.none(), st.just("https://ops.example.org/runs/r#approval")))
def test_every_question_fits_slack_and_each_button_brings_back_what_it_was_for(gates: list[tuple[str, str]], page: str | None) -> None:
    question = Question(run="r-1", plan="a" * 64, gates=tuple(gates), page=page)
    message = compose(Announcement(channel="#incidents", title="AWAITING APPROVAL", facts=(), key="k", question=question))
    schema.parse_message(json.loads(json.dumps({"channel": message.channel, "text": message.text, "blocks": message.blocks, "metadata": message.metadata})))
    asked: list[dict[str, JsonValue]] = [
        element for block in json.loads(json.dumps(message.blocks)) if block["type"] == "actions" for element in block["elements"] if "url" not in element
    ]
    brought = []
    for each in asked:
        pressed = CHAT.read(*signed({"type": "block_actions", "user": {"id": "U1", "team_id": "T1"}, "trigger_id": "1.2", "actions": [each]}))
        assert isinstance(pressed, Pressed)
        assert (pressed.account, pressed.ticket) == ("slack/T1/U1", "1.2")
        brought.append(pressed.answering)
    assert brought == [Answering(run="r-1", gate=gate, plan="a" * 64, yes=yes) for gate, _ in gates[:20] for yes in (True, False)]


@given(form=FORMS, typed=TEXTS)
def test_every_form_fits_slack_and_brings_back_what_it_was_for(form: Shown, typed: str) -> None:
    view = parse_view(json.loads(json.dumps(modal(form))))
    fields = inputs(view)
    if isinstance(form, Tell):
        assert fields == {}
        return
    (block,) = fields
    state: JsonValue = {"values": {block: {fields[block]: {"type": "plain_text_input", "value": typed}}}}
    doing = CHAT.read(*signed({"type": "view_submission", "user": {"id": "U1"}, "team": {"id": "T1"}, "view": {**view, "state": state}}))
    match form:
        case AskWhy():
            assert doing == Reasoned(account="slack/T1/U1", answering=form.answering, reason=typed)
            assert CHAT.complaint(doing, "x" * 999)["errors"].keys() == {WHY}  # type: ignore[index,call-overload,union-attr]  # JSON of a known shape
        case AskCode():
            assert doing == Coded(account="slack/T1/U1", answering=form.answering, code=typed)
            assert CHAT.complaint(doing, "x" * 999)["errors"].keys() == {CODE}  # type: ignore[index,call-overload,union-attr]  # the same


def test_markup_in_what_is_signed_stays_text() -> None:
    answering = Answering(run="r", gate="g", plan="p", yes=True)
    view = json.dumps(modal(AskWhy(answering=answering, title="<!channel>", facts=(("By", "<@U0BOSS> & co"),), longest=10)))
    assert "&lt;@U0BOSS&gt; &amp; co" in view
    assert '{"type": "plain_text", "text": "<!channel>"}' in view, "plain text has no markup"


@given(body=st.binary(max_size=200), timestamp=st.text(max_size=20), signature=st.text(max_size=80))
def test_nothing_unsigned_is_ever_read(body: bytes, timestamp: str, signature: str) -> None:
    with pytest.raises(NotOfChat):
        CHAT.read(body, {"x-slack-request-timestamp": timestamp, "x-slack-signature": signature})


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner)
)


@given(payload=JSONS, kind=st.sampled_from(["block_actions", "view_submission", "view_closed", None]))
def test_what_is_signed_and_makes_no_sense_does_nothing(payload: JsonValue, kind: str | None) -> None:
    with suppress(StrangePayload):
        assert CHAT.read(*signed({**payload, "type": kind} if isinstance(payload, dict) else payload)) is None
