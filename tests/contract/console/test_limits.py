"""Whoever guesses tokens gets slow, whoever floods the API too, and nobody else does."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.contract.console.conftest import Alone
from unioneyes.console.limits import WRONG_TOKENS, Limits, RateLimit
from unioneyes.kernel.access import Role
from unioneyes.kernel.problems import ExitCode

pytestmark = pytest.mark.stack

STANDING = 0.0


def still() -> Limits:
    """Limits in a moment that does not pass, so that no test depends on how fast it runs."""
    return Limits(requests=RateLimit(count=20, clock=lambda: STANDING), failures=RateLimit(count=WRONG_TOKENS, clock=lambda: STANDING))


@pytest.fixture
def server(alone: Alone) -> Iterator[httpx.Client]:
    with alone.app(still()) as url, httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def person(server: httpx.Client, alone: Alone, name: str) -> str:
    made = server.post("/api/v1/tokens", json={"name": name, "roles": [Role.VIEWER]}, headers=bearer(alone.token))
    assert made.status_code == 201, made.text
    return str(made.json()["secret"])


def guessed(server: httpx.Client) -> list[int]:
    return [server.get("/api/v1/me", headers=bearer(f"ue_guess-{number}")).status_code for number in range(WRONG_TOKENS + 2)]


def test_a_guesser_is_told_to_wait_and_how_long(server: httpx.Client) -> None:
    assert guessed(server) == [401] * WRONG_TOKENS + [429] * 2
    slowed = server.get("/api/v1/me", headers=bearer("ue_guess-again"))
    assert slowed.headers["content-type"] == "application/problem+json"
    assert slowed.headers["retry-after"] == "6"
    problem = slowed.json()
    assert (problem["type"], problem["status"], problem["exit_code"]) == ("urn:unioneyes:problem:too-many-wrong-tokens", 429, ExitCode.NOT_AUTHORISED)
    assert problem["remedy"] == "wait 6 s, then try again"


def test_a_right_token_that_nobody_showed_there_before_has_to_wait_too_or_a_guesser_would_learn_it(server: httpx.Client, alone: Alone) -> None:
    token = person(server, alone, "late")
    guessed(server)
    assert server.get("/api/v1/me", headers=bearer(token)).status_code == 429


def test_those_who_came_in_before_and_the_machine_s_own_token_go_on_beside_a_guesser(server: httpx.Client, alone: Alone) -> None:
    token = person(server, alone, "early")
    assert server.get("/api/v1/me", headers=bearer(token)).status_code == 200
    guessed(server)
    assert server.get("/api/v1/me", headers=bearer(token)).json()["name"] == "early"
    assert server.get("/api/v1/me", headers=bearer(alone.token)).status_code == 200


def test_a_token_that_was_revoked_is_slowed_like_any_wrong_one(server: httpx.Client, alone: Alone) -> None:
    token = person(server, alone, "gone")
    assert server.get("/api/v1/me", headers=bearer(token)).status_code == 200
    server.post("/api/v1/tokens/gone/revoke", headers=bearer(alone.token)).raise_for_status()
    assert [server.get("/api/v1/me", headers=bearer(token)).status_code for _ in range(WRONG_TOKENS + 1)] == [401] * WRONG_TOKENS + [429]


def test_no_header_makes_another_client_of_a_guesser(server: httpx.Client) -> None:
    guessed(server)
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert server.get("/api/v1/me", headers={header: "203.0.113.7", **bearer("ue_guess")}).status_code == 429


def test_who_shows_no_token_and_who_asks_for_the_sign_in_guesses_nothing(server: httpx.Client) -> None:
    assert {server.get("/api/v1/me").status_code for _ in range(WRONG_TOKENS + 2)} == {401}
    assert {server.get("/login").status_code for _ in range(WRONG_TOKENS + 2)} == {200}


def test_the_sign_in_form_is_slowed_with_the_api_and_says_so_in_words(server: httpx.Client, alone: Alone) -> None:
    token = person(server, alone, "visitor")
    tried = [server.post("/login", data={"token": f"guess-{number}"}) for number in range(WRONG_TOKENS)]
    assert {each.status_code for each in tried} == {401}
    slowed = server.post("/login", data={"token": token})
    assert (slowed.status_code, slowed.headers["retry-after"]) == (429, "6")
    assert "wait 6 s, then try again" in slowed.text
    assert server.post("/login", data={"token": token}).status_code == 429
    assert server.get("/api/v1/me", headers=bearer(token)).status_code == 429


def test_a_flood_is_told_to_wait_by_its_token_and_nobody_else_is(server: httpx.Client, alone: Alone) -> None:
    flooding, other = person(server, alone, "flooding"), person(server, alone, "other")
    assert [server.get("/api/v1/me", headers=bearer(flooding)).status_code for _ in range(21)] == [200] * 20 + [429]
    slowed = server.get("/api/v1/me", headers=bearer(flooding))
    assert slowed.headers["retry-after"] == "3"
    assert (slowed.json()["type"], slowed.json()["retryable"]) == ("urn:unioneyes:problem:too-many-requests", True)
    assert server.get("/api/v1/me", headers=bearer(other)).status_code == 200


def test_a_session_is_counted_with_the_token_that_it_was_begun_with(server: httpx.Client, alone: Alone) -> None:
    token = person(server, alone, "tabs")
    session = server.post("/login", data={"token": token}).cookies["ue_session"]
    server.cookies.clear()
    assert {server.get("/api/v1/me", headers={"Cookie": f"ue_session={session}"}).status_code for _ in range(20)} == {200}
    assert server.get("/api/v1/me", headers=bearer(token)).status_code == 429
    page = server.get("/runs", headers={"Cookie": f"ue_session={session}"})
    assert (page.status_code, page.headers["content-type"], page.headers["retry-after"]) == (429, "text/html; charset=utf-8", "3")


def test_metrics_health_and_static_files_are_never_counted(server: httpx.Client, alone: Alone) -> None:
    for path in ("/metrics", "/healthz", "/api/v1/healthz", "/static/console.css"):
        assert {server.get(path, headers=bearer(alone.token)).status_code for _ in range(25)} == {200}, path
    assert server.get("/api/v1/me", headers=bearer(alone.token)).status_code == 200


def test_every_route_that_asks_who_one_is_says_that_it_may_tell_one_to_wait(server: httpx.Client) -> None:
    document = server.get("/api/v1/openapi.json").json()
    described = [way["responses"] for path, ways in document["paths"].items() if not path.endswith("/healthz") for way in ways.values()]
    assert described
    assert all(responses["429"] == {"$ref": "#/components/responses/TooMany"} for responses in described)
    assert document["components"]["responses"]["TooMany"]["headers"]["Retry-After"]["schema"]["type"] == "integer"


def test_the_command_line_says_what_to_do(server: httpx.Client, alone: Alone) -> None:
    said = [alone.ue("whoami", UE_URL=str(server.base_url), UE_TOKEN="ue_old") for _ in range(2)]
    assert [(each.code, "no valid token" in each.err) for each in said] == [(ExitCode.NOT_AUTHORISED, True)] * 2
    guessed(server)
    slowed = alone.ue("whoami", UE_URL=str(server.base_url), UE_TOKEN="ue_old")
    assert slowed.code == ExitCode.NOT_AUTHORISED
    assert "wait 6 s, then try again" in slowed.err
