"""A provider that takes a connection and says nothing, or hardly anything: what it costs those who wait for it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread

import pytest

from unioneyes.adapters.oidc import metadata
from unioneyes.adapters.oidc.asking import Asking
from unioneyes.adapters.oidc.metadata import Discovered, Metadata
from unioneyes.ports.identity import ProviderUnavailable

LIMIT = timedelta(seconds=1)
ASKERS = 8


@dataclass(kw_only=True)
class Provider:
    """Answers by hand."""

    url: str
    asked: int = 0
    hangs: Event = field(default_factory=Event)
    over: Event = field(default_factory=Event)

    def answer(self, connection: socket.socket) -> None:
        with connection:
            connection.recv(1 << 16)
            self.asked += 1
            if self.hangs.is_set():
                self.over.wait()
                return
            named = {name: f"{self.url}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
            body = json.dumps({"issuer": self.url, **named}).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def drip(self, connection: socket.socket) -> None:
        """One header after the other, each in time."""
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            try:
                while not self.over.wait(LIMIT.total_seconds() / 4):
                    connection.sendall(b"x-more: 1\r\n")
            except OSError:
                return


@contextmanager
def provider(how: Callable[[Provider, socket.socket], None]) -> Iterator[Provider]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        made = Provider(url=f"http://127.0.0.1:{listening.getsockname()[1]}")

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                Thread(target=how, args=(made, connection), daemon=True).start()

        Thread(target=serve, daemon=True).start()
        try:
            yield made
        finally:
            made.over.set()
            listening.shutdown(socket.SHUT_RDWR)


def test_one_waits_for_a_provider_that_hangs_and_the_others_go_on_with_what_it_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "KEPT_FOR", timedelta(0))
    with provider(Provider.answer) as hung:
        discovered = Discovered(hung.url, Asking(time_limit=LIMIT))
        before = discovered.metadata()
        hung.hangs.set()
        began = time.monotonic()
        with ThreadPoolExecutor(ASKERS) as askers:
            found = list(askers.map(lambda _: discovered.metadata(), range(ASKERS)))
        took = time.monotonic() - began
        assert found == [before] * ASKERS
        assert took < 3 * LIMIT.total_seconds(), "they did not wait one after the other"
        discovered.metadata()
        assert hung.asked == 1 + 1, "and for a while nobody asks again"


def test_while_nothing_is_known_of_a_provider_that_hangs_one_question_is_everybody_s() -> None:
    with provider(Provider.answer) as hung, ThreadPoolExecutor(ASKERS) as askers:
        hung.hangs.set()
        discovered = Discovered(hung.url, Asking(time_limit=LIMIT))
        waiting = [askers.submit(discovered.metadata) for _ in range(ASKERS)]
        assert all(isinstance(each.exception(), ProviderUnavailable) for each in waiting)
        assert hung.asked == 1


def test_an_answer_that_never_ends_is_given_up_in_time_in_its_headers_too() -> None:
    with provider(Provider.drip) as dripping:
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable, match="does not answer"):
            Asking(time_limit=LIMIT).get(dripping.url, Metadata)
        assert time.monotonic() - began < 3 * LIMIT.total_seconds()
