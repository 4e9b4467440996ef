"""One replica's application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from unioneyes.claims.api import Parts, build_api
from unioneyes.claims.casework import Casework
from unioneyes.claims.draining import LONGEST_AWAY, Drain
from unioneyes.claims.faults import with_fault
from unioneyes.claims.health import HealthChecks
from unioneyes.claims.metrics import EXPOSITION, Metrics
from unioneyes.claims.observing import Observed
from unioneyes.claims.queries import read_queries
from unioneyes.claims.releases import Catalogue, query_generations, schema_hash
from unioneyes.claims.settings import Address, ClaimsSettings, TcpAddress, UnixAddress
from unioneyes.claims.storage import Storage
from unioneyes.claims.tokens import KeySet, TokenVerifier


def build_app(settings: ClaimsSettings, drain: Drain) -> ASGIApp:
    """Return the application of the release that `settings` names. Raises: UnknownVersion, FaultNotAllowed, BadSettings."""
    release = Catalogue().get(settings.version)
    settings.database_url()
    storage = Storage(settings, read_queries(query_generations(release.version)))
    keys = KeySet(str(settings.jwks_url))
    metrics = Metrics(version=release.version, replica=settings.replica)
    metrics.watch(storage)
    health = HealthChecks(storage, keys, version=release.version, schema=release.schema, schema_hash=schema_hash(release.version))
    verifier = TokenVerifier(keys, issuer=settings.issuer, party=settings.audience)
    api = build_api(Parts(casework=Casework(storage), verifier=verifier, health=health, metrics=metrics, drain=drain))
    observed = Observed(with_fault(api, release.fault, allowed=settings.allow_faults), metrics=metrics, drain=drain, version=release.version)
    return _Replica(members=observed, operations=_operations(storage, metrics, drain), private=settings.private_listen)


class _Replica:
    """Sends what arrives on the private address, and the process's own start and end, to `operations`, and everything else to `members`."""

    def __init__(self, *, members: ASGIApp, operations: ASGIApp, private: Address | None) -> None:
        self._members = members
        self._operations = operations
        self._private = private

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer on the side where the request came in."""
        inside = scope["type"] == "lifespan" or _arrived_at(self._private, scope)
        await (self._operations if inside else self._members)(scope, receive, send)


def _arrived_at(address: Address | None, scope: Scope) -> bool:
    """Return whether the request came in at `address`. Of a port, the port decides: a replica that listens on every address is asked at one of them."""
    match address:
        case UnixAddress(path):
            return bool(scope["server"] == (str(path), None))
        case TcpAddress(port=port):
            return bool(scope["server"][1] == port)
        case None:
            return False


def _operations(storage: Storage, metrics: Metrics, drain: Drain) -> ASGIApp:
    """Return the application that no member reaches: `POST /drain`, `POST /drain/connections`, and `GET /metrics`."""

    @asynccontextmanager
    async def connected(_app: Starlette) -> AsyncIterator[None]:
        await storage.open()
        yield
        await storage.close()

    async def begin_drain(_request: Request) -> Response:
        drain.begin()
        return JSONResponse({"status": "draining"}, status_code=HTTPStatus.ACCEPTED)

    async def send_away(request: Request) -> Response:
        asked = request.query_params.get("seconds", "")
        if not asked.isdecimal() or int(asked) > LONGEST_AWAY.total_seconds():
            return JSONResponse(
                {"title": "bad input", "detail": f"seconds: 0 to {LONGEST_AWAY.total_seconds():.0f}"}, status_code=HTTPStatus.UNPROCESSABLE_ENTITY
            )
        drain.send_away(timedelta(seconds=int(asked)))
        return JSONResponse({"status": "sending away" if drain.closing else "ok"}, status_code=HTTPStatus.ACCEPTED)

    async def counted(_request: Request) -> Response:
        return PlainTextResponse(metrics.text(), media_type=EXPOSITION)

    routes = [Route("/drain", begin_drain, methods=["POST"]), Route("/drain/connections", send_away, methods=["POST"]), Route("/metrics", counted)]
    return Starlette(routes=routes, lifespan=connected)
