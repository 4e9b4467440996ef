"""Every failure leaves as a problem document (RFC 9457), whatever failed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from unioneyes.console.guard import PROBLEM_JSON, TooLarge
from unioneyes.console.limits import TooMany
from unioneyes.kernel.problems import BadInput, NotFound, Problem, ProblemDocument
from unioneyes.kernel.redaction import Redactor

log = logging.getLogger(__name__)

OPENAPI = "/api/v1/openapi.json"
FOR_PROGRAMS = ("/api/", "/metrics")

RESPONSES: dict[int | str, dict[str, object]] = {
    status: {"model": ProblemDocument, "description": description, "content": {PROBLEM_JSON: {}}}
    for status, description in {
        401: "No valid token",
        403: "None of the roles of who asks brings the right",
        404: "What was named does not exist",
        409: "Refused by a gate; nothing was changed",
        413: "Larger than anything that is asked here",
        421: "Not the name of this server",
        422: "What was asked for makes no sense; nothing was changed",
        429: "Asked too often, or too many wrong tokens; nothing was changed, and `Retry-After` says for how long to wait",
        503: "Something outside does not answer; may be tried again",
    }.items()
}
"""What any route may answer instead, for OpenAPI."""
RESPONSES[429]["headers"] = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}}


Page = Callable[[Request, Problem], Response]
"""Tells a problem to a person."""


def answer_with_problems(app: FastAPI, page: Page) -> None:
    """Every failure of `app` is answered by a problem document where programs ask, and by a `page` elsewhere; without secrets, whoever brought them in."""

    def answer(request: Request, error: Exception) -> Response:
        problem = as_problem(request, error)
        redact: Redactor = request.app.state.control.redactor
        problem.what, problem.remedy = redact(problem.what), redact(problem.remedy)
        return problem_response(problem) if request.url.path.startswith(FOR_PROGRAMS) else page(request, problem)

    for kind in (Problem, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer)


def as_problem(request: Request, error: Exception) -> Problem:
    """Return what went wrong as a problem."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            return MalformedRequest(what=wrong, remedy=f"see {OPENAPI} for what this route takes")
        case HTTPException(status_code=HTTPStatus.NOT_FOUND):
            return NoSuchRoute(what=f"there is nothing at {request.url.path}", remedy=f"see {OPENAPI} for what there is")
        case HTTPException(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
            return TooLarge.now()
        case HTTPException():
            return NotAllowedHere(what=f"{request.method} {request.url.path}: {error.detail}", remedy=f"see {OPENAPI} for what this route takes")
        case _:
            log.error("%s %s failed", request.method, request.url.path, exc_info=error)
            return ServerFault(what="the server failed in a way that nobody foresaw", remedy="its log says more: look there, and report it")


def problem_response(problem: Problem) -> Response:
    """Return the answer that tells `problem` to a program."""
    document = problem.document()
    return JSONResponse(document, document["status"], headers=problem_headers(problem), media_type=PROBLEM_JSON)


def problem_headers(problem: Problem) -> dict[str, str]:
    """Return what the answer says of `problem` beside its text: how to come in, or when to come again."""
    challenge = {"WWW-Authenticate": "Bearer"} if problem.http_status == HTTPStatus.UNAUTHORIZED else {}
    return challenge | ({"Retry-After": str(problem.retry_after)} if isinstance(problem, TooMany) else {})


class MalformedRequest(BadInput):
    """The request's parameters or body can't be read."""


class NoSuchRoute(NotFound):
    """Nothing answers at this address."""


class NotAllowedHere(BadInput):
    """The route does not take this method."""

    http_status: ClassVar[int] = 405


class ServerFault(Problem):
    """The server itself failed."""
