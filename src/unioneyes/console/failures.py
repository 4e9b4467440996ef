"""Every failure leaves as a problem document (RFC 9457), whatever failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import JsonValue
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

from unioneyes.console.guard import PROBLEM_JSON, TooLarge
from unioneyes.console.limits import TooMany
from unioneyes.kernel.problems import BadInput, NotFound, Problem
from unioneyes.kernel.redaction import Redactor

log = logging.getLogger(__name__)

OPENAPI = "/api/v1/openapi.json"
FOR_PROGRAMS = ("/api/", "/metrics", "/hooks/")
_LONGEST_NAME = 200
"""Characters of what whoever asks named, an address or a field, that are told back."""
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A status that any route may answer instead, as the API's description says it."""

    name: str
    """Among the description's components."""
    means: str
    headers: Mapping[str, JsonValue] = field(default_factory=dict)
    """Beside the problem document, by name: each always stands there."""


FAILURES = {
    401: Failing(name="NotSignedIn", means="No valid token", headers={"WWW-Authenticate": {"type": "string", "const": "Bearer"}}),
    403: Failing(name="NotAllowed", means="None of the roles of who asks brings the right, or no page of ours sends this"),
    404: Failing(name="NotFound", means="What was named does not exist"),
    409: Failing(name="Refused", means="Refused by a gate; nothing was changed"),
    413: Failing(name="TooLarge", means="Larger than anything that is asked here"),
    421: Failing(name="WrongHost", means="Not the name of this server"),
    422: Failing(name="BadInput", means="What was asked for makes no sense; nothing was changed"),
    429: Failing(
        name="TooMany",
        means="Asked too often, or too many wrong tokens; nothing was changed, and `Retry-After` says for how many seconds to wait",
        headers={"Retry-After": {"type": "integer", "minimum": 1}},
    ),
    500: Failing(name="ServerFault", means="What the server stands on is broken, or it failed in a way that nobody foresaw; its log says more"),
    503: Failing(name="Unavailable", means="Something outside does not answer; may be tried again"),
}
RESPONSES: dict[int | str, dict[str, object]] = {status: {"description": failing.means} for status, failing in FAILURES.items()}
"""The same, as a router takes it."""

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
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))[:_LONGEST_NAME]}: {each['msg']}" for each in error.errors())
            return MalformedRequest(what=wrong, remedy=f"see {OPENAPI} for what this route takes")
        case HTTPException():
            return _refusal(request, error)
        case _:
            log.error("%s %s failed", request.method, request.url.path, exc_info=error)
            return ServerFault(what="the server failed in a way that nobody foresaw", remedy="its log says more: look there, and report it")


def _refusal(request: Request, error: HTTPException) -> Problem:
    """Return what the framework refused, before any route looked at it."""
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return NoSuchRoute(what=f"there is nothing at {request.url.path[:_LONGEST_NAME]}", remedy=f"see {OPENAPI} for what there is")
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return TooLarge.now()
        case HTTPStatus.METHOD_NOT_ALLOWED:
            what = f"{request.method} {request.url.path[:_LONGEST_NAME]}: {error.detail}"
            return NotAllowedHere(what=what, remedy=f"see {OPENAPI} for what this route takes", allow=", ".join(_methods(request)))
        case _:
            return MalformedRequest(what=f"the request can't be read: {error.detail}", remedy="send JSON, in UTF-8")


def problem_response(problem: Problem) -> Response:
    """Return the answer that tells `problem` to a program."""
    document = problem.document()
    return JSONResponse(document, document["status"], headers=problem_headers(problem), media_type=PROBLEM_JSON)


def problem_headers(problem: Problem) -> dict[str, str]:
    """Return what the answer says of `problem` beside its text: how to come in, when to come again, or what else to ask."""
    challenge = {"WWW-Authenticate": "Bearer"} if problem.http_status == HTTPStatus.UNAUTHORIZED else {}
    wait = {"Retry-After": str(problem.retry_after)} if isinstance(problem, TooMany) else {}
    return challenge | wait | ({"Allow": problem.allow} if isinstance(problem, NotAllowedHere) else {})


def _methods(request: Request) -> list[str]:
    """Return the methods that the address takes: of all its routes, where the router names those of one alone."""
    routes: list[BaseRoute] = request.app.routes
    outside = {**request.scope, "root_path": request.scope.get("app_root_path", request.scope.get("root_path", ""))}  # a mount has moved it
    return [method for method in _METHODS if any(_takes(route, {**outside, "method": method}) for route in routes)]


def _takes(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is Match.FULL and (not isinstance(route, Mount) or scope["method"] in {"GET", "HEAD"})  # below it are files


class MalformedRequest(BadInput):
    """The request's parameters or body can't be read."""


class NoSuchRoute(NotFound):
    """Nothing answers at this address."""


@dataclass(kw_only=True, eq=False)
class NotAllowedHere(BadInput):
    """The route does not take this method."""

    allow: str
    """Those that it takes, for the header of this name."""
    http_status: ClassVar[int] = 405


class ServerFault(Problem):
    """The server itself failed."""
