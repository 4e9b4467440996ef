"""One replica's application, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from unioneyes.claims.api import Parts, build_api
from unioneyes.claims.casework import Casework
from unioneyes.claims.draining import Drain
from unioneyes.claims.faults import with_fault
from unioneyes.claims.health import HealthChecks
from unioneyes.claims.metrics import Metrics
from unioneyes.claims.observing import Observed
from unioneyes.claims.queries import read_queries
from unioneyes.claims.releases import Catalogue, query_generations, schema_hash
from unioneyes.claims.settings import ClaimsSettings, UnixAddress
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
    return _Replica(members=observed, operations=_operations(storage, drain), private=settings.private_listen)


class _Replica:
    """Sends what arrives on the private address, and the process's own start and end, to `operations`, and everything else to `members`."""

    def __init__(self, *, members: ASGIApp, operations: ASGIApp, private: UnixAddress | None) -> None:
        self._members = members
        self._operations = operations
        self._private = (str(private.path), None) if private else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer on the side where the request came in."""
        inside = scope["type"] == "lifespan" or (self._private is not None and scope["server"] == self._private)
        await (self._operations if inside else self._members)(scope, receive, send)


def _operations(storage: Storage, drain: Drain) -> ASGIApp:
    """Return the application that no member reaches: `POST /drain`."""

    @asynccontextmanager
    async def connected(_app: Starlette) -> AsyncIterator[None]:
        await storage.open()
        yield
        await storage.close()

    async def begin_drain(_request: Request) -> Response:
        drain.begin()
        return JSONResponse({"status": "draining"}, status_code=HTTPStatus.ACCEPTED)

    return Starlette(routes=[Route("/drain", begin_drain, methods=["POST"])], lifespan=connected)
