"""What comes in at the chat's own door: what Slack signed, lately and as it is, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpx
import pytest
from pydantic import JsonValue

from tests.contract.console.chat.slack import APPROVE, Json, Place, filled_in
from tests.contract.console.conftest import Alone
from unioneyes.console.limits import WRONG_TOKENS, Limits, RateLimit
from unioneyes.environments.listening import CHAT_HOOK
from unioneyes.kernel.access import Role
from unioneyes.simulators import oidc, slack

pytestmark = pytest.mark.stack


PING: Json = {"type": "block_actions", "user": {"id": "U0X"}, "trigger_id": "1", "actions": [{"action_id": "approval.look"}]}


def test_only_what_slack_signed_lately_and_as_it_is_counts(place: Place) -> None:
    body, headers = place.signed(PING)
    assert place.sent(body, headers).status_code == 200
    assert place.sent(body, headers).content == b"", "again: nothing comes of it"
    altered: tuple[Mapping[str, str | bytes], ...] = (
        {"X-Slack-Signature": "v0=" + "0" * 64},
        {"X-Slack-Signature": b"\xfc"},
        {"X-Slack-Request-Timestamp": "soon"},
        {"X-Slack-Request-Timestamp": str(int(headers["X-Slack-Request-Timestamp"]) + 1)},
    )
    for wrong in altered:
        assert place.sent(body, {**headers, **wrong}).status_code == 401, wrong
    assert place.sent(body, {"Content-Type": headers["Content-Type"]}).status_code == 401
    assert place.sent(body + b"&x=1", headers).status_code == 401
    assert place.sent(b"\xff", headers).status_code == 401
    for moment in (-301, 301):
        assert place.sent(*place.signed(PING, at=int(time.time()) + moment)).status_code == 401
    refused = place.sent(body, headers | {"X-Slack-Signature": "v0=0"})
    assert refused.headers["content-type"] == "application/problem+json"
    assert httpx.get(f"{place.url}{CHAT_HOOK}", trust_env=False).status_code == 405


def test_a_replayed_answer_is_the_same_answer(place: Place) -> None:
    place.linked("U0REPLAY", "rita", Role.SECURITY_APPROVER)
    run = place.asked()
    sent = place.signed(filled_in("U0REPLAY", run, "yes"))
    assert "You said yes" in place.sent(*sent).text
    assert "rita has answered" in place.sent(*sent).json()["errors"]["approval.why"]
    assert len(place.answers(run)) == 1


@pytest.mark.parametrize(
    "payload",
    [
        [],
        {"type": "block_actions"},
        {"type": "block_actions", "user": {"id": "../x"}, "trigger_id": "1", "actions": []},
        {"type": "block_actions", "user": {"id": "U0X"}, "trigger_id": "1", "actions": [{"action_id": "approval.grant", "value": "{}"}]},
        {"type": "view_submission", "user": {"id": "U0X"}, "view": {"callback_id": "approval.why", "private_metadata": "", "state": {"values": {}}}},
        {"type": "shortcut", "user": {"id": "U0X"}},
    ],
)
def test_what_slack_would_not_send_does_nothing(place: Place, payload: JsonValue) -> None:
    assert place.sent(*place.signed(payload)).status_code in {200, 422}


def test_slack_that_is_away_shows_nothing_and_slack_says_so(place: Place) -> None:
    run = place.asked()
    for mode in ("down", "slow"):
        httpx.post(f"{place.slack}/slack/_faults", json={"mode": mode, "method": "views.open", "times": 1, "seconds": 4}, trust_env=False).raise_for_status()
        began = time.monotonic()
        done = place.does("press", user="U0AWAY", button=APPROVE, within=run)
        assert done["status"] == 503
        assert time.monotonic() - began < 3
    assert place.press("U0AWAY", run)["callback_id"] == "approval.code"


def test_who_can_not_sign_is_slowed_and_slack_is_not(alone: Alone) -> None:
    still = Limits(failures=RateLimit(count=WRONG_TOKENS, clock=lambda: 0.0))
    app = slack.App(signing_secret=alone.stack.secrets.slack_signing_secret)
    with alone.app(still) as url:
        nobody = oidc.Provider(url="", client=oidc.Client(client_id="", secret=None, redirect_uris=()), people=())
        there = Place(url=url, slack="", app=app, alone=alone, provider=nobody)
        body, headers = there.signed(PING)
        forged = [there.sent(body, headers | {"X-Slack-Signature": f"v0={number:064}"}).status_code for number in range(WRONG_TOKENS + 2)]
        assert forged == [401] * WRONG_TOKENS + [429] * 2
        assert there.sent(body, headers).status_code == 200
        wrong = httpx.get(f"{url}/api/v1/me", headers={"Authorization": "Bearer ue_guess"}, trust_env=False)
        assert wrong.status_code == 429, "they are counted with wrong tokens"
        for number in range(WRONG_TOKENS + 1):
            guess = filled_in("U0GUESS", "r", f"guess {number}", form="approval.code")
            said = there.sent(*there.signed(guess)).json()["errors"]["approval.code"]
            assert ("wait 6 s" in said) == (number == WRONG_TOKENS), said
