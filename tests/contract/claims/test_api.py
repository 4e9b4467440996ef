from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from tests.contract.claims.conftest import Identities, Replica
from unioneyes.claims.flows import Person
from unioneyes.claims.model import ClaimStatus
from unioneyes.claims.rules import TRANSITIONS


def person(organization: str, *, role: str = "steward", name: str = "Member One") -> Person:
    slug = name.lower().replace(" ", "-")
    return Person(subject=f"user_{slug}", name=name, email=f"{slug}@example.org", organization={"id": organization, "slug": organization[4:]}, role=role)


@pytest.fixture
def organization() -> str:
    return f"org_{os.urandom(6).hex()}"


@pytest.fixture
def steward(replica: Replica, identities: Identities, organization: str) -> Iterator[httpx.Client]:
    with replica.client(identities.token(person(organization))) as client:
        assert client.post("/api/sign-in").status_code == 200
        yield client


def submit(client: httpx.Client, text: str = "the shift plan was changed without notice") -> httpx.Response:
    return client.post("/api/claims", json={"type": "grievance", "priority": "high", "text": text})


def test_signing_in_makes_the_organization_the_user_and_the_membership(replica: Replica, identities: Identities, organization: str) -> None:
    with replica.client(identities.token(person(organization))) as client:
        assert client.get("/api/claims").status_code == 403
        signed_in = client.post("/api/sign-in").json()
        assert signed_in["organization"] == {"id": organization, "slug": organization[4:]}
        assert signed_in["member"]["role"] == "steward"
        assert client.get("/api/members").json()["members"] == [signed_in["member"]]


def test_a_changed_role_counts_from_the_next_sign_in_on(replica: Replica, identities: Identities, organization: str) -> None:
    claim = None
    for role, expected in (("member", 403), ("steward", 200)):
        with replica.client(identities.token(person(organization, role=role))) as client:
            assert client.post("/api/sign-in").json()["member"]["role"] == role
            claim = claim or submit(client).json()["id"]
            assert client.post(f"/api/claims/{claim}/transition", json={"to": "under_review"}).status_code == expected


def test_claims_are_numbered_without_gaps_also_when_many_submit_at_once(steward: httpx.Client) -> None:
    refused = steward.post("/api/claims", json={"type": "no such type", "text": "x"})
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    with ThreadPoolExecutor(8) as pool:
        answers = tuple(pool.map(lambda _: submit(steward), range(40)))
    assert sorted(answer.json()["claim_number"] for answer in answers) == list(range(1, 41))


def test_pages_show_every_claim_once_newest_first_while_others_are_submitted(steward: httpx.Client) -> None:
    for _ in range(7):
        submit(steward)
    seen: list[int] = []
    after = ""
    while True:
        page = steward.get(f"/api/claims?limit=3{after}").json()
        seen += [claim["claim_number"] for claim in page["claims"]]
        submit(steward)
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_a_claim_has_a_deadline_and_keeps_its_history(steward: httpx.Client) -> None:
    claim = submit(steward).json()
    assert claim["deadline"] > claim["created_at"][:10]
    path = f"/api/claims/{claim['id']}"
    member = steward.get("/api/members").json()["members"][0]["id"]
    assert steward.post(f"{path}/assign", json={"member_id": member, "note": "yours"}).json()["status"] == "assigned"
    assert steward.post(f"{path}/transition", json={"to": "investigation"}).json()["assigned_to"] == member
    history = steward.get(path).json()["updates"]
    assert [(update["from_status"], update["to_status"]) for update in history] == [
        (None, "submitted"),
        ("submitted", "assigned"),
        ("assigned", "investigation"),
    ]
    assert history[1]["note"] == "yours"


def test_a_forbidden_transition_names_the_allowed_states(steward: httpx.Client) -> None:
    path = f"/api/claims/{submit(steward).json()['id']}/transition"
    refused = steward.post(path, json={"to": "resolved"})
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    assert refused.json()["allowed"] == ["under_review", "assigned", "rejected"]
    for status in ("rejected", "closed"):
        assert steward.post(path, json={"to": status}).json()["status"] == status
    assert steward.post(path, json={"to": "submitted"}).json()["allowed"] == []


def test_a_claim_is_given_to_members_of_the_same_organization_only(replica: Replica, identities: Identities, steward: httpx.Client) -> None:
    claim = submit(steward).json()["id"]
    with replica.client(identities.token(person(f"org_{os.urandom(6).hex()}", name="Member Two"))) as stranger:
        elsewhere = stranger.post("/api/sign-in").json()["member"]["id"]
    refused = steward.post(f"/api/claims/{claim}/assign", json={"member_id": elsewhere})
    assert (refused.status_code, refused.json()["type"]) == (404, "urn:unioneyes:problem:no-such-member")


def test_another_tenant_neither_reads_lists_moves_nor_assigns_a_claim(replica: Replica, identities: Identities, steward: httpx.Client) -> None:
    claim = submit(steward).json()["id"]
    with replica.client(identities.token(person(f"org_{os.urandom(6).hex()}", role="admin"))) as stranger:
        me = stranger.post("/api/sign-in").json()["member"]["id"]
        assert stranger.get("/api/claims").json() == {"claims": [], "next": None}
        assert stranger.get(f"/api/claims/{claim}").status_code == 404
        assert stranger.post(f"/api/claims/{claim}/transition", json={"to": "under_review"}).status_code == 404
        assert stranger.post(f"/api/claims/{claim}/assign", json={"member_id": me}).status_code == 404
        assert [member["id"] for member in stranger.get("/api/members").json()["members"]] == [me]


def test_the_same_key_and_body_get_the_same_answer_and_one_claim(steward: httpx.Client) -> None:
    headers = {"idempotency-key": str(uuid4())}
    body = {"type": "other", "text": "sent twice"}
    with ThreadPoolExecutor(6) as pool:
        answers = tuple(pool.map(lambda _: steward.post("/api/claims", json=body, headers=headers), range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert len(steward.get("/api/claims").json()["claims"]) == 1


def test_a_key_used_for_another_body_is_refused(steward: httpx.Client) -> None:
    headers = {"idempotency-key": "one-key"}
    assert steward.post("/api/claims", json={"text": "first"}, headers=headers).status_code == 201
    refused = steward.post("/api/claims", json={"text": "second"}, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:unioneyes:problem:key-reused")


def test_a_repeated_move_gets_its_first_answer_and_not_a_conflict(steward: httpx.Client) -> None:
    path = f"/api/claims/{submit(steward).json()['id']}/transition"
    headers = {"idempotency-key": str(uuid4())}
    first, second = (steward.post(path, json={"to": "under_review"}, headers=headers) for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content) == (200, first.content)


def test_a_refused_request_is_not_remembered_by_its_key(steward: httpx.Client) -> None:
    path = f"/api/claims/{submit(steward).json()['id']}/transition"
    headers = {"idempotency-key": str(uuid4())}
    assert steward.post(path, json={"to": "investigation"}, headers=headers).status_code == 409
    assert steward.post(path, json={"to": "under_review"}).status_code == 200
    assert steward.post(path, json={"to": "investigation"}, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/api/claims", "/api/members", "/api/claims/00000000-0000-4000-8000-000000000000", "/api/nothing"])
def test_errors_are_problem_documents(replica: Replica, path: str) -> None:
    with replica.client() as client:
        answer = client.get(path)
    assert answer.status_code == (404 if path == "/api/nothing" else 401)
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "remedy"} <= answer.json().keys()


def test_every_answer_says_its_version_and_its_request(replica: Replica) -> None:
    with replica.client() as client:
        assert client.get("/healthz").headers["x-ue-version"] == "1.1.0"
        assert client.get("/api/claims", headers={"x-request-id": "given-by-the-edge"}).headers["x-request-id"] == "given-by-the-edge"
        assert client.get("/api/claims", headers={"x-request-id": "no good\x01"}).headers["x-request-id"] != "no good\x01"
    (line,) = replica.logged(at_least=1, request_id="given-by-the-edge")
    assert line["level"] == "INFO"
    assert (line["replica"], line["version"], line["status"], line["path"]) == ("blue-1", "1.1.0", 401, "/api/claims")


def test_metrics_count_requests_claims_and_failed_logins_by_route(replica: Replica, steward: httpx.Client) -> None:
    submit(steward)
    with replica.client("no.token.atall") as nobody:
        assert nobody.post("/api/sign-in").status_code == 401
        text = nobody.get("/metrics").text
    assert 'claims_submitted_total{synthetic="false"}' in text
    assert 'claims_failed_logins_total{reason="malformed"}' in text
    assert 'claims_requests_total{method="POST",route="/api/claims",status="201"}' in text
    assert 'claims_request_seconds_bucket{le="2.0",method="POST",route="/api/claims"}' in text
    assert 'claims_pool_connections{state="used"}' in text
    assert 'claims_build_info{replica="blue-1",version="1.1.0"} 1.0' in text


def test_every_state_of_the_rules_is_known_to_the_database(replica: Replica, identities: Identities) -> None:
    with replica.client(identities.token(person("org_states"))) as client:
        client.post("/api/sign-in")
        for status in TRANSITIONS:
            path = f"/api/claims/{submit(client).json()['id']}/transition"
            for step in _way_to(status):
                assert client.post(path, json={"to": step}).json()["status"] == step


def _way_to(wanted: str) -> list[str]:
    """Return the shortest way from `submitted`."""
    ways: list[list[str]] = [[]]
    for way in ways:
        at = way[-1] if way else "submitted"
        if at == wanted:
            return way
        ways += [[*way, step] for step in TRANSITIONS[ClaimStatus(at)]]
    raise AssertionError
