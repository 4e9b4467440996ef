"""Between an adapter and the API server: a relay that can be shut, as a network that is away for a while, or held, as a server that hangs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PIECE = 65536


class Relay:
    """Passes bytes on between a port of its own and a server."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._closed = False
        self.shut = False
        self._flows = threading.Event()
        self._flows.set()
        self.passed = 0
        """Connections so far."""
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks, and no new one is answered, until `mend`."""
        self.shut = True
        for each in tuple(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def hold(self) -> None:
        """Connections stay and new ones are taken, and nobody is answered anything until `mend`, which passes on what was said meanwhile."""
        self._flows.clear()

    def mend(self) -> None:
        """Connections are passed on again."""
        self.shut = False
        self._flows.set()

    def close(self) -> None:
        """It is gone."""
        self._closed = True
        self.cut()
        self._flows.set()
        self._listening.close()

    def _serve(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.shut:
                client.close()
                continue
            self.passed += 1
            server = socket.create_connection(self._target)
            self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                self._flows.wait()
                sink.sendall(piece)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            self._open.discard(each)
        source.close()


@contextmanager
def relayed(host: str, port: int) -> Iterator[Relay]:
    """Give a relay to the server."""
    relay = Relay(host, port)
    try:
        yield relay
    finally:
        relay.close()
