"""An API server that answers what a test wrote down: for the bad days of a real one, which does not have them when it is told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pydantic import JsonValue, SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.certificates import Authority
from unioneyes.adapters.kubernetes.access import Access, trusting
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.simulators.serving import served

NAMESPACE = "ops"
Answer = Callable[[Request], Response]


@dataclass(slots=True, kw_only=True)
class Scripted:
    """What it will answer, and what it was asked."""

    cluster: Cluster
    answers: deque[Answer] = field(default_factory=deque)
    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    """Method, path, query and credential of each request."""
    sent: list[bytes] = field(default_factory=list)
    """The body of each request that had one."""

    def then(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    async def handle(self, request: Request) -> Response:
        self.asked.append((request.method, request.url.path, dict(request.query_params), request.headers.get("authorization", "")))
        self.sent += [body] if (body := await request.body()) else []
        return self.answers.popleft()(request)


def failing(code: int, message: str, *, reason: str = "", headers: dict[str, str] | None = None) -> Answer:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, "reason": reason}
    return lambda _request: JSONResponse(body, status_code=code, headers=headers)


def saying(body: JsonValue) -> Answer:
    return lambda _request: JSONResponse(body)


def configmap(name: str = "a", version: str = "1") -> dict[str, JsonValue]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "resourceVersion": version}}


def streaming(*pieces: str, every: float = 0.0, stays: float = 0.0) -> Answer:
    async def tell() -> AsyncIterator[str]:
        for piece in pieces:
            yield piece
            await asyncio.sleep(every)
        await asyncio.sleep(stays)

    return lambda _request: StreamingResponse(tell(), media_type="application/json")


@contextmanager
def scripted(folder: Path, *, tokens: tuple[str, ...] = ("first",), time_limit: timedelta = timedelta(seconds=5)) -> Iterator[Scripted]:
    """Give the server, and what asks it: with the first token, then with the next ones, each time that the credentials are read."""
    authority = Authority(folder, "authority")
    shown = authority.issue("127.0.0.1")
    left = deque(tokens)
    url = ""

    def access() -> Access:
        token = left.popleft() if len(left) > 1 else left[0]
        return Access(server=url, context=trusting(authority.file), token=SecretStr(token))

    script = Scripted(cluster=Cluster(access, namespace=NAMESPACE, time_limit=time_limit))
    application = Starlette(routes=[Route("/{path:path}", script.handle, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])])
    with served(lambda _: application, certificate=shown.certificate, key=shown.key) as address:
        url = address
        yield script
        script.cluster.close()
