"""A replica ends without losing a request.

Told to drain, by SIGTERM or by `POST /drain` on its private address, it answers on with `Connection: close` for some seconds, so that clients leave by
themselves. Then it stops listening, finishes what it has, and ends. On Unix sockets the last race is closed as well: an idle connection is shut for reading
before it is closed, so a client that writes at that moment either gets its answer or sees its write fail, and knows that nothing was done.

Where a Service's selector leads the members, kept-alive connections stay with the replicas that it led to before. Those are told to send their clients away by
`POST /drain/connections?seconds=60`: they answer with `Connection: close` for so long, and stay, ready to be led to again.
"""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType

from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from unioneyes.claims.settings import Address, TcpAddress, UnixAddress

_BACKLOG = 2048
_ONE_TURN = timedelta(milliseconds=50)
"""Enough for the event loop to accept and read whatever has arrived."""

LONGEST_AWAY = timedelta(hours=1)
"""For which a replica may be told to send its clients away."""


class Drain:
    """Whether the replica is draining, and whether it has done so for long enough; or only sends its clients away, and stays."""

    def __init__(self, lasts: timedelta) -> None:
        """Nothing was asked for yet."""
        self._lasts = lasts
        self._began_at: float | None = None
        self._away_until = 0.0

    def begin(self) -> None:
        """The replica is draining; a repetition changes nothing."""
        if self._began_at is None:
            self._began_at = time.monotonic()

    @property
    def begun(self) -> bool:
        """True once it was asked to drain."""
        return self._began_at is not None

    def send_away(self, lasts: timedelta) -> None:
        """For so long each answer closes its connection, so that clients come to whom new connections lead; the replica stays. None from now on, for 0."""
        self._away_until = time.monotonic() + lasts.total_seconds()

    @property
    def closing(self) -> bool:
        """True while each answer closes its connection."""
        return self.begun or time.monotonic() < self._away_until

    @property
    def over(self) -> bool:
        """True when clients have had their time."""
        return self._began_at is not None and time.monotonic() - self._began_at >= self._lasts.total_seconds()


class Listener:
    """A bound socket; a Unix socket's file is removed at the end, unless another process has taken its place."""

    def __init__(self, address: Address) -> None:
        """Bind to `address`; what an ended process left there is replaced. Raises: OSError."""
        self.address = address
        match address:
            case UnixAddress(path):
                path.unlink(missing_ok=True)
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.bind(str(path))
                path.chmod(0o600)
                self._inode = path.stat().st_ino
            case TcpAddress(host, port):
                self.socket = socket.create_server((host, port))
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does not, for a socket made like this
        self.socket.listen(_BACKLOG)
        self.socket.setblocking(False)  # noqa: FBT003 - the socket module's own signature

    def unlink(self) -> None:
        """No new client finds the socket's file."""
        if isinstance(self.address, UnixAddress) and _inode(self.address.path) == self._inode:
            self.address.path.unlink(missing_ok=True)


class Connection(H11Protocol):
    """A client's connection that can be shut for reading while its last request is being answered."""

    @property
    def idle(self) -> bool:
        """True when no request is under way."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # uvicorn sets None before the first request

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio reads the answer; uvicorn's own gives none
        """Keep the way to the client open until its answer is sent."""
        return not self.idle

    def shut_for_reading(self) -> None:
        """What the client has sent will still be read; whatever it writes from now on fails for it at once."""
        peer = self.transport.get_extra_info("socket")
        if peer.family == socket.AF_UNIX and self.idle and not self.transport.is_closing():
            peer.shutdown(socket.SHUT_RD)


class DrainingServer(Server):
    """A uvicorn server whose end begins with a drain."""

    def __init__(self, config: Config, *, drain: Drain, listeners: tuple[Listener, ...]) -> None:
        """Serve on `listeners` until `drain` is over."""
        super().__init__(config)
        self._drain = drain
        self._listeners = listeners

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal ends the drain."""
        del sig, frame
        self.should_exit = self._drain.begun
        self._drain.begin()

    async def on_tick(self, counter: int) -> bool:
        """Return True when it is time to end."""
        return await super().on_tick(counter) or self._drain.over

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Every request that arrived is answered, and nothing listens any more."""
        for listener in self._listeners:
            listener.unlink()
        await asyncio.sleep(_ONE_TURN.total_seconds())
        for server in self.servers:
            server.close()
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.shut_for_reading()
        await asyncio.sleep(_ONE_TURN.total_seconds())
        await super().shutdown(sockets)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
