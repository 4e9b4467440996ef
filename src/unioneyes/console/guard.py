"""Who may come in, and what every answer carries."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from fastapi import Depends, Request
from pydantic import SecretStr
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unioneyes.console.control import Parts
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


def admitted(request: Request, control: Parts) -> str:
    """Return who asks: by the bearer token; for reading, also by the console's session. Raises: NotSignedIn."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and is_token(token.strip(), control.token):
        return request.headers.get("ue-user", "api")[:64]
    if request.method in _READS and is_session(request.cookies.get(SESSION_COOKIE, ""), control.token, now()):
        return "console"
    raise NotSignedIn(what="the request carries no valid token", remedy="send `Authorization: Bearer TOKEN`; `ue` reads the token from the environment")


Admitted = Annotated[str, Depends(admitted)]
"""Who asks. The name is what the holder of the token says; people sign in by themselves in a later release."""


def is_token(offered: str, token: SecretStr) -> bool:
    """Return whether `offered` is the token, in a time that tells nothing of it."""
    return hmac.compare_digest(offered.encode(), token.get_secret_value().encode())


def new_session(token: SecretStr, moment: datetime) -> str:
    """Return a session that ends by itself, and that nobody without the token can make."""
    ends = str(int((moment + SESSION_LASTS).timestamp()))
    return f"{ends}.{_seal(ends, token)}"


def is_session(offered: str, token: SecretStr, moment: datetime) -> bool:
    """Return whether this is a session that we made and that has not ended."""
    ends, _, seal = offered.partition(".")
    genuine = hmac.compare_digest(seal.encode(), _seal(ends, token).encode())
    return genuine and int(ends) > moment.timestamp()


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
