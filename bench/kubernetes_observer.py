"""What peers ask about a release: a server that answers as Prometheus does, from what the members' client has counted, and a gate for a person's word.

It is quicker than any Prometheus, which would have to scrape first: a peer's analysis sees a fault as soon as it looks.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydantic import TypeAdapter

from kubernetes_rules import failed_share, vector
from unioneyes.simulators.report import Exchange

WINDOW = timedelta(seconds=10)
_EXCHANGE = TypeAdapter(Exchange)
_ONLINE = "vector(1)"
"""What Flagger asks to learn whether Prometheus is there."""


class Observer:
    """Knows the members' report of now, and whether the gate is open."""

    def __init__(self) -> None:
        """Nobody is observed yet, and the gate is shut."""
        self._lock = threading.Lock()
        self._report: Path | None = None
        self._read = 0
        self._recent: deque[Exchange] = deque()
        self._open = False
        self._asked = 0
        self.url = ""

    def watch(self, report: Path) -> None:
        """The answers are of these members from now on."""
        with self._lock:
            self._report, self._read = report, 0
            self._recent.clear()

    def gate(self, *, open_: bool) -> None:
        """Whoever asks at the gate may pass, or waits."""
        with self._lock:
            self._open, self._asked = open_, 0

    @property
    def asked(self) -> int:
        """How often somebody asked at the gate since it was last moved."""
        with self._lock:
            return self._asked

    def pass_gate(self) -> bool:
        """Return whether whoever asks may pass."""
        with self._lock:
            self._asked += 1
            return self._open

    def failed(self) -> float:
        """Return the share of requests that were lost within the last moments, 0-1."""
        now = time.time()
        with self._lock:
            if self._report is not None and self._report.exists():
                with self._report.open("rb") as file:
                    file.seek(self._read)
                    lines = file.read()
                whole = lines[: lines.rfind(b"\n") + 1]
                self._read += len(whole)
                self._recent.extend(_EXCHANGE.validate_json(line) for line in whole.splitlines() if not line.startswith(b'{"summary"'))
            while self._recent and self._recent[0].ended_at < now - WINDOW.total_seconds():
                self._recent.popleft()
            return failed_share(self._recent, now=now, window=WINDOW)


@contextmanager
def observe() -> Iterator[Observer]:
    """An observer answers on loopback."""
    observer = Observer()

    class Answer(BaseHTTPRequestHandler):
        """One question."""

        def do_GET(self) -> None:
            """Answer a query, or let pass."""
            body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
            asked = urlsplit(self.path)
            if asked.path == "/gate":
                self._say(200 if observer.pass_gate() else 403, "{}")
            elif asked.path == "/api/v1/query":
                query = parse_qs(asked.query).get("query") or parse_qs(body).get("query") or [""]
                self._say(200, vector(1.0 if query[0] == _ONLINE else observer.failed(), at=time.time()))
            else:
                self._say(404, "{}")

        do_POST = do_GET  # noqa: N815 - as http.server calls it

        def _say(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server calls it
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        observer.url = f"http://127.0.0.1:{server.server_address[1]}"
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield observer
        finally:
            server.shutdown()
            serving.join()
