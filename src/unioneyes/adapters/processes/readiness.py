"""Asking a process whether it is ready."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from unioneyes.adapters.processes.child import Child
from unioneyes.adapters.processes.spec import Exec, Readiness, TcpHttp, TcpOpen, UnixHttp

if TYPE_CHECKING:
    from ssl import SSLContext

_ANSWER_SECONDS = 2.0
_SUCCESS = range(200, 300)


async def is_ready(ready: Readiness) -> bool:
    """Return whether the process answers as `ready` asks. No answer within two seconds is a no."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            match ready:
                case UnixHttp(path, url):
                    return await _succeeds(await asyncio.open_unix_connection(path), url)
                case TcpHttp(host, port, path, tls):
                    return await _succeeds(await asyncio.open_connection(host, port, ssl=_tls() if tls else None), path)
                case TcpOpen(host, port):
                    (await asyncio.open_connection(host, port))[1].close()
                    return True
                case Exec(argv):
                    return await _ends_well(argv)
    except (OSError, TimeoutError, ValueError, IndexError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):  # refused, silent, or no HTTP
        return False


async def _succeeds(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], url: str) -> bool:
    reader, writer = connection
    try:
        writer.write(f"GET {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        status_line = await reader.readuntil(b"\r\n")
        return int(status_line.split()[1]) in _SUCCESS
    finally:
        if writer.get_extra_info("sslcontext"):
            writer.transport.abort()  # a polite end would wait for the other side's
        else:
            writer.close()


def _tls() -> SSLContext:
    from ssl import CERT_NONE, PROTOCOL_TLS_CLIENT, SSLContext  # noqa: PLC0415 - the supervisor carries it only where a process speaks TLS

    context = SSLContext(PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, CERT_NONE
    return context


async def _ends_well(argv: tuple[str, ...]) -> bool:
    command = Child(argv, env={}, cwd=Path("/"), output=subprocess.DEVNULL)
    try:
        return await command.ended() == 0
    finally:
        command.kill()
