"""A PostgreSQL for a bench: of its own, keeping what it is told, and gone afterwards."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from unioneyes.adapters.postgres.server import SUPERUSER, PostgresServer

_PASSWORD = SecretStr("throwaway-secret")


@contextmanager
def running_postgres() -> Iterator[tuple[str, Path]]:
    """Give its address, and a folder that is gone with it."""
    folder = Path(tempfile.mkdtemp(prefix="ue-bench-", dir="/tmp"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server = PostgresServer(name="bench", folder=folder / "pg", port=port, sockets=folder / "s", settings={})
    try:
        server.initialise(_PASSWORD)
        with server.running_meanwhile():
            yield server.url(role=SUPERUSER, password=_PASSWORD, database="postgres").get_secret_value(), folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
