from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.contract.claims.conftest import Database, Identities, Replica, Replicas
from unioneyes.claims.flows import STEWARD
from unioneyes.kernel.clock import now
from unioneyes.simulators.identity import Issuer, Organization, TokenRequest


@pytest.fixture
def impostor(identities: Identities) -> Iterator[Issuer]:
    """Says that it is the issuer, and signs with a key of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    yield Issuer.open(folder, url=identities.url)
    shutil.rmtree(folder)


def request_for(role: str = "steward") -> TokenRequest:
    return TokenRequest(subject="user_x", name="Member One", email="one@example.org", organization=Organization(id="org_identity", slug="x"), role=role)


def forged(identities: Identities, **changed: object) -> str:
    """Return a token whose name of a key is right, and whose signature is not."""
    real = identities.token(STEWARD)
    claims = jwt.decode(real, options={"verify_signature": False}) | changed
    return jwt.encode(claims, rsa.generate_private_key(public_exponent=65537, key_size=2048), algorithm="RS256", headers=jwt.get_unverified_header(real))


def resigned(identities: Identities, *, without: str = "", **changed: object) -> str:
    """Return a token with other claims, signed by the issuer itself."""
    real = identities.token(STEWARD)
    claims = jwt.decode(real, options={"verify_signature": False}) | changed
    claims.pop(without, None)
    return jwt.encode(claims, identities.issuer._key, algorithm="RS256", headers=jwt.get_unverified_header(real))


def unsigned(identities: Identities) -> str:
    return jwt.encode(jwt.decode(identities.token(STEWARD), options={"verify_signature": False}), key="", algorithm="none")


def hours_ago(hours: int) -> int:
    return int(now().timestamp()) - 3600 * hours


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (forged, "signature"),
        (lambda identities: forged(identities, o={"id": "org_victim", "slg": "x", "rol": "admin"}), "signature"),
        (unsigned, "unknown-key"),
        (lambda identities: resigned(identities, exp=hours_ago(1)), "expired"),
        (lambda identities: resigned(identities, nbf=hours_ago(-1)), "malformed"),
        (lambda identities: resigned(identities, without="exp"), "malformed"),
        (lambda identities: resigned(identities, without="sid"), "malformed"),
        (lambda identities: resigned(identities, iss="https://elsewhere.example.org"), "issuer"),
        (lambda identities: resigned(identities, azp="https://elsewhere.example.org"), "party"),
        (lambda identities: resigned(identities, o=None), "organization"),
        (lambda identities: resigned(identities, o={"id": "org_x", "slg": "x", "rol": "emperor"}), "malformed"),
        (lambda _: "rubbish", "malformed"),
        (lambda _: "", "missing"),
    ],
)
def test_a_token_that_proves_nothing_is_refused_and_recorded(
    replica: Replica, database: Database, identities: Identities, forge: Callable[[Identities], str], reason: str
) -> None:
    marker = f"refused-{os.urandom(6).hex()}"
    with replica.client(forge(identities)) as client:
        answer = client.post("/api/sign-in", headers={"x-request-id": marker, "x-real-ip": "192.0.2.7"})
        assert client.get("/api/claims").status_code == 401
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert login_attempts(database, marker) == [(None, None, False, reason, "192.0.2.7")]


def test_a_sign_in_is_recorded_with_its_tenant(replica: Replica, database: Database, identities: Identities) -> None:
    marker = f"accepted-{os.urandom(6).hex()}"
    with replica.client(identities.token(STEWARD)) as client:
        assert client.post("/api/sign-in", headers={"x-request-id": marker}).status_code == 200
    assert login_attempts(database, marker) == [("org_synthetic_a", "user_synthetic_steward", True, "", None)]


def test_a_key_that_the_issuer_does_not_publish_is_refused(replica: Replica, impostor: Issuer) -> None:
    with replica.client(impostor.token(request_for())) as client:
        assert "does not publish" in client.post("/api/sign-in").json()["detail"]


def test_clerks_basic_member_is_a_member(replica: Replica, identities: Identities) -> None:
    with replica.client(identities.issuer.token(request_for("basic_member"))) as client:
        assert client.post("/api/sign-in").json()["member"]["role"] == "member"


def test_without_the_issuers_keys_nothing_is_believed_and_health_says_so(replicas: Replicas, database: Database, identities: Identities) -> None:
    lonely = replicas.start("1.1.0", database, jwks_url="http://127.0.0.1:9/jwks.json")
    with lonely.client(identities.token(STEWARD)) as client:
        assert client.post("/api/sign-in").status_code == 503
        report = client.get("/api/health")
    assert report.status_code == 503
    assert [check["name"] for check in report.json()["checks"] if check["status"] == "unhealthy"] == ["jwks"]


def login_attempts(database: Database, request_id: str) -> list[tuple[object, ...]]:
    """Return what was recorded, as the role that backs up: nobody else reads it."""
    with psycopg.connect(database.url("ue_backup")) as reader:
        query = "SELECT organization_id, user_id, succeeded, reason, host(client_address) FROM login_attempts WHERE request_id = %s"
        return reader.execute(query, (request_id,)).fetchall()
