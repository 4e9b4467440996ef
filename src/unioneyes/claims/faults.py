"""Faults that a release can have on purpose: real behaviour, wrapped around an application that knows nothing of them.

The faults of `errors`, `slow`, `leak`, `sick`, `flap`, `route` and `tenant` show only after a replica's first requests for claims, as faults do that need
load: the smoke tests before the switch pass, and the watch after it must find them. `wrong` is there from the first request and does not show in any status or
duration; `crash` and `hang` never answer one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from random import SystemRandom
from types import MappingProxyType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unioneyes.claims.logs import log
from unioneyes.claims.observing import TENANT, UNEXPECTED
from unioneyes.claims.problems import FaultNotAllowed

WARM_UP = 25
"""Requests for claims that each replica still answers well."""
ERRORS_EVERY = 5
"""One request in this many fails: 20 %."""
SLOW_EVERY = 3
SLOW_BY = timedelta(seconds=3)
LEAST_LEAK, MOST_LEAK = 640 << 10, 1280 << 10
"""Bytes that a replica keeps of each request: each its own, as leaks do that hang on who asks for what."""
SICK_AFTER = timedelta(seconds=5)
"""From the end of the warm-up to the first bad health report."""

FLAPS_EVERY, FLAPS_FOR = 3.0, 1.0
"""Seconds of the machine's own clock, so that all replicas report the same."""
BROKEN_TENANT = "org_members_small"
_HEALTH = frozenset({"/healthz", "/api/health"})
_SERVER_ERROR = 500

Wrap = Callable[[ASGIApp], ASGIApp]

_OUT_OF_MEMORY = 137
"""Exit code. Source: the shell's convention for a process that the kernel killed, as it does where memory is out."""

_logger = logging.getLogger("claims.faults")


class _Warmth:
    """Counts requests for claims."""

    def __init__(self) -> None:
        self._seen = 0
        self._warm_since = float("inf")

    def count(self, scope: Scope) -> int:
        """Return which request for claims after the warm-up this is, from 1; 0 for every other."""
        if scope["type"] != "http" or not scope["path"].startswith("/api/claims"):
            return 0
        self._seen += 1
        if self._seen == WARM_UP:
            self._warm_since = time.monotonic()
        return max(0, self._seen - WARM_UP)

    @property
    def age(self) -> timedelta:
        """How long ago the warm-up ended; zero before."""
        return timedelta(seconds=max(0.0, time.monotonic() - self._warm_since))


def errors(app: ASGIApp) -> ASGIApp:
    """One request for claims in five ends with an exception."""
    warmth = _Warmth()

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        nth = warmth.count(scope)
        if nth and nth % ERRORS_EVERY == 0:
            message = "the claim's history could not be read"
            raise RuntimeError(message)
        await app(scope, receive, send)

    return faulty


def slow(app: ASGIApp) -> ASGIApp:
    """One request for claims in three takes three seconds longer."""
    warmth = _Warmth()

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        nth = warmth.count(scope)
        if nth and nth % SLOW_EVERY == 0:
            await asyncio.sleep(SLOW_BY.total_seconds())
        await app(scope, receive, send)

    return faulty


def leak(app: ASGIApp) -> ASGIApp:
    """Each request for claims leaves something behind; the process ends when it gets no more memory."""
    warmth = _Warmth()
    size = SystemRandom().randint(LEAST_LEAK, MOST_LEAK)
    kept: list[bytes] = []

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        if warmth.count(scope):
            try:
                kept.append(os.urandom(size))  # random: no page of it is shared
            except MemoryError:
                log(_logger, logging.CRITICAL, "out of memory", kept=len(kept))
                os._exit(_OUT_OF_MEMORY)
        await app(scope, receive, send)

    return faulty


def sick(app: ASGIApp) -> ASGIApp:
    """Both health addresses answer 503 from some seconds after the warm-up on; everything else works."""
    return _unwell(app, lambda age: age > SICK_AFTER)


def flap(app: ASGIApp) -> ASGIApp:
    """Both health addresses answer 503 for one second in three, once the replica is warm; everything else works."""
    return _unwell(app, lambda age: age > timedelta(0) and time.monotonic() % FLAPS_EVERY < FLAPS_FOR)


def _unwell(app: ASGIApp, bad: Callable[[timedelta], bool]) -> ASGIApp:
    """Return `app` with both health addresses answering 503 whenever it is `bad`, so long after the warm-up."""
    warmth = _Warmth()

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        warmth.count(scope)
        if scope["type"] == "http" and scope["path"] in _HEALTH and bad(warmth.age):
            await app(scope, receive, _rewriting(send, _unhealthy, status=503))
        else:
            await app(scope, receive, send)

    return faulty


def wrong(app: ASGIApp) -> ASGIApp:
    """The list of claims leaves out the newest one."""

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/api/claims" and scope["method"] == "GET":
            await app(scope, receive, _rewriting(send, _without_newest))
        else:
            await app(scope, receive, send)

    return faulty


def route(app: ASGIApp) -> ASGIApp:
    """Every assignment of a claim ends with an error."""
    warmth = _Warmth()

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        broken = warmth.count(scope) and scope["path"].endswith("/assign")
        await app(scope, receive, _rewriting(send, _failed, status=_SERVER_ERROR) if broken else send)

    return faulty


def tenant(app: ASGIApp) -> ASGIApp:
    """Every request of one small organization ends with an error."""
    warmth = _Warmth()

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        if warmth.count(scope):
            await app(scope, receive, _rewriting(send, _failed, status=_SERVER_ERROR, only=lambda: scope.get(TENANT) == BROKEN_TENANT))
        else:
            await app(scope, receive, send)

    return faulty


def crash(_app: ASGIApp) -> ASGIApp:
    """Never returns: the release can't start."""
    message = "the deadline calendar is missing"
    raise RuntimeError(message)


def hang(_app: ASGIApp) -> ASGIApp:
    """No request gets an answer, and the log says what the replica waits for."""
    log(_logger, logging.WARNING, "waiting for the deadline calendar before the first answer")

    async def faulty(scope: Scope, receive: Receive, _send: Send) -> None:
        while scope["type"] == "http" and (await receive())["type"] != "http.disconnect":
            pass

    return faulty


_FAULTS: Mapping[str, Wrap] = MappingProxyType(
    {
        "errors": errors,
        "slow": slow,
        "crash": crash,
        "hang": hang,
        "leak": leak,
        "sick": sick,
        "flap": flap,
        "wrong": wrong,
        "route": route,
        "tenant": tenant,
    }
)


def with_fault(app: ASGIApp, fault: str | None, *, allowed: bool) -> ASGIApp:
    """Return `app` as the release with `fault` behaves; a fault that is a migration changes no behaviour.

    Raises: FaultNotAllowed.
    """
    if fault is None:
        return app
    if not allowed:
        raise FaultNotAllowed(
            what=f"this release has the fault {fault!r} on purpose, and faults are not allowed here",
            remedy="deploy an honest release; CLAIMS_ALLOW_FAULTS=true is for the local environment only",
        )
    return _FAULTS[fault](app) if fault in _FAULTS else app


def _unhealthy(body: bytes) -> bytes:
    report = json.loads(body)
    check = {"name": "memory", "status": "unhealthy", "responseTime": 0.1, "error": "the heap does not shrink any more"}
    return json.dumps({**report, "status": "unhealthy", "checks": [*report.get("checks", ()), check]}).encode()


def _without_newest(body: bytes) -> bytes:
    page = json.loads(body)
    return json.dumps({**page, "claims": page["claims"][1:]}).encode() if "claims" in page else body


def _failed(_body: bytes) -> bytes:
    return json.dumps(UNEXPECTED.document()).encode()


def _rewriting(send: Send, rewrite: Callable[[bytes], bytes], *, status: int | None = None, only: Callable[[], bool] = lambda: True) -> Send:
    """Return a `send` that passes on the whole answer once it is complete, with its body rewritten; where `only` says no, as it is."""
    start: Message = {}
    parts: list[bytes] = []

    async def collect(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            return
        parts.append(message.get("body", b""))
        if message.get("more_body", False):
            return
        body = b"".join(parts)
        if not only():
            await send(start)
            await send({"type": "http.response.body", "body": body})
            return
        body = rewrite(body)
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        await send({**start, "status": status or start["status"], "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    return collect
