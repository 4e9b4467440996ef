"""The notifier over the real SDK, against Slack's wire protocol."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, SecretStr

from unioneyes.adapters.slack import SlackNotifier
from unioneyes.adapters.slack.message import compose
from unioneyes.ports.notifier import Announcement, NotifierRefused, NotifierUnavailable
from unioneyes.simulators.serving import served
from unioneyes.simulators.slack import Workspace, schema
from unioneyes.simulators.vendors import application

TOKEN = SecretStr("xoxb-112233-445566-onlyfortests")
ROLLED_BACK = Announcement(
    channel="#incidents",
    title="🚨 Incident Alert - P1",
    facts=(
        ("Issue", "1.2.0-errors answers 20 % of requests with 500"),
        ("Impact", "Users unable to submit new claims"),
        ("Status", "FAILED - ROLLED BACK"),
        ("Team", "@platform-team"),
    ),
    key="deploy-20260209-143000-k7m2q/announce",
)


@dataclass(frozen=True, slots=True)
class Slack:
    """A Slack that is running, as a test looks at it."""

    url: str
    folder: Path

    def notifier(self, token: SecretStr = TOKEN) -> SlackNotifier:
        return SlackNotifier(token=token, base_url=f"{self.url}/slack/api/", time_limit=timedelta(seconds=1))

    def fails(self, **faults: JsonValue) -> None:
        httpx.post(f"{self.url}/slack/_faults", json=faults, trust_env=False).raise_for_status()

    def received(self) -> list[dict[str, JsonValue]]:
        messages: list[dict[str, JsonValue]] = httpx.get(f"{self.url}/slack/_received", trust_env=False).json()
        return messages

    def violations(self) -> list[JsonValue]:
        violations: list[JsonValue] = httpx.get(f"{self.url}/slack/_violations", trust_env=False).json()
        return violations


@pytest.fixture
def slack(tmp_path: Path) -> Iterator[Slack]:
    with served(lambda url: application(tmp_path, url=url, slack_token=TOKEN)) as url:
        running = Slack(url, tmp_path)
        yield running
        assert running.violations() == []


def test_an_announcement_stands_in_the_channel_in_the_documents_words(slack: Slack) -> None:
    announced = slack.notifier().announce(ROLLED_BACK)
    (message,) = slack.received()
    assert not announced.repeated
    assert (announced.channel, announced.reference) == ("#incidents", message["ts"])
    assert message["channel_name"] == "incidents"
    assert message["text"] == (
        "🚨 Incident Alert - P1\n\nIssue: 1.2.0-errors answers 20 % of requests with 500\nImpact: Users unable to submit new claims\n"
        "Status: FAILED - ROLLED BACK\nTeam: @platform-team"
    )
    assert message["blocks"][0]["text"]["text"] == "🚨 Incident Alert - P1"  # type: ignore[index,call-overload]  # JSON of a known shape
    assert message["metadata"] == {"event_type": "unioneyes_announcement", "event_payload": {"key": ROLLED_BACK.key}}


def test_the_same_key_is_announced_once(slack: Slack) -> None:
    first, second = slack.notifier().announce(ROLLED_BACK), slack.notifier().announce(ROLLED_BACK)
    assert (second.repeated, second.reference) == (True, first.reference)
    assert len(slack.received()) == 1


def test_another_key_is_announced_beside_it(slack: Slack) -> None:
    notifier = slack.notifier()
    for key in ("a", "b"):
        assert not notifier.announce(Announcement(channel="#incidents", title="Alert", facts=(), key=key)).repeated
    assert len(slack.received()) == 2


def test_the_same_key_in_another_channel_is_another_announcement(slack: Slack) -> None:
    notifier = slack.notifier()
    for channel in ("#incidents", "deployments"):
        assert not notifier.announce(Announcement(channel=channel, title="Alert", facts=(), key="a")).repeated


def test_an_announcement_is_recognised_behind_hundreds_of_later_messages(tmp_path: Path) -> None:
    with served(lambda url: application(tmp_path, url=url, slack_token=TOKEN)) as url:
        first = Slack(url, tmp_path).notifier().announce(ROLLED_BACK)
    workspace = Workspace(tmp_path)
    channel = workspace.channel("incidents")
    assert channel is not None
    for number in range(450):
        workspace.post(channel, schema.NewMessage(channel="incidents", text=f"later {number}", blocks=[], metadata=None))
    with served(lambda url: application(tmp_path, url=url, slack_token=TOKEN)) as url:
        again = Slack(url, tmp_path).notifier().announce(ROLLED_BACK)
    assert (again.repeated, again.reference) == (True, first.reference)


def test_an_answer_that_was_lost_does_not_double_the_announcement(slack: Slack) -> None:
    slack.fails(mode="slow", method="chat.postMessage", times=1, seconds=2)
    with pytest.raises(NotifierUnavailable) as problem:
        slack.notifier().announce(ROLLED_BACK)
    assert problem.value.retryable
    assert slack.notifier().announce(ROLLED_BACK).repeated
    assert len(slack.received()) == 1


def test_a_slack_that_is_down_is_unavailable_and_takes_the_announcement_later(slack: Slack) -> None:
    slack.fails(mode="down")
    with pytest.raises(NotifierUnavailable, match="503"):
        slack.notifier().announce(ROLLED_BACK)
    assert slack.received() == []
    slack.fails(mode=None)
    assert not slack.notifier().announce(ROLLED_BACK).repeated


def test_a_slack_that_nobody_reaches_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with pytest.raises(NotifierUnavailable):
        SlackNotifier(token=TOKEN, base_url=f"http://127.0.0.1:{port}/slack/api/").announce(ROLLED_BACK)


def test_a_rate_limit_is_waited_out(slack: Slack) -> None:
    slack.fails(mode="ratelimited", method="chat.postMessage", times=1, seconds=0)
    assert not slack.notifier().announce(ROLLED_BACK).repeated
    assert len(slack.received()) == 1


def test_a_rate_limit_beyond_patience_is_left_to_a_later_try(slack: Slack) -> None:
    slack.fails(mode="ratelimited", seconds=60)
    with pytest.raises(NotifierUnavailable, match="ratelimited"):
        slack.notifier().announce(ROLLED_BACK)


def test_a_wrong_token_is_refused_and_shown_nowhere(slack: Slack) -> None:
    wrong = SecretStr("xoxb-999999-888888-wrongtoken")
    with pytest.raises(NotifierRefused, match="invalid_auth") as problem:
        slack.notifier(wrong).announce(ROLLED_BACK)
    assert not problem.value.retryable
    assert "bot token" in problem.value.remedy
    shown = f"{problem.value} {problem.value.document()} {problem.value.__cause__}"
    assert "wrongtoken" not in shown


@pytest.mark.parametrize(
    ("channel", "code", "remedy"),
    [("#nowhere", "channel_not_found", "create"), ("#board", "not_in_channel", "invite"), ("#incidents-2025", "is_archived", "unarchive")],
)
def test_a_channel_that_takes_no_message_is_refused_with_its_remedy(slack: Slack, channel: str, code: str, remedy: str) -> None:
    with pytest.raises(NotifierRefused, match=code) as problem:
        slack.notifier().announce(Announcement(channel=channel, title="Alert", facts=(), key="a"))
    assert remedy in problem.value.remedy
    assert slack.received() == []


def test_the_described_command_posts_the_same_and_holds_no_token(slack: Slack) -> None:
    (command,) = slack.notifier().describe_announce(ROLLED_BACK)
    words = shlex.split(command)
    assert TOKEN.get_secret_value() not in command
    assert words[words.index("POST") + 1] == f"{slack.url}/slack/api/chat.postMessage"
    headers = {"Authorization": f"Bearer {TOKEN.get_secret_value()}", "Content-Type": "application/json; charset=utf-8"}
    body = words[words.index("-d") + 1]
    assert httpx.post(f"{slack.url}/slack/api/chat.postMessage", headers=headers, content=body.encode(), trust_env=False).json()["ok"]
    assert slack.notifier().announce(ROLLED_BACK).repeated


@given(
    title=st.text(min_size=1),
    facts=st.lists(st.tuples(st.text(), st.text(max_size=5000)), max_size=35),
)
def test_every_announcement_fits_slacks_schema(title: str, facts: list[tuple[str, str]]) -> None:
    message = compose(Announcement(channel="#incidents", title=title, facts=tuple(facts), key="a"))
    arguments = json.loads(json.dumps({"channel": message.channel, "text": message.text, "blocks": message.blocks, "metadata": message.metadata}))
    assert schema.parse_message(arguments).channel == "#incidents"
    assert schema.unknown_arguments(arguments, schema.POST_MESSAGE_ARGUMENTS) == ()


def test_markup_in_a_fact_stays_text() -> None:
    message = compose(Announcement(channel="#incidents", title="Alert", facts=(("Issue", "<!channel> & <http://example.org>"),), key="a"))
    assert "<!channel>" not in json.dumps(message.blocks)
    assert "&lt;!channel&gt; &amp;" in message.text
