"""Who may come in, and what every answer carries."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from fastapi import Depends, Request
from pydantic import SecretStr
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unioneyes.console.control import Control, Parts
from unioneyes.kernel.access import EVERYTHING, Person, Right, require_name
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import NotAuthorised, Problem

SESSION_COOKIE = "ue_session"
SESSION_LASTS = timedelta(hours=12)
PROBLEM_JSON = "application/problem+json"

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_READS = {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets through what names this server by one of its own names, and gives every answer its security headers."""

    app: ASGIApp
    hosts: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        host = Headers(scope=scope).get("host", "")
        if host_name(host) in self.hosts:
            await self.app(scope, receive, send_guarded)
            return
        problem = WrongHost(what=f"this server is not called {host_name(host)!r}", remedy=f"reach it as {' or '.join(sorted(self.hosts))}")
        await JSONResponse(problem.document(), problem.http_status, media_type=PROBLEM_JSON)(scope, receive, send_guarded)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route asks of whoever calls it. A route without one is no route of the API: a test holds that."""

    right: Right

    def __call__(self, request: Request, control: Parts) -> Person:
        """Return who asks. Raises: NotSignedIn, NotAllowed, UnusableName."""
        person = _signed_in(request, control)
        person.require(self.right)
        return person


Reader = Annotated[Person, Depends(Needs(Right.READ))]
"""Who asks, and may see."""
Responder = Annotated[Person, Depends(Needs(Right.RESPOND))]
Operator = Annotated[Person, Depends(Needs(Right.OPERATE))]
Auditor = Annotated[Person, Depends(Needs(Right.AUDIT))]
Administrator = Annotated[Person, Depends(Needs(Right.ADMINISTER))]


def _signed_in(request: Request, control: Control) -> Person:
    """Return who asks: by the bearer token; for reading, also by the console's session. Raises: NotSignedIn, UnusableName."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        entry = entered_by(token.strip(), control)
        if entry is not None:
            said = request.headers.get("ue-user")
            return entry.person if entry.number or said is None else replace(entry.person, name=require_name(said))
    elif request.method in _READS:
        number = session_of(request.cookies.get(SESSION_COOKIE, ""), control.token, now())
        person = None if number is None else control.engine.tokens.person(number) if number else Person(name="console", roles=EVERYTHING)
        if person is not None:
            return person
    raise NotSignedIn(
        what="the request carries no valid token", remedy="send `Authorization: Bearer TOKEN`; `ue` reads it from UE_TOKEN, or from the environment"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Somebody came in."""

    person: Person
    number: int
    """The token's; 0 of the environment's own."""


def entered_by(token: str, control: Control) -> Entry | None:
    """Return who comes in by `token`, found in a time that tells nothing of it; None when nobody does."""
    if is_token(token, control.token):
        return Entry(person=Person(name="api", roles=EVERYTHING), number=0)
    held = control.engine.tokens.holder(token)
    return None if held is None else Entry(number=held[0], person=held[1])


def is_token(offered: str, token: SecretStr) -> bool:
    """Return whether `offered` is the token, in a time that tells nothing of it."""
    return hmac.compare_digest(offered.encode(), token.get_secret_value().encode())


def new_session(number: int, key: SecretStr, moment: datetime) -> str:
    """Return a session that was begun with the token of that number. It ends by itself, and nobody without the key can make one."""
    said = f"{int((moment + SESSION_LASTS).timestamp())}.{number}"
    return f"{said}.{_seal(said, key)}"


def session_of(offered: str, key: SecretStr, moment: datetime) -> int | None:
    """Return the number of the token that the session was begun with; None when we did not make it, or it has ended."""
    said, _, seal = offered.rpartition(".")
    if not hmac.compare_digest(seal.encode(), _seal(said, key).encode()):
        return None
    ends, _, number = said.partition(".")
    if not (ends.isdecimal() and number.isdecimal()):
        return None  # an earlier release sealed its sessions in another form
    return int(number) if int(ends) > moment.timestamp() else None


def _seal(ends: str, token: SecretStr) -> str:
    return hmac.new(token.get_secret_value().encode(), f"console-session {ends}".encode(), hashlib.sha256).hexdigest()


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
