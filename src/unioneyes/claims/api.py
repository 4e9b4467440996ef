"""The HTTP API: who may ask what, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from unioneyes.claims import rules
from unioneyes.claims.bodies import Alive, Assignment, Claim, ClaimPage, ClaimWithHistory, Members, NewClaim, SignedIn, Transition
from unioneyes.claims.casework import Casework, ClientAddress
from unioneyes.claims.description import FAILURES, NOT_ALLOWED, NOT_FOUND, PROBLEM_JSON, DescribedApi, operation_id, repeated
from unioneyes.claims.draining import Drain
from unioneyes.claims.health import HealthChecks, HealthReport
from unioneyes.claims.idempotency import Answer, Key, answer_once, read_key
from unioneyes.claims.metrics import EXPOSITION, Metrics
from unioneyes.claims.model import Identity
from unioneyes.claims.observing import TENANT, UNEXPECTED
from unioneyes.claims.problems import BadRequest, NoSuchPage, TokenRefused
from unioneyes.claims.tokens import TokenVerifier
from unioneyes.kernel.problems import Problem
from unioneyes.ports.service import HealthStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the API stands on."""

    casework: Casework
    verifier: TokenVerifier
    health: HealthChecks
    metrics: Metrics
    drain: Drain


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


Stands = Annotated[Parts, Depends(_parts)]
Bearer = Annotated[str | None, Header(alias="authorization", include_in_schema=False)]


async def _caller(request: Request, parts: Stands, authorization: Bearer = None) -> Identity:
    identity = await parts.verifier.identity(authorization)
    request.scope[TENANT] = identity.organization_id
    return identity


Caller = Annotated[Identity, Depends(_caller)]


async def _client(x_real_ip: Annotated[str, Header(include_in_schema=False)] = "") -> ClientAddress | None:
    """Return the client's address as the edge saw it; a replica itself sees only the edge."""
    try:
        return ip_address(x_real_ip)
    except ValueError:
        return None


async def _key(request: Request, idempotency_key: Annotated[str | None, Header()] = None) -> Key | None:
    return read_key(idempotency_key, method=request.method, path=request.url.path, body=await request.body())


Repeatable = Annotated[Key | None, Depends(_key)]

_LARGEST_NUMBER = 2**53 - 1
"""What every reader of JSON takes for a whole number."""

router = APIRouter(responses=FAILURES)
probes = APIRouter()


@router.post("/api/sign-in", response_model=SignedIn)
async def sign_in(parts: Stands, client: Annotated[ClientAddress | None, Depends(_client)], authorization: Bearer = None) -> Response:
    """The person is a member of the session's organization, and the sign-in is on record."""
    try:
        identity = await parts.verifier.identity(authorization)
    except TokenRefused as problem:
        parts.metrics.failed_logins.labels(problem.reason).inc()
        await parts.casework.refuse_sign_in(problem, client=client)
        raise
    return _json((await parts.casework.sign_in(identity, client=client)).json_body())


@router.post("/api/claims", status_code=HTTPStatus.CREATED, response_model=Claim, responses=repeated(HTTPStatus.CREATED))
async def submit_claim(parts: Stands, caller: Caller, key: Repeatable, new: NewClaim) -> Response:
    """The claim is submitted."""
    async with parts.casework.desk(caller) as desk:

        async def submit() -> str:
            return (await desk.submit(new)).json_body()

        answer = await answer_once(desk.connection, desk.queries, desk.member, key, submit, status=HTTPStatus.CREATED)
    if not answer.repeated:
        parts.metrics.submitted.labels(str(rules.is_synthetic(caller.organization_id)).lower()).inc()
    return _answered(answer)


@router.get("/api/claims", response_model=ClaimPage)
async def list_claims(
    parts: Stands, caller: Caller, limit: Annotated[int, Query(ge=1, le=200)] = 50, after: Annotated[int | None, Query(ge=1, le=_LARGEST_NUMBER)] = None
) -> Response:
    """Claims of the organization, newest first; `after` is the last page's `next`."""
    async with parts.casework.desk(caller) as desk:
        page = await desk.page(limit=limit, after=after)
    return _json(page.json_body())


@router.get("/api/claims/{claim_id}", response_model=ClaimWithHistory, responses=NOT_FOUND)
async def read_claim(parts: Stands, caller: Caller, claim_id: UUID) -> Response:
    """One claim with its history."""
    async with parts.casework.desk(caller) as desk:
        claim = await desk.find(claim_id)
    return _json(claim.json_body())


@router.post("/api/claims/{claim_id}/transition", response_model=ClaimWithHistory, responses=NOT_FOUND | NOT_ALLOWED | repeated(HTTPStatus.OK))
async def move_claim(parts: Stands, caller: Caller, key: Repeatable, claim_id: UUID, wanted: Transition) -> Response:
    """The claim is where it was wanted; 409 names the allowed states when it can't go there."""
    async with parts.casework.desk(caller) as desk:

        async def move() -> str:
            return (await desk.move(claim_id, wanted)).json_body()

        answer = await answer_once(desk.connection, desk.queries, desk.member, key, move, status=HTTPStatus.OK)
    return _answered(answer)


@router.post("/api/claims/{claim_id}/assign", response_model=ClaimWithHistory, responses=NOT_FOUND | NOT_ALLOWED | repeated(HTTPStatus.OK))
async def assign_claim(parts: Stands, caller: Caller, key: Repeatable, claim_id: UUID, wanted: Assignment) -> Response:
    """The claim is somebody's."""
    async with parts.casework.desk(caller) as desk:

        async def assign() -> str:
            return (await desk.assign(claim_id, wanted)).json_body()

        answer = await answer_once(desk.connection, desk.queries, desk.member, key, assign, status=HTTPStatus.OK)
    return _answered(answer)


@router.get("/api/members", response_model=Members)
async def list_members(parts: Stands, caller: Caller) -> Response:
    """The organization's members, by name."""
    async with parts.casework.desk(caller) as desk:
        members = await desk.members()
    return _json(members.json_body())


@probes.get("/api/health", response_model=HealthReport, responses={503: {"model": HealthReport, "description": "The replica is unhealthy"}})
async def health(parts: Stands) -> Response:
    """How the replica is; 503 only when it is unhealthy."""
    report = await parts.health.report()
    status = HTTPStatus.SERVICE_UNAVAILABLE if report.status is HealthStatus.UNHEALTHY else HTTPStatus.OK
    return _json(report.model_dump_json(exclude_none=True), status)


@probes.get("/healthz", response_model=Alive, responses={503: {"model": Alive, "description": "The replica drains"}})
async def healthz(parts: Stands) -> Response:
    """The replica lives and takes requests; 503 once it drains, so that new requests go elsewhere. Asks nobody else."""
    if parts.drain.begun:
        return _json('{"status":"draining"}', HTTPStatus.SERVICE_UNAVAILABLE)
    return _json('{"status":"ok"}')


@probes.get("/metrics", include_in_schema=False)
async def metrics(parts: Stands) -> Response:
    """Everything that was counted, for Prometheus."""
    return Response(parts.metrics.text(), media_type=EXPOSITION)


def build_api(parts: Parts) -> FastAPI:
    """Return the API on `parts`; every error it answers is a problem document."""
    app = DescribedApi(title="UnionEyes claims", docs_url=None, redoc_url=None, generate_unique_id_function=operation_id)
    app.state.parts = parts
    app.include_router(router)
    app.include_router(probes)
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_unexpected)
    return app


def _json(body: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(body, status_code=status, media_type="application/json")


def _answered(answer: Answer) -> Response:
    response = Response(answer.body, status_code=answer.status, media_type="application/json")
    if answer.repeated:
        response.headers["idempotency-replayed"] = "true"
    return response


def _problem(problem: Problem, *, status: int | None = None, headers: Mapping[str, str] | None = None) -> JSONResponse:
    said = status or problem.http_status
    challenge = {"WWW-Authenticate": "Bearer"} if said == HTTPStatus.UNAUTHORIZED else {}
    later = {"Retry-After": "1"} if problem.retryable else {}
    return JSONResponse({**problem.document(), "status": said}, status_code=said, headers={**challenge, **later, **(headers or {})}, media_type=PROBLEM_JSON)


async def _answer_problem(_request: Request, error: Exception) -> Response:
    return _problem(error if isinstance(error, Problem) else UNEXPECTED)


async def _answer_invalid(_request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    wrong = "; ".join(f"{'.'.join(str(part) for part in line['loc'])}: {line['msg']}" for line in found)
    return _problem(BadRequest(what=wrong or "the request is invalid", remedy="see /openapi.json for what the API takes"))


async def _answer_http(request: Request, error: Exception) -> Response:
    refused = error if isinstance(error, HTTPException) else HTTPException(HTTPStatus.NOT_FOUND)
    if refused.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        nothing = NoSuchPage(what=f"there is no {request.method} {request.url.path}", remedy="see /openapi.json for the addresses")
        return _problem(nothing, status=refused.status_code, headers=refused.headers)
    return _problem(BadRequest(what=f"the request can't be read: {refused.detail}", remedy="send JSON, in UTF-8"))


async def _answer_unexpected(_request: Request, _error: Exception) -> Response:
    return _problem(UNEXPECTED)
