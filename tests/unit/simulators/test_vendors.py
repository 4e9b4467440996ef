"""The vendors' wire protocols, as a client meets them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest
from pydantic import JsonValue, SecretStr

from unioneyes.simulators.serving import served
from unioneyes.simulators.vendors import application

TOKEN = "xoxb-112233-445566-onlyfortests"
MEMBER = {
    "subject": "user_1",
    "name": "Member One",
    "email": "member-1@example.org",
    "organization": {"id": "org_1", "slug": "one"},
    "role": "steward",
}


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[httpx.Client]:
    with (
        served(lambda url: application(tmp_path, url=url, slack_token=SecretStr(TOKEN))) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        yield client


def verified(token: str, jwks: JsonValue, issuer: str) -> dict[str, JsonValue]:
    keys = jwt.PyJWKSet.from_dict(jwks)  # type: ignore[arg-type]  # JSON of a known shape
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, JsonValue] = jwt.decode(token, key, algorithms=["RS256"], issuer=issuer)
    return claims


def test_the_vendors_say_that_they_are_there(vendors: httpx.Client) -> None:
    assert vendors.get("/healthz").json() == {"status": "healthy"}


def test_a_session_token_verifies_against_the_published_key_and_carries_clerks_claims(vendors: httpx.Client) -> None:
    configuration = vendors.get("/identity/.well-known/openid-configuration").json()
    token = vendors.post("/identity/token", json={**MEMBER, "lifetime_seconds": 60}).json()["token"]
    claims = verified(token, vendors.get(configuration["jwks_uri"]).json(), configuration["issuer"])
    assert claims["sub"] == "user_1"
    assert claims["o"] == {"id": "org_1", "slg": "one", "rol": "steward"}
    assert (claims["v"], claims["name"], claims["email"]) == (2, "Member One", "member-1@example.org")
    assert {"sid", "nbf", "azp"} <= set(claims)
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == 60


def test_a_token_outlives_a_restart_of_its_issuer(tmp_path: Path) -> None:
    with served(lambda _: application(tmp_path, url="http://issuer", slack_token=None)) as url:
        token = httpx.post(f"{url}/identity/token", json=MEMBER, trust_env=False).json()["token"]
    with served(lambda _: application(tmp_path, url="http://issuer", slack_token=None)) as url:
        jwks = httpx.get(f"{url}/identity/.well-known/jwks.json", trust_env=False).json()
    assert verified(token, jwks, "http://issuer/identity")["sub"] == "user_1"
    assert stat.S_IMODE((tmp_path / "identity-key.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize("change", [{"subject": ""}, {"organization": None}, {"lifetime_seconds": 0}, {"admin": True}])
def test_a_token_request_that_makes_no_sense_is_refused(vendors: httpx.Client, change: dict[str, JsonValue]) -> None:
    answer = vendors.post("/identity/token", json={**MEMBER, **change})
    assert answer.status_code == 422
    assert answer.json()["errors"]


def slack(vendors: httpx.Client, method: str, *, token: str | None = TOKEN, content_type: str = "application/json", body: bytes = b"{}") -> JsonValue:
    headers = {"Content-Type": content_type} | ({"Authorization": f"Bearer {token}"} if token else {})
    answer: dict[str, JsonValue] = vendors.post(f"/slack/api/{method}", content=body, headers=headers).json()
    assert answer["ok"] is ("error" not in answer)
    return answer.get("error")


def test_slack_says_who_the_bot_is(vendors: httpx.Client) -> None:
    answer = vendors.post("/slack/api/auth.test", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert (answer["ok"], answer["user"]) == (True, "unioneyes")


@pytest.mark.parametrize(("token", "error"), [(None, "not_authed"), ("xoxb-other", "invalid_auth"), ("xoxp-112233", "invalid_auth")])
def test_slack_refuses_whoever_is_not_the_bot(vendors: httpx.Client, token: str | None, error: str) -> None:
    assert slack(vendors, "auth.test", token=token) == error
    assert vendors.get("/slack/_violations").json() == []


@pytest.mark.parametrize(
    ("method", "content_type", "body", "error"),
    [
        ("chat.postMessages", "application/json", b"{}", "unknown_method"),
        ("chat.postMessage", "text/plain", b"hello", "invalid_post_type"),
        ("chat.postMessage", "application/json", b"{", "invalid_json"),
        ("chat.postMessage", "application/json", b"[]", "json_not_object"),
        ("chat.postMessage", "application/x-www-form-urlencoded", b"channel", "invalid_form_data"),
        ("chat.postMessage", "application/json", b'{"channel": "#incidents"}', "no_text"),
        ("conversations.history", "application/x-www-form-urlencoded", b"channel=C0INCIDENTS&limit=0", "invalid_limit"),
        ("conversations.history", "application/x-www-form-urlencoded", b"channel=C0INCIDENTS&oldest=never", "invalid_arguments"),
        ("conversations.history", "application/x-www-form-urlencoded", b"channel=C0INCIDENTS&cursor=%21", "invalid_cursor"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_and_remembered(vendors: httpx.Client, method: str, content_type: str, body: bytes, error: str) -> None:
    assert slack(vendors, method, content_type=content_type, body=body) == error
    (violation,) = vendors.get("/slack/_violations").json()
    assert (violation["method"], violation["error"]) == (method, error)


def test_an_argument_that_the_method_does_not_have_is_ignored_and_remembered(vendors: httpx.Client) -> None:
    assert slack(vendors, "chat.postMessage", body=b'{"channel": "#incidents", "text": "a", "colour": "red"}') is None
    (violation,) = vendors.get("/slack/_violations").json()
    assert violation["details"] == ["unknown argument: colour"]


def test_the_history_is_asked_by_identifier_only(vendors: httpx.Client) -> None:
    form = "application/x-www-form-urlencoded"
    assert slack(vendors, "conversations.history", content_type=form, body=b"channel=%23incidents") == "channel_not_found"
    assert slack(vendors, "conversations.history", content_type=form, body=b"channel=C0INCIDENTS") is None


def test_the_history_comes_in_pages_newest_first_and_shows_metadata_when_asked(vendors: httpx.Client) -> None:
    for number in range(5):
        slack(vendors, "chat.postMessage", body=b'{"channel": "#incidents", "text": "%d", "metadata": {"event_type": "t", "event_payload": {}}}' % number)
    seen, cursor = list[str](), ""
    while True:
        asked = {"channel": "C0INCIDENTS", "limit": "2", "cursor": cursor}
        page = vendors.get("/slack/api/conversations.history", params=asked, headers={"Authorization": f"Bearer {TOKEN}"}).json()
        seen += [message["text"] for message in page["messages"]]
        assert all("metadata" not in message for message in page["messages"])
        cursor = page["response_metadata"]["next_cursor"]
        if not cursor:
            break
    assert seen == ["4", "3", "2", "1", "0"]
    with_metadata = {"channel": "C0INCIDENTS", "include_all_metadata": "1"}
    shown = vendors.get("/slack/api/conversations.history", params=with_metadata, headers={"Authorization": f"Bearer {TOKEN}"}).json()["messages"]
    assert all(message["metadata"]["event_type"] == "t" for message in shown)


def test_a_fault_lasts_as_many_requests_as_it_was_given(vendors: httpx.Client) -> None:
    vendors.post("/slack/_faults", json={"mode": "ratelimited", "times": 2, "seconds": 7}).raise_for_status()
    answers = [vendors.post("/slack/api/auth.test", headers={"Authorization": f"Bearer {TOKEN}"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert vendors.post("/slack/_faults", json={"mode": "sulking"}).status_code == 422
