"""The wire between a worker and PostgreSQL, which can be held (nothing comes through, nobody is told) or cut (every connection breaks, and none is made)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

_CHUNK = 65_536


@dataclass(slots=True, eq=False)
class Wire:
    """Forwards a port of the loopback to another one."""

    listener: socket.socket
    target: int
    flows: Event = field(default_factory=Event)
    whole: bool = True
    ends: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def hold(self) -> None:
        self.flows.clear()

    def cut(self) -> None:
        self.whole = False
        self._end_all()

    def heal(self) -> None:
        self.whole = True
        self.flows.set()

    def close(self) -> None:
        self.whole = False
        self.flows.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._end_all()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                if not self.whole:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self.target))
                self.ends += [near, far]
                Thread(target=self._forward, args=(near, far), daemon=True).start()
                Thread(target=self._forward, args=(far, near), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                self.flows.wait()
                target.sendall(chunk)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _end_all(self) -> None:
        while self.ends:
            end = self.ends.pop()
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """Give a wire to a port of the loopback, whole at first."""
    wire = Wire(socket.create_server(("127.0.0.1", 0)), port)
    wire.flows.set()
    serving = Thread(target=wire.serve, daemon=True)
    serving.start()
    try:
        yield wire
    finally:
        wire.close()
        serving.join()
