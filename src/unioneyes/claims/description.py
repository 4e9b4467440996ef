"""The members' API as its own description (OpenAPI 3.1) says it. It is open to everybody: it tells what a client may ask, and nothing of the environment."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import JsonValue, TypeAdapter

from unioneyes.claims.problems import TransitionDocument
from unioneyes.kernel.problems import ProblemDocument

PROBLEM_JSON = "application/problem+json"
_SESSION = "session"
_DOCUMENTS: dict[str, TypeAdapter[ProblemDocument] | TypeAdapter[TransitionDocument]] = {
    "ProblemDocument": TypeAdapter(ProblemDocument),
    "TransitionDocument": TypeAdapter(TransitionDocument),
}

Responses = dict[int | str, dict[str, object]]


def _failure(description: str, document: str = "ProblemDocument", headers: Mapping[str, object] | None = None) -> dict[str, object]:
    schema = {"$ref": f"#/components/schemas/{document}"}
    return {"description": description, "content": {PROBLEM_JSON: {"schema": schema}}, "headers": headers or {}}


_BEARER = {"WWW-Authenticate": {"required": True, "schema": {"type": "string", "const": "Bearer"}}}
_LATER = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
FAILURES: Responses = {
    401: _failure("No valid session token", headers=_BEARER),
    403: _failure("Not a member of the organization yet, or not in a role that may do this"),
    422: _failure("What was asked for makes no sense; nothing was changed"),
    500: _failure("The service failed unexpectedly"),
    503: _failure("Something that the service stands on does not answer; the same request may be sent again", headers=_LATER),
}
"""What any route for members may answer instead."""
NOT_FOUND: Responses = {404: _failure("The organization has no such claim, or no such member")}
NOT_ALLOWED: Responses = {409: _failure("The claim can't go there from where it is", "TransitionDocument")}


def repeated(status: int) -> Responses:
    """Return what a POST that carries an `Idempotency-Key` says when it was answered before."""
    replayed = {"schema": {"type": "string", "const": "true"}, "description": "This is the answer that the first request with the same key got"}
    return {status: {"headers": {"Idempotency-Replayed": replayed}}}


def operation_id(route: APIRoute) -> str:
    """Return what programs call the operation: the name of the function that answers it."""
    return route.name


class DescribedApi(FastAPI):
    """Says how one comes in, and what a failure is."""

    def openapi(self) -> dict[str, JsonValue]:
        """Return the description; it is made when it is first asked for."""
        if self.openapi_schema is None:
            described = super().openapi()
            parts = described["components"]
            parts["schemas"] |= {name: document.json_schema() for name, document in _DOCUMENTS.items()}
            parts["securitySchemes"] = {_SESSION: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A Clerk session token"}}
            for ways in described["paths"].values():
                for operation in ways.values():
                    operation["security"] = [{_SESSION: []}] if "401" in operation["responses"] else []
        return super().openapi()
