"""Every request has an id, is counted, timed and logged, and says which version answered it."""

from __future__ import annotations

import json
import logging
import re
import time
from uuid import uuid4

from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unioneyes.claims.draining import Drain
from unioneyes.claims.logs import log, request_id
from unioneyes.claims.metrics import UNMATCHED, Metrics
from unioneyes.claims.problems import Unexpected

_REQUEST_ID = re.compile(r"[\w.-]{1,64}")
_QUIET = frozenset({"/healthz", "/metrics"})
"""Asked twice a second by machines; their successes are not logged."""
_SERVER_ERROR = 500
TENANT = "tenant"
"""Under which the API leaves the caller's organization in a request's scope, once it is known."""

UNEXPECTED = Unexpected(what="the service failed unexpectedly", remedy="try again; tell the platform team the x-request-id when it happens again")

_logger = logging.getLogger("claims.requests")


class Observed:
    """An application around which nothing goes unseen."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, drain: Drain, version: str) -> None:
        """Observe `app`."""
        self._app = app
        self._metrics = metrics
        self._drain = drain
        self._version = version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, also where the application fails to."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id.set(_request_id(scope))
        started = time.perf_counter()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-ue-version"] = self._version
                headers["x-request-id"] = request_id.get()
                if self._drain.closing:
                    headers["connection"] = "close"
            await send(message)

        failure: Exception | None = None
        with self._metrics.under_way(scope["path"]):
            try:
                await self._app(scope, receive, send_marked)
            except Exception as error:  # noqa: BLE001 - the last place where a failure can be answered and logged
                failure = error
                if not status:
                    await _send_problem(send_marked)
        self._record(scope, status, time.perf_counter() - started, failure)

    def _record(self, scope: Scope, status: int, seconds: float, failure: Exception | None) -> None:
        method, path = scope["method"], scope["path"]
        route = scope.get("route")
        template = route.path if isinstance(route, APIRoute) else UNMATCHED
        self._metrics.count(method=method, route=template, status=status, tenant=scope.get(TENANT))
        self._metrics.seconds.labels(method, template).observe(seconds)
        if path in _QUIET and status < _SERVER_ERROR:
            return
        level = logging.ERROR if status >= _SERVER_ERROR and path not in _QUIET else logging.INFO
        log(_logger, level, f"{method} {path} {status}", error=failure, method=method, path=path, status=status, took_ms=round(seconds * 1000, 2))


def _request_id(scope: Scope) -> str:
    """Return Envoy's id of the request where it sent a usable one, else a new one."""
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid4())


async def _send_problem(send: Send) -> None:
    body = json.dumps(UNEXPECTED.document()).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": UNEXPECTED.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
