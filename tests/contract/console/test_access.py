"""Who may do what, on a running server: every route, for every role."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

import unioneyes.console.serve  # noqa: F401 - knows every built-in runbook
from tests.contract.console.access import Access, access_to
from tests.contract.console.conftest import app_routes, method_of
from tests.stack import RunningStack
from unioneyes.console.guard import Needs
from unioneyes.environments.listening import CHAT_HOOK
from unioneyes.environments.local.stack import open_stack
from unioneyes.kernel.access import RIGHTS, Right, Role
from unioneyes.runbook.definition import Definition, definitions
from unioneyes.runbook.views import TokenView

pytestmark = pytest.mark.stack

_LISTED = TypeAdapter(tuple[TokenView, ...])
SAFE_BODIES: dict[str, dict[str, object]] = {
    "/api/v1/runs": {"runbook": "deployment.start", "request": {"version": "9.9.9"}},
    "/api/v1/runs/{run_id}/cancel": {"reason": "no"},
    "/api/v1/runs/{run_id}/decision": {"reason": "no", "decision": "undo"},
    "/api/v1/runs/{run_id}/approvals": {"verdict": "granted", "note": "no"},
    "/api/v1/runs/{run_id}/override": {"reason": "no"},
    "/api/v1/app/shell": {"reason": " "},
    "/api/v1/database/explain": {"statement": "SELECT 1"},
    "/api/v1/database/analyze": {"statement": "SELECT 1", "reason": "drill"},
    "/api/v1/database/sessions": {"reason": " "},
    "/api/v1/database/sessions/end": {"session": "0b5c1c1e-7c2f-4f57-9d5c-3f0f0a6c2b1d", "seconds": -1, "exit_code": 0},
    "/api/v1/smoke": {"url": "http://127.0.0.1:9"},
    "/api/v1/line/stop": {"reason": " "},
    "/api/v1/line/lift": {"reason": " "},
    "/api/v1/tokens": {"name": "Not A Name", "roles": ["viewer"]},
    "/runs/{run_id}/approval": {"verdict": "granted", "note": "no"},
}
"""What changes nothing, even for those who may."""
OF_A_RUN_S_RIGHT = ("/api/v1/runs/{run_id}/cancel", "/api/v1/runs/{run_id}/decision")
BUILT_IN = [each for each in definitions() if not each.chapter.startswith("0.")]
"""Other tests register some of their own in the same process."""


@pytest.fixture(scope="module")
def access(stack: RunningStack) -> Iterator[Access]:
    with access_to(stack) as access:
        yield access


ROUTES = app_routes()
GUARDED = [route for route in ROUTES if isinstance(route, APIRoute) and any(isinstance(each.call, Needs) for each in route.dependant.dependencies)]
ASKS_NOBODY = {"/api/v1/openapi.json", "/healthz", "/api/v1/healthz", "/login", "/login/provider", "/login/callback", "/static", CHAT_HOOK}
"""What tells nothing of the environment, the way in, and where the chat's signature is asked for in the place of a token."""


def test_no_other_route_answers_somebody_whom_it_does_not_know() -> None:
    assert {route.path for route in ROUTES if route not in GUARDED} == ASKS_NOBODY


def right_of(route: APIRoute) -> Right | None:
    """Return what the route asks of whoever calls it."""
    return next((each.call.right for each in route.dependant.dependencies if isinstance(each.call, Needs)), None)


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{method_of(route)} {route.path}")
def test_every_route_refuses_every_role_without_its_right(access: Access, route: APIRoute) -> None:
    right = right_of(route)
    path = (
        route.path.replace("{run_id}", "no-such-run").replace("{name}", "nobody").replace("{index}", "0").replace("{pod}", "nobody").replace("{backup}", "none")
    )
    for role in Role:
        answer = access.ask(access.of(role), method_of(route), f"{access.server}{path}", SAFE_BODIES.get(route.path))
        refused = answer.status_code == 403
        if route.path == "/api/v1/runs" and method_of(route) == "POST":
            assert refused == (Right.OPERATE not in RIGHTS[role]), (role, answer.text)
        elif route.path not in OF_A_RUN_S_RIGHT:
            assert refused == (right not in RIGHTS[role]), (role, answer.text)


@pytest.mark.parametrize("path", OF_A_RUN_S_RIGHT)
@pytest.mark.parametrize("right", sorted({each.right for each in BUILT_IN}))
def test_a_run_is_cancelled_and_decided_by_whoever_has_its_runbook_s_right(access: Access, path: str, right: Right) -> None:
    """Each such run has ended, so that nothing comes of it for those who may."""
    runbook = next(each.name for each in BUILT_IN if each.right is right)
    with access.ended_run(runbook) as run:
        for role in Role:
            answer = access.ask(access.of(role), "POST", f"{access.server}{path.replace('{run_id}', run)}", SAFE_BODIES[path])
            assert answer.status_code == (409 if right in RIGHTS[role] else 403), (role, answer.text)


@pytest.mark.parametrize("runbook", BUILT_IN, ids=lambda each: each.name)
def test_a_runbook_is_started_by_whoever_has_its_right(access: Access, runbook: Definition) -> None:
    for role in Role:
        answer = access.ask(access.of(role), "POST", "/runs", {"runbook": runbook.name, "request": {"unknown": 1}})
        assert (answer.status_code == 403) == (runbook.right not in RIGHTS[role]), (role, answer.text)


def test_a_token_says_who_it_is_and_nobody_can_take_another_name(access: Access) -> None:
    token = access.make(Role.VIEWER, name="grace")
    answer = access.client.get("/me", headers={"Authorization": f"Bearer {token}", "UE-User": "somebody.else"}).json()
    assert (answer["name"], answer["roles"], answer["rights"]) == ("grace", ["viewer"], ["read"])


@pytest.mark.parametrize("name", ["engine", "worker-1", "Jane Doe", ""])
def test_the_environment_s_own_token_does_not_speak_as_the_program_either(access: Access, name: str) -> None:
    assert access.client.get("/me", headers={"UE-User": name}).status_code == 422


def test_a_revoked_token_lets_nobody_in_from_the_next_request_on(access: Access) -> None:
    token = access.make(Role.OPERATOR, name="mallory")
    assert access.ask(token, "GET", "/me").status_code == 200
    assert access.client.post("/tokens/mallory/revoke").status_code == 200
    assert access.ask(token, "GET", "/me").status_code == 401
    assert access.client.post("/tokens/mallory/revoke").status_code == 404
    again = access.make(Role.VIEWER, name="mallory")
    assert access.ask(again, "GET", "/me").json()["roles"] == ["viewer"]


def test_a_token_ends_by_itself_and_its_name_is_free_again(access: Access) -> None:
    token = access.make(Role.VIEWER, name="brief", lasts=0.001)
    assert access.ask(token, "GET", "/me").status_code == 401
    assert access.ask(access.make(Role.VIEWER, name="brief"), "GET", "/me").status_code == 200


def test_a_name_has_one_token_at_a_time(access: Access) -> None:
    access.make(Role.VIEWER, name="twice")
    taken = access.client.post("/tokens", json={"name": "twice", "roles": ["admin"]})
    assert (taken.status_code, taken.json()["type"]) == (409, "urn:unioneyes:problem:name-taken")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "roles": ["viewer"]},
        {"name": "a b", "roles": ["viewer"]},
        {"name": "x" * 64, "roles": ["viewer"]},
        {"name": "engine", "roles": ["viewer"]},
        {"name": "nobody", "roles": []},
        {"name": "nobody", "roles": ["root"]},
        {"name": "nobody", "roles": ["viewer"], "lasts": 0},
        {"name": "nobody", "roles": ["viewer"], "lasts": 367 * 86400},
        {"name": "nobody", "roles": ["viewer"], "secret": "chosen"},
    ],
)
def test_a_token_that_makes_no_sense_is_refused(access: Access, body: object) -> None:
    assert access.client.post("/tokens", json=body).status_code == 422


def test_the_database_holds_nothing_that_lets_anybody_in(access: Access) -> None:
    token = access.make(Role.VIEWER, name="secretive")
    with psycopg.connect(open_stack(access.stack.home).control_database_url.get_secret_value()) as connection:
        row = connection.execute("select row_to_json(tokens)::text from ue.tokens where name = 'secretive'").fetchone()
    assert row is not None
    assert token not in str(row[0])
    assert token.removeprefix("ue_") not in str(row[0])


def test_the_list_tells_who_used_what_and_no_secret(access: Access) -> None:
    token = access.make(Role.AUDITOR, name="used")
    access.ask(token, "GET", "/me")
    listed = access.client.get("/tokens")
    found = {each.name: each for each in _LISTED.validate_json(listed.content)}
    assert found["used"].last_used_at is not None
    assert (found["used"].created_by, found["used"].roles) == ("engineer", (Role.AUDITOR,))
    assert token not in listed.text


def test_a_session_of_the_console_ends_with_its_token(access: Access) -> None:
    token = access.make(Role.VIEWER, name="browsing")
    with httpx.Client(base_url=access.client.base_url.join("/"), timeout=60, trust_env=False) as browser:
        browser.post("/login", data={"token": token})
        assert browser.get("/api/v1/me").json()["name"] == "browsing"
        access.client.post("/tokens/browsing/revoke")
        assert browser.get("/api/v1/me").status_code == 401


def test_a_responder_may_bring_the_members_back_and_deploys_nothing(access: Access) -> None:
    token = access.of(Role.RESPONDER)
    assert access.ask(token, "POST", "/runs", {"runbook": "rollback.traffic", "request": {"reason": "drill"}}).status_code == 409  # nothing to go back to
    assert access.ask(token, "POST", "/runs", {"runbook": "deployment.start", "request": {"version": "1.0.0"}}).status_code == 403
