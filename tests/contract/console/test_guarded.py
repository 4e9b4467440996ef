"""What a browser is told with every answer, and which changes it may bring: none but those of our own pages."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psycopg
import pytest
from fastapi.routing import APIRoute

from tests.contract.console.conftest import Alone, app_routes, method_of
from unioneyes.console.forgery import SAFE_METHODS
from unioneyes.console.guard import LARGEST_REQUEST
from unioneyes.environments.listening import CHAT_HOOK
from unioneyes.kernel.problems import ExitCode
from unioneyes.runbook.audit.entry import Action, read_entry

pytestmark = pytest.mark.stack

ROUTES = [route for route in app_routes() if isinstance(route, APIRoute)]
CHANGING = [route for route in ROUTES if method_of(route) not in SAFE_METHODS and route.path not in {"/login", CHAT_HOOK}]
NONSENSE = {"name": "Not A Name", "roles": ["viewer"]}
"""As a token's: understood, and refused with 422 where it is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """Somebody who is signed in."""

    client: httpx.Client
    own: str
    """Origin of the console."""
    page_token: str

    def post(self, path: str, **headers: str) -> httpx.Response:
        return self.client.post(path, json=NONSENSE, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture(scope="module")
def server(alone: Alone) -> Iterator[str]:
    with alone.app() as url:
        yield url


@pytest.fixture(scope="module")
def browser(server: str, alone: Alone) -> Iterator[Browser]:
    with httpx.Client(base_url=server, timeout=60, trust_env=False) as client:
        assert client.post("/login", data={"token": alone.token}).status_code == 303
        shown = re.search(r"""hx-headers='\{"X-CSRF-Token": "([0-9a-f]{64})"\}'""", client.get("/runs").text)
        assert shown is not None
        yield Browser(client=client, own=server, page_token=shown[1])


def path_of(route: APIRoute) -> str:
    return route.path.replace("{run_id}", "no-such-run").replace("{name}", "nobody").replace("{index}", "0").replace("{pod}", "nobody")


def require_headers(answer: httpx.Response) -> None:
    headers = answer.headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["permissions-policy"].startswith("accelerometer=(), ")
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers
    assert "strict-transport-security" not in headers, "without TLS, a browser would be kept out"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{method_of(route)} {route.path}")
def test_every_route_s_answer_carries_the_security_headers_whoever_asks(server: str, alone: Alone, route: APIRoute) -> None:
    for headers in ({}, {"Authorization": f"Bearer {alone.token}"}, {"Host": "attacker.example"}, {"Origin": "https://attacker.example"}):
        answer = httpx.request(method_of(route), f"{server}{path_of(route)}", json={}, headers=headers, timeout=60, trust_env=False)
        require_headers(answer)
        if "Host" in headers:
            assert answer.status_code == 421


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/static/console.js"), ("GET", "/static/nothing.js"), ("GET", "/nowhere"), ("DELETE", "/login"), ("OPTIONS", "/api/v1/runs")]
)
def test_what_is_no_route_carries_them_too(server: str, method: str, path: str) -> None:
    require_headers(httpx.request(method, f"{server}{path}", timeout=60, trust_env=False))


@pytest.mark.parametrize(("path", "takes"), [("/api/v1/runs", "GET, POST"), ("/login", "GET, POST"), ("/static/console.js", "GET, HEAD"), ("/healthz", "GET")])
def test_who_asks_in_a_way_that_is_not_taken_is_told_those_that_are(server: str, path: str, takes: str) -> None:
    refused = httpx.put(f"{server}{path}", timeout=60, trust_env=False)
    assert (refused.status_code, refused.headers["allow"]) == (405, takes)


def test_where_the_chat_s_signature_counts_a_session_and_its_page_count_for_nothing_and_no_other_site_gets_that_far(browser: Browser) -> None:
    own = browser.post(CHAT_HOOK, X_CSRF_Token=browser.page_token, Sec_Fetch_Site="same-origin")
    assert (own.status_code, own.json()["type"]) == (401, "urn:unioneyes:problem:not-of-chat")
    foreign = browser.post(CHAT_HOOK, Origin="https://attacker.example")
    assert (foreign.status_code, foreign.json()["type"]) == (403, "urn:unioneyes:problem:forged-request"), "or a page would slow whoever looks at it"


@pytest.mark.parametrize("route", CHANGING, ids=lambda route: route.path)
def test_no_route_takes_a_change_from_a_session_alone(browser: Browser, route: APIRoute) -> None:
    refused = browser.post(path_of(route))
    assert refused.status_code == 403
    if not route.path.startswith("/api/"):
        assert "<title>forged request" in refused.text
        return
    problem = refused.json()
    assert (problem["type"], problem["exit_code"]) == ("urn:unioneyes:problem:forged-request", ExitCode.NOT_AUTHORISED)


def test_a_page_of_the_console_s_own_may_change_something(browser: Browser) -> None:
    token, own = browser.page_token, browser.own
    for sent in (
        {"Sec_Fetch_Site": "same-origin"},
        {"Origin": own},
        {"Sec_Fetch_Site": "same-origin", "Origin": own},
        {"Sec_Fetch_Site": "same-origin", "Origin": "null"},
    ):
        assert browser.post("/api/v1/tokens", X_CSRF_Token=token, **sent).status_code == 422, sent


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "", "same-origin, cross-site"])
def test_what_the_browser_does_not_call_the_same_origin_changes_nothing_even_with_the_page_s_token(browser: Browser, site: str) -> None:
    assert browser.post("/api/v1/tokens", X_CSRF_Token=browser.page_token, Origin=browser.own, Sec_Fetch_Site=site).status_code == 403


@pytest.mark.parametrize("origin", ["null", "", "https://attacker.example", "http://127.0.0.1", "http://127.0.0.1:1", "http://localhost:8180", "http://["])
def test_another_port_of_the_same_machine_is_another_site(browser: Browser, origin: str) -> None:
    assert browser.post("/api/v1/tokens", X_CSRF_Token=browser.page_token, Origin=origin).status_code == 403
    contradictory = browser.post("/api/v1/tokens", X_CSRF_Token=browser.page_token, Origin=origin, Sec_Fetch_Site="same-origin")
    assert (contradictory.status_code == 403) == (origin != "null")


def test_the_token_is_that_of_this_session(browser: Browser, alone: Alone) -> None:
    with httpx.Client(base_url=browser.own, timeout=60, trust_env=False) as other:
        made = other.post("/api/v1/tokens", json={"name": "neighbour", "roles": ["admin"]}, headers={"Authorization": f"Bearer {alone.token}"})
        other.post("/login", data={"token": made.json()["secret"]})
        refused = other.post("/api/v1/tokens", json=NONSENSE, headers={"X-CSRF-Token": browser.page_token, "Sec-Fetch-Site": "same-origin"})
    assert refused.status_code == 403
    for token in ("", "0" * 64, browser.page_token[1:], "\u00fc"):
        headers = [(b"X-CSRF-Token", token.encode()), (b"Sec-Fetch-Site", b"same-origin")]
        assert browser.client.post("/api/v1/tokens", json=NONSENSE, headers=headers).status_code == 403


def test_a_program_with_a_token_is_no_browser(server: str, alone: Alone) -> None:
    headers = {"Authorization": f"bearer {alone.token}"}
    assert httpx.post(f"{server}/api/v1/tokens", json=NONSENSE, headers=headers, trust_env=False).status_code == 422


def test_another_scheme_of_authorization_does_not_hide_the_session(browser: Browser) -> None:
    assert browser.post("/api/v1/tokens", Authorization="Basic dWU6dWU=").status_code == 403


@pytest.mark.parametrize("headers", [{"Origin": "https://attacker.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
def test_no_other_site_signs_a_browser_in(server: str, alone: Alone, headers: dict[str, str]) -> None:
    form = httpx.post(f"{server}/login", data={"token": alone.token}, headers=headers, trust_env=False)
    assert form.status_code == 403
    assert "set-cookie" not in form.headers


def test_no_link_signs_a_browser_in_whose_address_would_stand_in_its_history(server: str, alone: Alone) -> None:
    link = httpx.get(f"{server}/login", params={"token": alone.token}, trust_env=False)
    assert link.status_code == 200
    assert "set-cookie" not in link.headers


def test_the_session_is_for_this_server_s_pages_alone(server: str, alone: Alone) -> None:
    cookie = httpx.post(f"{server}/login", data={"token": alone.token}, trust_env=False).headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= {part.strip() for part in cookie.split(";")}
    assert "secure" not in cookie, "without TLS, the browser would not send it back"
    assert alone.token.lower() not in cookie


@pytest.mark.parametrize("told", [True, False], ids=["with its length", "in chunks"])
def test_a_stranger_fills_no_memory(server: str, told: bool) -> None:  # noqa: FBT001 - a parameter of the test
    half = b" " * (LARGEST_REQUEST // 2)
    for body, status in (([half], 422), ([half, half, b" "], 413)):
        content = b"".join(body) if told else iter(body)
        answer = httpx.post(f"{server}/api/v1/runs", content=content, headers={"Content-Type": "application/json"}, timeout=60, trust_env=False)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        require_headers(answer)


def test_smoke_tests_show_a_member_s_session_to_no_address_but_the_service_s_own(server: str, alone: Alone) -> None:
    headers = {"Authorization": f"Bearer {alone.token}", "UE-User": "grace"}
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0)
        port, own = elsewhere.getsockname()[1], alone.stack.service_url
        for url in (f"http://127.0.0.1:{port}", f"{own}@127.0.0.1:{port}", f"{own}/x", f"{own}?x", own.replace("http", "https"), "http://169.254.169.254"):
            refused = httpx.post(f"{server}/api/v1/smoke", json={"url": url}, headers=headers, timeout=90, trust_env=False)
            assert (refused.status_code, refused.json()["type"]) == (422, "urn:unioneyes:problem:not-the-service"), url
            assert own in refused.json()["remedy"]
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    ran = httpx.post(f"{server}/api/v1/smoke", json={"url": f"{own}/"}, headers=headers, timeout=90, trust_env=False)
    assert (ran.status_code, ran.json()["type"]) == (503, "urn:unioneyes:problem:smoke-unavailable"), "nothing runs here"
    with psycopg.connect(alone.stack.control_database_url.get_secret_value()) as connection:
        entries = [read_entry(str(row[0])) for row in connection.execute("SELECT entry FROM ue.audit_entries WHERE entry::jsonb ->> 'actor' = 'grace'")]
    assert [entry.data["url"] for entry in entries if entry.action == Action.SMOKE_TESTED] == [own]
