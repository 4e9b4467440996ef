"""People of the simulated workspace, and the app that is told of what they do."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import pytest
from pydantic import JsonValue, SecretStr
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.certificates import Authority
from unioneyes.simulators import slack
from unioneyes.simulators.serving import served
from unioneyes.simulators.vendors import application

SECRET = "only-for-this-test"
TOLD: list[dict[str, JsonValue]] = []


async def _hear(request: Request) -> Response:
    body = await request.body()
    assert SignatureVerifier(SECRET).is_valid_request(body, dict(request.headers)), "Slack's own SDK believes it"
    TOLD.append(json.loads(parse_qs(body.decode())["payload"][0]))
    return Response() if TOLD[-1]["type"] == "block_actions" else JSONResponse({"response_action": "errors", "errors": {"nowhere": "no"}})


def button(text: str) -> JsonValue:
    return {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": text}, "action_id": "a", "value": "v"}]}


@pytest.mark.parametrize("under_tls", [False, True])
def test_a_press_is_told_to_the_app_as_slack_tells_it_under_tls_too(tmp_path: Path, *, under_tls: bool) -> None:
    issued = Authority(tmp_path, "authority").issue("ops.example") if under_tls else None
    app = slack.App(signing_secret=SecretStr(SECRET), certificate=issued.certificate if issued else None)
    with (
        served(lambda _: Starlette(routes=[Route("/hear", _hear, methods=["POST"])]), certificate=app.certificate, key=issued.key if issued else None) as there,
        served(lambda url: application(tmp_path / "slack", url=url, slack_token=None, slack_app=app)) as vendors,
        httpx.Client(base_url=f"{vendors}/slack", headers={"Authorization": "Bearer xoxb-1"}, trust_env=False) as client,
    ):
        assert client.post("/_press", json={"user": "U0SAM", "button": "Yes"}).status_code == 404, "nobody asked anything yet"
        assert client.post("/_press", json={"user": "sam", "button": "Yes"}).status_code == 422
        for text in ("first", "second"):
            posted = client.post("/api/chat.postMessage", json={"channel": "#incidents", "text": text, "blocks": [button(f"Yes to the {text}")]})
            assert posted.json()["ok"], posted.text
        assert client.post("/_press", json={"user": "U0SAM", "button": "Yes"}).status_code == 404, "the app has no request URL"
        app.request_url = f"{there}/hear"
        assert client.post("/_press", json={"user": "U0SAM", "button": "Yes", "within": "first", "name": "sam"}).json() == {"status": 200, "view": None}
    told = TOLD[-1]
    assert told["user"] == {"id": "U0SAM", "username": "sam", "name": "sam", "team_id": "T0UNIONEYES"}
    assert isinstance(told["actions"], list)
    assert isinstance(told["actions"][0], dict)
    assert (told["actions"][0]["value"], told["message"]["text"]) == ("v", "first")  # type: ignore[index,call-overload]  # JSON of a known shape


def test_an_app_that_complains_of_a_field_that_is_not_there_is_written_down(tmp_path: Path) -> None:
    app = slack.App(signing_secret=SecretStr(SECRET))
    with (
        served(lambda _: Starlette(routes=[Route("/hear", _hear, methods=["POST"])])) as there,
        served(lambda url: application(tmp_path, url=url, slack_token=None, slack_app=app)) as vendors,
        httpx.Client(base_url=f"{vendors}/slack", headers={"Authorization": "Bearer xoxb-1"}, trust_env=False) as client,
    ):
        app.request_url = f"{there}/hear"
        assert client.post("/_submit", json={"user": "U0SAM", "view": "V1", "values": {}}).status_code == 404
        assert client.post("/api/views.open", json={"trigger_id": "1.1", "view": {}}).json()["error"] == "invalid_trigger_id"
        violations = client.get("/_violations").json()
    assert [each["error"] for each in violations] == ["invalid_trigger_id"]
