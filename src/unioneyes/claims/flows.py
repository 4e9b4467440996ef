"""The service's critical flows, as two synthetic members of two organizations walk through them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TypedDict
from uuid import uuid4

import httpx
from pydantic import JsonValue, TypeAdapter, ValidationError

from unioneyes.claims.model import ClaimStatus
from unioneyes.claims.rules import TRANSITIONS

BAD_REPORTS, REPORTS_APART = 3, timedelta(seconds=1)
"""In a row, before the service is held for unhealthy."""


class Person(TypedDict):
    """Whom the issuer is asked for a session token of."""

    subject: str
    name: str
    email: str
    organization: dict[str, str]
    role: str


STEWARD = Person(
    subject="user_synthetic_steward",
    name="Synthetic Steward",
    email="steward@synthetic.example.org",
    organization={"id": "org_synthetic_a", "slug": "synthetic-a"},
    role="steward",
)
OUTSIDER = Person(
    subject="user_synthetic_member",
    name="Synthetic Member",
    email="member@synthetic.example.org",
    organization={"id": "org_synthetic_b", "slug": "synthetic-b"},
    role="member",
)


class FlowFailed(Exception):  # noqa: N818 - it reads as what happened
    """The service did something else than it should."""


@dataclass(slots=True, kw_only=True)
class Walk:
    """One walk through the flows: who walks, and what was met so far."""

    client: httpx.Client
    steward: str
    """Session token of the steward."""
    outsider: str
    """Session token of the other organization's member."""
    expected_version: str | None
    version: str | None = None
    claim_id: str | None = None
    marker: str = field(default_factory=lambda: uuid4().hex)

    def claim(self) -> str:
        """Return the claim that this walk submitted. Raises: FlowFailed when there is none."""
        if self.claim_id is None:
            raise FlowFailed("not tried: no claim was submitted")
        return self.claim_id

    def call(self, method: str, path: str, token: str, *, expect: HTTPStatus, json: JsonValue = None) -> dict[str, JsonValue]:
        """Return the answer to a request. Raises: FlowFailed when it has another status than expected, or is no JSON object."""
        headers = {"authorization": f"Bearer {token}"}
        if method == "POST":
            headers["idempotency-key"] = str(uuid4())
        answer = self.client.request(method, path, headers=headers, json=json)
        if answer.status_code != expect:
            raise FlowFailed(f"{method} {path} answered {answer.status_code}, not {expect.value}{_why(answer)}")
        return _object(answer)


def health(walk: Walk) -> None:
    """The service calls itself healthy, or degraded at worst; a bad report counts when those after it are bad too."""
    for _ in range(BAD_REPORTS - 1):
        try:
            return _report_health(walk)
        except FlowFailed:
            time.sleep(REPORTS_APART.total_seconds())
    return _report_health(walk)


def _report_health(walk: Walk) -> None:
    answer = walk.client.get("/api/health")
    report = _object(answer)
    version = report.get("version")
    walk.version = version if isinstance(version, str) else None
    if answer.status_code != HTTPStatus.OK:
        checks = report.get("checks")
        bad = [str(check.get("error")) for check in checks if isinstance(check, dict) and check.get("error")] if isinstance(checks, list) else []
        raise FlowFailed(f"GET /api/health answered {answer.status_code}: {'; '.join(bad) or report.get('status')}")


def version_is_as_expected(walk: Walk) -> None:
    """The version that was to be tested answers."""
    if walk.version is None:
        raise FlowFailed("nothing says which version answers")
    if walk.expected_version is not None and walk.version != walk.expected_version:
        raise FlowFailed(f"{walk.version} answers, not {walk.expected_version}")


def sign_in(walk: Walk) -> None:
    """Both members sign in, each to the own organization."""
    for token, person in ((walk.steward, STEWARD), (walk.outsider, OUTSIDER)):
        signed_in = walk.call("POST", "/api/sign-in", token, expect=HTTPStatus.OK)
        organization = signed_in.get("organization")
        if not isinstance(organization, dict) or organization.get("id") != person["organization"]["id"]:
            raise FlowFailed(f"{person['name']} was signed in to another organization")


def submit(walk: Walk) -> None:
    """The steward submits a claim."""
    new: JsonValue = {"type": "other", "priority": "low", "text": f"synthetic claim {walk.marker}"}
    claim = walk.call("POST", "/api/claims", walk.steward, expect=HTTPStatus.CREATED, json=new)
    walk.claim_id = str(claim["id"])
    if claim.get("status") != ClaimStatus.SUBMITTED:
        raise FlowFailed(f"a new claim is {claim.get('status')}, not submitted")


def see(walk: Walk) -> None:
    """The claim stands in the list, newest first, and can be read as it was submitted."""
    claim_id = walk.claim()
    if claim_id not in _ids(walk.call("GET", "/api/claims?limit=20", walk.steward, expect=HTTPStatus.OK)):
        raise FlowFailed("the claim just submitted is not in the list")
    claim = walk.call("GET", f"/api/claims/{claim_id}", walk.steward, expect=HTTPStatus.OK)
    if walk.marker not in str(claim.get("text")):
        raise FlowFailed("the claim reads otherwise than it was submitted")


def move(walk: Walk) -> None:
    """The claim goes under review."""
    path = f"/api/claims/{walk.claim()}/transition"
    moved = walk.call("POST", path, walk.steward, expect=HTTPStatus.OK, json={"to": ClaimStatus.UNDER_REVIEW})
    if moved.get("status") != ClaimStatus.UNDER_REVIEW:
        raise FlowFailed(f"the claim is {moved.get('status')} after it was moved, not under_review")


def refuse_forbidden_move(walk: Walk) -> None:
    """A claim under review can't be closed, and the answer says where it may go."""
    path = f"/api/claims/{walk.claim()}/transition"
    refused = walk.call("POST", path, walk.steward, expect=HTTPStatus.CONFLICT, json={"to": ClaimStatus.CLOSED})
    if refused.get("allowed") != [status.value for status in TRANSITIONS[ClaimStatus.UNDER_REVIEW]]:
        raise FlowFailed(f"the refusal names other states than are allowed: {refused.get('allowed')}")


def hide_from_other_tenant(walk: Walk) -> None:
    """The other organization neither reads nor lists the claim."""
    claim_id = walk.claim()
    walk.call("GET", f"/api/claims/{claim_id}", walk.outsider, expect=HTTPStatus.NOT_FOUND)
    if claim_id in _ids(walk.call("GET", "/api/claims?limit=20", walk.outsider, expect=HTTPStatus.OK)):
        raise FlowFailed("another organization sees the claim in its list")


FLOWS: tuple[tuple[str, Callable[[Walk], None]], ...] = (
    ("health", health),
    ("version", version_is_as_expected),
    ("sign-in", sign_in),
    ("submit", submit),
    ("see", see),
    ("move", move),
    ("forbidden-move", refuse_forbidden_move),
    ("other-tenant", hide_from_other_tenant),
)
"""In the order in which they are walked."""


_OBJECT: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


def _object(answer: httpx.Response) -> dict[str, JsonValue]:
    try:
        return _OBJECT.validate_json(answer.content)
    except ValidationError:
        raise FlowFailed(f"{answer.request.method} {answer.request.url.path} answered {answer.status_code} without a JSON object") from None


def _why(answer: httpx.Response) -> str:
    """Return the problem's detail where the answer is a problem document."""
    try:
        detail = _OBJECT.validate_json(answer.content).get("detail")
    except ValidationError:
        return ""
    return f": {detail}" if detail else ""


def _ids(page: dict[str, JsonValue]) -> set[str]:
    claims = page.get("claims")
    return {str(claim.get("id")) for claim in claims if isinstance(claim, dict)} if isinstance(claims, list) else set()
