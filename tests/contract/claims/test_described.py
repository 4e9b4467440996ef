"""The members' API is what its description says: for members and strangers, whatever they ask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import requests
import schemathesis
from pydantic import JsonValue
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from tests.contract.claims.conftest import Database, Identities, Replica, Replicas, free_port
from tests.contract.claims.test_api import person
from tests.contract.console.described.asking import CHECKS, CONFIG, cases, takes_something
from unioneyes.claims.api import Parts, build_api

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FEW, MANY = 3, 100
"""Generated requests of each kind, for each operation: beside other tests, and in a campaign."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SCHEMA = schemathesis.openapi.from_dict(build_api(object.__new__(Parts)).openapi(), config=CONFIG)
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Union:
    """An organization with a claim in it, and those who ask."""

    url: str
    session: requests.Session
    tokens: dict[str, str]
    claim: str
    member: str

    def ask(self, case: Case, who: str) -> int:
        """Return the status of an answer that is as the description says, and that lets in nobody who is not known."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if self.tokens[who] else {}
        try:
            response = case.call(base_url=self.url, session=self.session, headers=headers)
            case.validate_response(response, checks=CHECKS)
            if case.operation.definition.raw["security"] and not self.tokens[who]:
                assert response.status_code in {401, 422}, response.status_code
        except (Exception, FailureGroup) as error:
            error.add_note(f"asked by {who}")
            raise
        return response.status_code


@pytest.fixture(scope="module")
def served(replicas: Replicas, database: Database) -> Replica:
    """A replica at an address, for a client that knows no Unix socket."""
    return replicas.start("1.1.0", database, listen=f"127.0.0.1:{free_port()}")


@pytest.fixture(scope="module")
def union(served: Replica, identities: Identities) -> Iterator[Union]:
    organization = f"org_{os.urandom(6).hex()}"
    roles = {role: identities.token(person(organization, role=role, name=f"Member {role}")) for role in ("member", "steward", "president", "admin")}
    stranger = identities.token(person(f"org_{os.urandom(6).hex()}", name="Stranger"))
    claim, signed_in = {}, {}
    for token in roles.values():
        with served.client(token) as client:
            signed_in = client.post("/api/sign-in").raise_for_status().json()
            claim = client.post("/api/claims", json={"text": "the shift plan was changed"}).raise_for_status().json()
    with requests.Session() as session:
        session.trust_env = False
        tokens = {"nobody": "", "a stranger": stranger, **roles}
        yield Union(url=served.url, session=session, tokens=tokens, claim=claim["id"], member=signed_in["member"]["id"])


def bodies(operation: APIOperation, union: Union) -> list[JsonValue]:
    body = operation.definition.raw.get("requestBody")
    if body is None:
        return []
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return SCHEMA.raw_schema["components"]["schemas"][name].get("examples") or [{"member_id": union.member, "note": "yours"}]


@each_operation
def test_an_operation_does_for_somebody_what_it_is_there_for(union: Union, operation: APIOperation) -> None:
    path = {"claim_id": union.claim} if operation.path_parameters else {}
    asked = [operation.Case(path_parameters=path, body=body) for body in bodies(operation, union)] or [operation.Case(path_parameters=path)]
    statuses = {union.ask(case, who) for case in asked for who in union.tokens}
    assert any(200 <= status < 300 for status in statuses), statuses


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@each_operation
def test_whatever_is_asked_is_answered_as_described(union: Union, operation: APIOperation, mode: GenerationMode, count: int) -> None:
    if mode is GenerationMode.NEGATIVE and not takes_something(operation):
        return
    for case in cases(operation, mode, {"claim_id": [union.claim]}, count):
        for who in union.tokens:
            union.ask(case, who)


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b"", b"[]", b'{"text": "a\\u0000b"}', b'{"text": "\\ud800"}', b"[" * 50_000, b'{"text": "x"}' + b" " * 100_000]
)
def test_what_no_generator_writes_is_refused(union: Union, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {union.tokens['member']}", "Content-Type": "application/json"}
    answer = httpx.post(f"{union.url}/api/claims", content=body, headers=headers, timeout=30, trust_env=False)
    if body.strip().endswith(b'"x"}'):
        assert answer.status_code == 201, answer.text
    else:
        assert (answer.status_code, answer.headers["content-type"], answer.json()["status"]) == (422, "application/problem+json", 422), answer.text


@pytest.mark.parametrize("after", ["0", "-1", str(2**53), "9" * 400, "%00", "%ff", "1.5", ""])
def test_a_page_after_nothing_is_refused(union: Union, after: str) -> None:
    answer = httpx.get(f"{union.url}/api/claims?after={after}", headers={"Authorization": f"Bearer {union.tokens['member']}"}, timeout=30, trust_env=False)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS}))
def test_a_method_that_is_not_described_is_refused(union: Union, path: str) -> None:
    for method in set(METHODS) - {each.method.upper() for each in OPERATIONS if each.path == path}:
        refused = httpx.request(method, union.url + path.format(claim_id=union.claim), timeout=30, trust_env=False)
        assert (refused.status_code, refused.json()["status"], refused.headers["content-type"]) == (405, 405, "application/problem+json")
        assert refused.headers["allow"]


def test_the_service_tells_its_description_to_everybody(union: Union) -> None:
    assert httpx.get(f"{union.url}/openapi.json", timeout=30, trust_env=False).json() == SCHEMA.raw_schema
