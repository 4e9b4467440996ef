"""Kubernetes' API as far as a reader of Secrets sees it. What it answers was compared with the real API server: the same tests run on both."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Whom it knows, what they may read, and what there is."""

    may_read: Mapping[str, frozenset[tuple[str, str]]]
    """Token -> the Secrets that its holder may get, as (namespace, name)."""
    secrets: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The paths of all requests."""

    def application(self) -> Starlette:
        """Return it as an application."""
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])])

    async def _answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.may_read:
            return _status(401, "Unauthorized", "Unauthorized")
        match request.method, request.url.path.removeprefix("/").split("/"):
            case "GET", ["api", "v1", "namespaces", namespace, "secrets", name]:
                return self._secret(token, namespace, name)
            case _:
                return _status(403, "Forbidden", f'forbidden: User cannot {request.method.lower()} path "{request.url.path}"')

    def _secret(self, token: str, namespace: str, name: str) -> Response:
        details = {"name": name, "kind": "secrets"}
        if (namespace, name) not in self.may_read[token]:
            said = f'secrets "{name}" is forbidden: User cannot get resource "secrets" in API group "" in the namespace "{namespace}"'
            return _status(403, "Forbidden", said, details)
        found = self.secrets.get((namespace, name))
        if found is None:
            return _status(404, "NotFound", f'secrets "{name}" not found', details)
        document: dict[str, object] = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name, "namespace": namespace}, "type": "Opaque"}
        if found:
            document["data"] = {key: base64.b64encode(value).decode() for key, value in found.items()}
        return JSONResponse(document)


def _status(code: int, reason: str, message: str, details: Mapping[str, str] | None = None) -> Response:
    """Return the object by which Kubernetes says that it failed."""
    document = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}
    return JSONResponse({**document, **({"details": dict(details)} if details else {})}, code)
