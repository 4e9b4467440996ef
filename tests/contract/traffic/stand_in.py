"""A stand-in for the operated service: it says which version it is, and does what its path asks."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime

Message = MutableMapping[str, object]
VERSION = os.environ["STAND_IN_VERSION"]
SICK = os.environ["STAND_IN_SICK"]


async def app(scope: MutableMapping[str, object], receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """Answer what the path asks for, by default 200 with what was seen of the request.

    `/healthz`: 503 while the file STAND_IN_SICK exists. `/status/503`: that status. `/slow/0.5`: that many seconds later. `/log/ERROR`: after such a line.
    `/exit/3`: none; it says that something is lost, and ends so.
    """
    path, headers = str(scope["path"]), scope["headers"]
    assert isinstance(headers, list)
    await receive()
    status = 200
    match path.split("/")[1:]:
        case ["healthz"]:
            status = 503 if os.path.exists(SICK) else 200  # noqa: ASYNC240, PTH110 - a look at one name
        case ["log", level]:
            line = {"timestamp": datetime.now(UTC).isoformat(), "level": level, "message": f"{level} was asked for", "request_id": "r-1"}
            print(json.dumps(line), flush=True)  # noqa: T201 - its log
        case ["exit", code]:
            print(json.dumps({"timestamp": datetime.now(UTC).isoformat(), "level": "CRITICAL", "message": "all is lost"}), flush=True)  # noqa: T201 - its log
            os._exit(int(code))
        case ["status", wanted]:
            status = int(wanted)
        case ["slow", seconds]:
            await asyncio.sleep(float(seconds))
    saw = {name.decode(): value.decode() for name, value in headers}
    body = json.dumps({"version": VERSION, "method": scope["method"], "headers": saw}).encode()
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
