"""The API of a running server: who may come in, what it answers, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from pydantic import TypeAdapter

from tests.stack import RunningStack
from unioneyes.environments import locate
from unioneyes.environments.chapters import drilled
from unioneyes.kernel.problems import ExitCode, ProblemDocument
from unioneyes.operations.deployment.status import DeploymentStatus
from unioneyes.operations.rollback.model import RollbackOption
from unioneyes.ports.environment import Facts
from unioneyes.ports.releases import Release
from unioneyes.runbook.freshness import Drills, codes
from unioneyes.runbook.own import Form, RunbookView
from unioneyes.runbook.views import JournalEntry, PlanView, RunView

pytestmark = pytest.mark.stack

ROUTES = ["/environment", "/runbooks", "/runs", "/lock", "/releases", "/traffic", "/rollback/options", "/deployments", "/deployments/current"]


@pytest.fixture(scope="module")
def api(stack: RunningStack) -> Iterator[httpx.Client]:
    address = locate("local", stack.home)
    headers = {"Authorization": f"Bearer {address.token.get_secret_value()}", "UE-User": "engineer"}
    with httpx.Client(base_url=f"{address.url}/api/v1", headers=headers, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(api: httpx.Client) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.base_url, timeout=60, trust_env=False) as client:
        yield client


def problem(response: httpx.Response, status: int) -> ProblemDocument:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    return TypeAdapter(ProblemDocument).validate_json(response.content, strict=True)


@pytest.mark.parametrize("route", [*ROUTES, "/runs/some-run", "/runs/some-run/journal", "/runs/some-run/events"])
def test_without_the_token_nothing_is_read(stranger: httpx.Client, route: str) -> None:
    refused = stranger.get(route)
    assert problem(refused, 401)["exit_code"] == ExitCode.NOT_AUTHORISED
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["", "x", "Basic dWU6dWU=", "Bearer", "Bearer ue_wrong", "Bearer ue_\u00fc"])
def test_another_token_opens_nothing(stranger: httpx.Client, token: str) -> None:
    problem(stranger.get("/runs", headers=[(b"Authorization", token.encode())]), 401)


def test_a_session_of_the_console_reads_and_changes_nothing_without_a_page_of_its_own(api: httpx.Client, stranger: httpx.Client) -> None:
    token = api.headers["authorization"].removeprefix("Bearer ")
    with httpx.Client(base_url=api.base_url.join("/"), timeout=60, trust_env=False) as browser:
        signed_in = browser.post("/login", data={"token": token})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
        cookie = signed_in.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert browser.get("/api/v1/runs").status_code == 200
        problem(browser.post("/api/v1/runs", json={"runbook": "deployment.verify", "request": {}}), 403)
        problem(browser.post("/api/v1/runs/some-run/cancel", json={"reason": "x"}), 403)
    problem(stranger.get("/runs"), 401)


def test_health_asks_for_no_token(stranger: httpx.Client) -> None:
    assert stranger.get("/healthz").json() == {"api": "v1", "status": "ok"}
    assert stranger.get(stranger.base_url.join("/healthz")).json() == {"status": "ok"}


def test_a_rebound_name_reaches_nothing(api: httpx.Client) -> None:
    refused = api.get("/runs", headers={"Host": "attacker.example"})
    assert "attacker.example" in problem(refused, 421)["detail"]


@pytest.mark.parametrize("path", ["/api/v1/releases", "/login", "/nowhere", "/static/console.css"])
def test_every_answer_carries_its_security_headers(api: httpx.Client, path: str) -> None:
    headers = api.get(api.base_url.join(path)).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_answers_json_that_no_cache_keeps(api: httpx.Client, route: str) -> None:
    answer = api.get(route)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json()
    assert not isinstance(document, dict) or document["api"] == "v1"


def test_answers_are_the_values_that_they_say_they_are(api: httpx.Client) -> None:
    for route, kind in (
        ("/environment", Facts),
        ("/releases", tuple[Release, ...]),
        ("/deployments/current", DeploymentStatus),
        ("/rollback/options", tuple[RollbackOption, ...]),
    ):
        TypeAdapter(kind).validate_json(api.get(route).content)


def test_an_unknown_version_is_refused_with_its_remedy(api: httpx.Client) -> None:
    asked = {"runbook": "deployment.start", "request": {"version": "9.9.9"}, "dry_run": True}
    refused = problem(api.post("/runs", json=asked), 404)
    assert refused["type"] == "urn:unioneyes:problem:unknown-version"
    assert refused["exit_code"] == ExitCode.USAGE


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"runbook": "deployment.start"},
        {"runbook": "deployment.start", "request": {"version": "1.0.0", "colour": "red"}},
        {"runbook": "deployment.start", "request": {"version": "1.0.0"}, "unasked": 1},
        {"runbook": "deployment.start", "request": {"version": "1.0.0", "bake": "soon"}},
        {"runbook": "no.such.runbook", "request": {}},
        {"runbook": "rollback.traffic", "request": {"reason": " "}},
        {"runbook": "rollback.traffic", "request": {"reason": "members complain\x1b[2J"}},
        {"runbook": "rollback.traffic", "request": {"reason": "members complain, " * 1000}},
        [],
    ],
)
def test_what_makes_no_sense_is_told_and_starts_nothing(api: httpx.Client, body: object) -> None:
    before = len(api.get("/runs").json())
    refused = api.post("/runs", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert problem(refused, 404 if isinstance(body, dict) and body.get("runbook") == "no.such.runbook" else 422)["exit_code"] == ExitCode.USAGE
    assert len(api.get("/runs").json()) == before


@pytest.mark.parametrize("route", ["/runs/no-such-run", "/runs/no-such-run/plan", "/runs/no-such-run/journal", "/runs/no-such-run/events", "/nowhere"])
def test_what_is_not_there_is_a_problem_too(api: httpx.Client, route: str) -> None:
    problem(api.get(route), 404)


def test_a_method_that_a_route_does_not_take_is_a_problem(api: httpx.Client) -> None:
    refused = api.delete("/runs")
    problem(refused, 405)
    assert refused.headers["allow"] == "GET, POST"
    assert api.put("/runs/some-run/cancel").headers["allow"] == "POST"


def test_a_dry_run_is_a_plan_and_no_run(api: httpx.Client) -> None:
    before = api.get("/runs").json()
    answer = api.post("/runs", json={"runbook": "deployment.start", "request": {"version": "1.0.0", "migrate": True}, "dry_run": True})
    assert answer.status_code == 200
    plan = TypeAdapter(PlanView).validate_json(answer.content)
    assert [step.step for step in plan.steps][:3] == ["check_gates", "check_world", "back_up_database"]
    assert api.get("/runs").json() == before


def test_a_run_is_started_followed_and_kept(api: httpx.Client) -> None:
    deploy = {"runbook": "deployment.start", "request": {"version": "1.0.0", "migrate": True, "bake": "PT1S"}}
    started = api.post("/runs", json=deploy)
    assert started.status_code == 201
    run = TypeAdapter(RunView).validate_json(started.content)
    assert run.requested_by == "engineer"
    assert api.get(str(api.base_url.join(started.headers["location"]))).json()["id"] == run.id

    second = problem(api.post("/runs", json=deploy), 409)
    assert run.id in second["detail"] + second["remedy"]

    streamed = [entry.seq for entry in stream(api, run.id)]
    ended = TypeAdapter(RunView).validate_json(api.get(f"/runs/{run.id}").content)
    assert ended.status == "done"
    kept = TypeAdapter(tuple[JournalEntry, ...]).validate_json(api.get(f"/runs/{run.id}/journal", params={"limit": 2000}).content)
    assert streamed == [entry.seq for entry in kept]
    assert [entry.seq for entry in stream(api, run.id, after=streamed[3])] == streamed[4:]
    assert api.get(f"/runs/{run.id}/events", headers={"Last-Event-ID": str(streamed[-1])}).status_code == 204
    deployment = api.get(f"/deployments/{run.id}").json()
    assert (deployment["words"], deployment["version"]) == ("DEPLOYED", "1.0.0")
    assert api.get("/deployments/current").json()["serving"] == "1.0.0"
    assert api.get("/lock").json() is None


def test_pages_of_runs_follow_each_other(api: httpx.Client) -> None:
    ids = [run["id"] for run in api.get("/runs", params={"limit": 500}).json()]
    assert [run["id"] for run in api.get("/runs", params={"limit": 1}).json()] == ids[:1]
    assert [run["id"] for run in api.get("/runs", params={"before": ids[0]}).json()] == ids[1:]
    assert api.get("/runs", params={"runbook": "rollback.traffic", "status": "done"}).json() == []


@pytest.mark.parametrize("path", ["/runs/a%00b", "/runs/a%00b/journal", "/runs?before=%00", "/runs?runbook=%00", "/deployments/%00"])
def test_what_no_database_can_keep_is_told_as_such(api: httpx.Client, path: str) -> None:
    problem(api.get(path), 422)


def stream(api: httpx.Client, run_id: str, *, after: int = 0) -> list[JournalEntry]:
    """Return the journal as server-sent events bring it, until the server says that it is complete."""
    with api.stream("GET", f"/runs/{run_id}/events", headers={"Last-Event-ID": str(after)}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        return [TypeAdapter(JournalEntry).validate_json(line.removeprefix("data: ")) for line in response.iter_lines() if line.startswith("data: ")]


def test_each_runbook_that_comes_with_the_program_says_whether_it_is_what_was_drilled(api: httpx.Client) -> None:
    told = {each.name: each.drilled for each in TypeAdapter(tuple[RunbookView, ...]).validate_python(api.get("/runbooks").json()) if each.form is Form.BUILT_IN}
    drills = Drills(drilled)
    assert told == {name: drills.last(name) for name in codes()}


def test_how_long_it_is_until_the_document_s_review_is_a_metric(api: httpx.Client) -> None:
    scraped = api.get(f"{str(api.base_url).partition('/api')[0]}/metrics").text
    assert "\nue_document_review_days " in scraped
