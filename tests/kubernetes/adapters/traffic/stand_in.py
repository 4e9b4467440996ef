"""A stand-in for the operated service in a pod of the base image: it says which version it is, and does what its path asks. Sent there as text.

`/healthz`: 200. `/status/503`: that status. `/slow/0.5`: that many seconds later.
"""

import http.server
import json
import os
import signal
import sys
import time


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
        saw = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"version": os.environ["STAND_IN_VERSION"], "method": self.command, "headers": saw}).encode()
        self.send_response(int(asked[1]) if asked[0] == "status" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - as http.server calls it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server calls it
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    """All connections."""

    request_queue_size = 1024
    daemon_threads = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    Server(("", 8000), Answer).serve_forever()
