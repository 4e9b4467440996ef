"""Every failure leaves as a problem document (RFC 9457), whatever failed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from unioneyes.console.guard import PROBLEM_JSON
from unioneyes.kernel.problems import BadInput, NotFound, Problem, ProblemDocument

log = logging.getLogger(__name__)

RESPONSES: dict[int | str, dict[str, object]] = {
    status: {"model": ProblemDocument, "description": description, "content": {PROBLEM_JSON: {}}}
    for status, description in {
        401: "No valid token",
        404: "What was named does not exist",
        409: "Refused by a gate; nothing was changed",
        421: "Not the name of this server",
        422: "What was asked for makes no sense; nothing was changed",
        503: "Something outside does not answer; may be tried again",
    }.items()
}
"""What any route may answer instead, for OpenAPI."""


def answer_with_problems(app: FastAPI) -> None:
    """Every failure of `app` is answered by a problem document."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer that tells `problem`."""
    challenge = {"WWW-Authenticate": "Bearer"} if problem.http_status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(problem.document(), problem.document()["status"], headers={**challenge, **(headers or {})}, media_type=PROBLEM_JSON)


def _problem(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class
    return problem_response(error)


def _malformed(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return problem_response(MalformedRequest(what=wrong, remedy="see /api/v1/docs for what this route takes"))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    if error.status_code == HTTPStatus.NOT_FOUND:
        return problem_response(NoSuchRoute(what=f"there is nothing at {request.url.path}", remedy="see /api/v1/docs for what there is"))
    problem = NotAllowedHere(what=f"{request.method} {request.url.path}: {error.detail}", remedy="see /api/v1/docs for what this route takes")
    return JSONResponse({**problem.document(), "status": error.status_code}, error.status_code, headers=error.headers, media_type=PROBLEM_JSON)


def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(ServerFault(what="the server failed in a way that nobody foresaw", remedy="its log says more: look there, and report it"))


class MalformedRequest(BadInput):
    """The request's parameters or body can't be read."""


class NoSuchRoute(NotFound):
    """Nothing answers at this address."""


class NotAllowedHere(BadInput):
    """The route does not take this."""


class ServerFault(Problem):
    """The server itself failed."""
