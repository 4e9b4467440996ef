"""The audit log in the API: what each route answers, and that nothing changes it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from pydantic import TypeAdapter

from tests.stack import RunningStack
from unioneyes.environments import locate
from unioneyes.runbook.audit.export import read_export
from unioneyes.runbook.audit.views import AuditItem, AuditStatus

pytestmark = pytest.mark.stack

ROUTES = ["/entries", "/status", "/export", "/entries/0/proof"]


@pytest.fixture(scope="module")
def api(stack: RunningStack) -> Iterator[httpx.Client]:
    address = locate("local", stack.home)
    headers = {"Authorization": f"Bearer {address.token.get_secret_value()}"}
    with httpx.Client(base_url=f"{address.url}/api/v1/audit", headers=headers, timeout=60, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("route", ROUTES)
def test_without_the_token_nothing_is_read(api: httpx.Client, route: str) -> None:
    assert api.get(route, headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("route", ROUTES)
def test_no_route_changes_it(api: httpx.Client, route: str, method: str) -> None:
    assert api.request(method, route).status_code == 405


def test_answers_are_the_values_that_they_say_they_are(api: httpx.Client) -> None:
    TypeAdapter(tuple[AuditItem, ...]).validate_json(api.get("/entries").raise_for_status().content)
    TypeAdapter(AuditStatus).validate_json(api.get("/status").raise_for_status().content)
    exported = api.get("/export").raise_for_status()
    assert exported.headers["content-type"].startswith("application/jsonl")
    header, _ = read_export(exported.text.splitlines())
    assert header.key == api.get("/status").json()["key"]


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("/entries/123456789/proof", 404),
        (f"/entries/{2**53}/proof", 422),
        ("/entries/-1/proof", 422),
        ("/entries?limit=0", 422),
        ("/entries?limit=501", 422),
        ("/entries?before=-1", 422),
        (f"/entries?before={2**53 - 1}", 200),
        (f"/entries/{2**53 - 1}/proof", 404),
    ],
)
def test_what_makes_no_sense_is_told(api: httpx.Client, route: str, status: int) -> None:
    assert api.get(route).status_code == status
