"""Asking a replica over its Unix socket for what it counted."""

from __future__ import annotations

import socket
import time
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path

_OK = 200
_PIECE = 65536


def ask(path: Path, target: str, *, within: timedelta) -> str:
    """Return the body of the answer to GET `target`. Raises: OSError (also when the whole answer is not there in time), HTTPException."""
    until = time.monotonic() + within.total_seconds()
    connection = _UnixConnection(path, timeout=within.total_seconds())
    try:
        connection.request("GET", target, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = b""
        while piece := answer.read1(_PIECE):
            body += piece
            if time.monotonic() > until:
                raise TimeoutError(f"{path} answers too slowly")
    finally:
        connection.close()
    if answer.status != _OK:
        raise HTTPException(f"{path} answers {answer.status}")
    return body.decode()


class _UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, *, timeout: float) -> None:
        super().__init__("replica", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
