"""An application on loopback in a thread of this process: for tests, and for whoever needs a simulator for a moment."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def served(make: Callable[[str], ASGIApp], *, certificate: Path | None = None, key: Path | None = None) -> Iterator[str]:
    """The application that `make` returns for its own address answers there, on a free port, until the end, under TLS with a certificate; yields it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"{'https' if certificate else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            make(url), log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1, ssl_certfile=certificate, ssl_keyfile=key
        )
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, args=([listening],), name=f"served at {url}", daemon=True)
        thread.start()  # connections wait in the socket's queue until the server takes them
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()
