"""A line to an API server that can be cut, and mended again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from lightkube.core.resource import NamespacedResource
from pydantic import JsonValue

from unioneyes.adapters.kubernetes.access import Access, find_access
from unioneyes.adapters.kubernetes.client import Cluster

_N = TypeVar("_N", bound=NamespacedResource)


class Line:
    """Passes on whatever comes, to one address."""

    def __init__(self, to: tuple[str, int]) -> None:
        """Listen."""
        self._to = to
        self._whole = threading.Event()
        self._whole.set()
        self._ends: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Nothing passes any more, also what is under way."""
        self._whole.clear()
        for end in tuple(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """New connections pass again."""
        self._whole.set()

    def close(self) -> None:
        """Nobody listens any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._whole.is_set():
                near.close()
                continue
            far = socket.create_connection(self._to, timeout=10)
            far.settimeout(None)
            for one, other in ((near, far), (far, near)):
                self._ends.add(one)
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.discard(one)
        one.close()


class CutAfterWrite(Cluster):
    """A namespace of a cluster whose line is cut as soon as something was written."""

    line: Line
    cutting = True

    def apply(
        self, kind: type[_N], name: str, said: Mapping[str, JsonValue], *, seen: str | None = None, force: bool = False, within: timedelta | None = None
    ) -> _N:
        """See `Cluster`."""
        written = super().apply(kind, name, said, seen=seen, force=force, within=within)
        if self.cutting:
            self.cutting = False
            self.line.cut()
        return written


@contextmanager
def on_a_line(kubeconfig: Path) -> Iterator[tuple[Line, Access]]:
    """Give a line to the API server of a kubeconfig, and the way that leads over it."""
    access = find_access(kubeconfig=kubeconfig)
    access.context.check_hostname = False  # the certificate names the server, and not our end of the line
    server = urlsplit(access.server)
    line = Line((server.hostname or "", server.port or 443))
    try:
        yield line, replace(access, server=line.url)
    finally:
        line.close()
