"""A PostgreSQL that is reached by TLS alone: what ends TLS stands before a real server, as a managed one's proxy does."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from tests.certificates import Issued

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""Source: PostgreSQL's documentation, "Message Formats", SSLRequest."""
_AT_ONCE = 64 * 1024


@contextmanager
def tls_front(port: int, issued: Issued, *, address: str = "127.0.0.1") -> Iterator[int]:
    """Give the port of `address` where the server that listens at `port` is reached by TLS, with that certificate, and in no other way."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with socket.create_server((address, 0)) as listening:
        thread = Thread(target=_accept, args=(listening, port, context), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listening: socket.socket, port: int, context: ssl.SSLContext) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            Thread(target=_serve, args=(client, port, context), daemon=True).start()


def _serve(plain: socket.socket, port: int, context: ssl.SSLContext) -> None:
    with suppress(OSError), plain:
        if plain.recv(len(_SSL_REQUEST), socket.MSG_WAITALL) != _SSL_REQUEST:
            return  # nobody comes in in clear text
        plain.sendall(b"S")
        with context.wrap_socket(plain, server_side=True) as client, socket.create_connection(("127.0.0.1", port)) as server:
            while _passed_on(client, server):
                pass


def _passed_on(client: ssl.SSLSocket, server: socket.socket) -> bool:
    """Return whether both are still there, once something was passed on. By one thread: OpenSSL takes no two at one connection."""
    ready = [client] if client.pending() else select.select([client, server], [], [], 60)[0]
    for source, target in ((client, server), (server, client)):
        if source in ready:
            data = source.recv(_AT_ONCE)
            if not data:
                return False
            target.sendall(data)
    return bool(ready)
