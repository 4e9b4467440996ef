"""Who may come in, and what every answer carries."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from fastapi import Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from pydantic import SecretStr
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unioneyes.console.control import Control, Parts
from unioneyes.console.forgery import SAFE_METHODS, ForgedRequest, is_bearer, is_foreign, require_own_page
from unioneyes.console.headers import secure
from unioneyes.console.limits import client_of, is_this_machine
from unioneyes.kernel.access import EVERYTHING, Person, Right, Way, require_name, way_in
from unioneyes.kernel.problems import BadInput, NotAuthorised, Problem
from unioneyes.runbook.store.sessions import Session

SESSION_COOKIE = "ue_session"
LARGEST_REQUEST = 4 << 20
"""Bytes of a body: a runbook document has 1 MiB at most, and JSON may double it. It is read before anybody is asked who they are."""
_MOST_DIGITS = 20
PROBLEM_JSON = "application/problem+json"
BEARER = "bearer"
"""What the API's description calls coming in by a token."""
_BEARER = HTTPBearer(
    bearerFormat="ue_...",
    description="A token that `ue token create` made, for whom it names. The environment's own lets its user be named by the header `UE-User`.",
)


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets through what names this server by one of its own names, and no change that another site's page asks a browser for.

    Every answer carries its security headers, for this stands outside of everything else.
    """

    app: ASGIApp
    hosts: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        headers = Headers(scope=scope)
        host = host_name(headers.get("host", ""))

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                secure(MutableHeaders(scope=message), scheme=scope["scheme"], host=host)
            await send(message)

        problem = self._problem(scope["method"], headers, host)
        way_in.set(Way())
        answer = JSONResponse(problem.document(), problem.http_status, media_type=PROBLEM_JSON) if problem else self.app
        await answer(scope, receive, send_guarded)

    def _problem(self, method: str, headers: Headers, host: str) -> Problem | None:
        if host not in self.hosts:
            remedy = f"reach it as {' or '.join(sorted(self.hosts))}, or give it this name: `[control] name` in environment.toml"
            return WrongHost(what=f"this server is not called {host!r}", remedy=remedy)
        if method not in SAFE_METHODS and not is_bearer(headers) and is_foreign(headers):
            return ForgedRequest.now()
        length = headers.get("content-length", "0")
        return TooLarge.now() if length.isdecimal() and (len(length) > _MOST_DIGITS or int(length) > LARGEST_REQUEST) else None


@dataclass(frozen=True)
class Needs(SecurityBase):
    """What a route asks of whoever calls it. A route without one is no route of the API: a test holds that."""

    model = _BEARER
    scheme_name = BEARER

    right: Right
    counted: bool = True
    """Whether it counts towards how often one may ask: not where somebody else than the person says how often."""

    def __call__(self, request: Request, control: Parts) -> Person:
        """Return who asks. Raises: NotSignedIn, ForgedRequest, TooManyWrongTokens, TooManyRequests, NotAllowed, UnusableName."""
        entry = _signed_in(request, control)
        if self.counted:
            control.limits.count_request(entry.counted_as, entry.person.name)
        request.state.entry = entry
        if (way := way_in.get()) is not None:
            way.shared = entry.person.shared
        entry.person.require(self.right)
        return entry.person


Reader = Annotated[Person, Security(Needs(Right.READ), scopes=[Right.READ])]
"""Who asks, and may see."""
Responder = Annotated[Person, Security(Needs(Right.RESPOND), scopes=[Right.RESPOND])]
Operator = Annotated[Person, Security(Needs(Right.OPERATE), scopes=[Right.OPERATE])]
Executor = Annotated[Person, Security(Needs(Right.EXECUTE), scopes=[Right.EXECUTE])]
Auditor = Annotated[Person, Security(Needs(Right.AUDIT), scopes=[Right.AUDIT])]
Overseer = Annotated[Person, Security(Needs(Right.OVERSEE), scopes=[Right.OVERSEE])]
Administrator = Annotated[Person, Security(Needs(Right.ADMINISTER), scopes=[Right.ADMINISTER])]
Scraper = Annotated[Person, Security(Needs(Right.READ, counted=False), scopes=[Right.READ])]
"""A monitoring system."""


def _signed_in(request: Request, control: Control) -> Entry:
    """Return who asks: by the bearer token, or by the console's session; a change by a session comes from one of its own pages.

    Raises: NotSignedIn, ForgedRequest, TooManyWrongTokens, UnusableName.
    """
    if is_bearer(request.headers):
        entry = entered_by(request.headers["authorization"].partition(" ")[2].strip(), control, host_of(request))
        if entry is not None:
            said = request.headers.get("ue-user")
            return entry if entry.number != 0 or said is None else replace(entry, person=replace(entry.person, name=require_name(said)))
    elif secret := request.cookies.get(SESSION_COOKIE, ""):
        session = control.engine.sessions.holder(secret)
        if session is not None and control.holds(session):
            if request.method not in SAFE_METHODS:
                require_own_page(request.headers, secret, control.token)
            return Entry(person=session.person, number=session.token, session=session)
    raise NotSignedIn(
        what="the request carries no valid token", remedy="send `Authorization: Bearer TOKEN`; `ue` reads it from UE_TOKEN, or from the environment"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Somebody came in."""

    person: Person
    number: int | None
    """The token's; 0 of the environment's own; None: no token, an identity provider says who it is."""
    session: Session | None = None
    """None: not by one."""

    @property
    def counted_as(self) -> str:
        """Whose requests these are: a token's sessions count with it, and a person's with each other."""
        return self.person.name if self.number is None else f"token {self.number}"


_OWN = Entry(person=Person(name="api", roles=EVERYTHING, shared=True), number=0)


def entered_by(token: str, control: Control, host: str | None) -> Entry | None:
    """Return who comes in by `token` from the address `host`, found in a time that tells nothing of it; None when nobody does. Raises: TooManyWrongTokens.

    The environment's own token is looked at first, and always, for whoever is on its machine: wrong tokens that a program there shows keep no rollback up.
    """
    own, client = is_token(token, control.token), client_of(host)
    if own and is_this_machine(host):
        return _OWN
    control.limits.require_attempt(client, token)
    held = None if own else control.engine.tokens.holder(token)
    if held is not None and not control.trusts(held.issuer):
        held = None
    if not own and held is None:
        control.limits.failed(client, token)
        return None
    control.limits.came_in(client, token)
    return _OWN if held is None else Entry(number=held.number, person=held.person)


def entry_of(request: Request) -> Entry | None:
    """Return who asks, and by what; None where nobody asked that yet."""
    return getattr(request.state, "entry", None)


def host_of(request: Request) -> str | None:
    """Return the address that the request comes from; None by the Unix socket. Nothing that the request says of itself counts."""
    return request.client.host if request.client else None


def is_token(offered: str, token: SecretStr) -> bool:
    """Return whether `offered` is the token, in a time that tells nothing of it. An empty one opens nothing."""
    return offered != "" and hmac.compare_digest(offered.encode(), token.get_secret_value().encode())


def host_name(host: str) -> str:
    """Return the host without its port: `[::1]:8180` is `[::1]`."""
    host = host.lower()
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


class NotSignedIn(NotAuthorised):
    """The request does not say who asks."""


@dataclass(kw_only=True, eq=False)
class WrongHost(Problem):
    """The request was meant for another server."""

    http_status: ClassVar[int] = 421


class TooLarge(BadInput):
    """The request's body is not read to its end."""

    http_status: ClassVar[int] = 413

    @classmethod
    def now(cls) -> TooLarge:
        """Return the problem of any request that is."""
        return cls(what="the request is larger than anything that is asked here", remedy=f"send {LARGEST_REQUEST:,} bytes at most")
