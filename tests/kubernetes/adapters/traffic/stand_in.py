"""A stand-in for the operated service in a pod of the base image: it says which version it is, and does what its path asks. Sent there as text.

`/healthz`: 200. `/status/503`: that status. `/slow/0.5`: that many seconds later. On its private port it has what the service has there: `/metrics`, and
`POST /drain/connections?seconds=60`.
"""

import http.server
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

PRIVATE = 8001


class Counted:
    """What was answered so far, and until when clients are sent away."""

    answers: ClassVar[Counter[str]] = Counter()
    away_until = 0.0
    lock = threading.Lock()


class Answer(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer what the path asks for, by default 200 with what was seen of the request."""
        self.rfile.read(int(self.headers.get("content-length", "0")))
        _, *asked = self.path.split("?")[0].split("/")
        if asked[0] == "slow":
            time.sleep(float(asked[1]))
        status = int(asked[1]) if asked[0] == "status" else 200
        if asked[0] != "healthz":
            with Counted.lock:
                Counted.answers[str(status)] += 1
        saw = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"version": os.environ["STAND_IN_VERSION"], "method": self.command, "headers": saw}).encode()
        self.send_response(status)
        if time.monotonic() < Counted.away_until:
            self.send_header("connection", "close")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - as http.server calls it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server calls it
        """Say nothing."""


class Private(http.server.BaseHTTPRequestHandler):
    """One connection of an operator."""

    def do_GET(self) -> None:
        """Say what was counted."""
        lines = [f'claims_requests_total{{method="GET",route="/",status="{status}"}} {count}' for status, count in Counted.answers.items()]
        self.answer(200, "\n".join(["# TYPE claims_requests counter", *lines, ""]))

    def do_POST(self) -> None:
        """Send the clients away."""
        (seconds,) = parse_qs(urlsplit(self.path).query)["seconds"]
        Counted.away_until = time.monotonic() + float(seconds)
        self.answer(202, "{}")

    def answer(self, status: int, text: str) -> None:
        """Answer."""
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server calls it
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    """All connections."""

    request_queue_size = 1024
    daemon_threads = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    threading.Thread(target=Server(("", PRIVATE), Private).serve_forever, daemon=True).start()
    Server(("", 8000), Answer).serve_forever()
