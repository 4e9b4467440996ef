"""A stand-in for ingress-nginx: it reads the annotations of a real Ingress again and again, and answers as they say."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network

from lightkube.resources.networking_v1 import Ingress

from tests.contract.traffic.world import Door
from unioneyes.adapters.kubernetes.client import Cluster
from unioneyes.adapters.kubernetes.watching import metadata
from unioneyes.kernel.problems import Problem

RELOADS = 0.1
"""Seconds between looks at the Ingress."""
_OF = "nginx.ingress.kubernetes.io"
_ANSWER = re.compile(r"add_header Retry-After ([0-9]+) always; return 503;")


@dataclass(slots=True)
class Nginx:
    """What it does now. More requests than the limit lets in are answered with 429, as where the controller's ConfigMap says so."""

    obeys: bool = True
    """False: it answers everybody, whatever is filed, as an nginx whose controller is away."""
    page: int = 200
    """What the service answers."""
    members: Door = field(default_factory=lambda: Door("127.0.0.1", 0))
    annotations: Mapping[str, str] = field(default_factory=dict)
    excess: dict[str, tuple[float, float]] = field(default_factory=lambda: defaultdict(lambda: (0.0, -1.0)))
    """Of each client: how many requests above the limit, and when."""
    counting: threading.Lock = field(default_factory=threading.Lock)
    reading: threading.Lock = field(default_factory=threading.Lock)
    """Held while it looks at the Ingress. Whoever forks holds it: OpenSSL's locks stay as they are in the child, whose owner it does not have."""

    def status(self, client: str) -> tuple[int, dict[str, str]]:
        """Return what a client is answered with."""
        if not self.obeys:
            return self.page, {}
        if found := _ANSWER.fullmatch(self.annotations.get(f"{_OF}/configuration-snippet", "")):
            return 503, {"retry-after": found[1]}
        denied = self.annotations.get(f"{_OF}/denylist-source-range", "")
        if any(ip_address(client) in ip_network(each) for each in denied.split(",") if each):
            return 403, {}
        return (429 if self.too_many(client) else self.page), {}

    def too_many(self, client: str) -> bool:
        """Return whether this request is above the limit. Source: nginx's `ngx_http_limit_req_lookup`, with `nodelay`."""
        rate = int(self.annotations.get(f"{_OF}/limit-rps", "0")) + int(self.annotations.get(f"{_OF}/limit-rpm", "0")) / 60
        burst = int(self.annotations.get(f"{_OF}/limit-rps", "0")) + int(self.annotations.get(f"{_OF}/limit-rpm", "0"))
        if not rate:
            return False
        with self.counting:
            excess, last = self.excess[client]
            now = time.monotonic()
            more = 0.0 if last < 0 else max(excess - rate * (now - last) + 1, 0)
            if more > burst * int(self.annotations.get(f"{_OF}/limit-burst-multiplier", "5")):
                return True
            self.excess[client] = (more, now)
            return False

    def reload(self, annotations: Mapping[str, str]) -> None:
        """It does what is filed."""
        if annotations != self.annotations:
            self.excess.clear()
            self.annotations = annotations


@contextmanager
def nginx(cluster: Cluster, ingress: str) -> Iterator[Nginx]:
    """Give one that serves the Ingress, in front of a service that is answered by blue."""
    running = Nginx()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", "0")))
            client = str(self.client_address[0])
            status, more = running.status(client)
            body = json.dumps({"version": "blue", "headers": {"x-real-ip": client}}).encode()
            self.send_response(status)
            for name, value in (*more.items(), ("content-length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - as http.server calls it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server calls it
            del format, args

    over = threading.Event()

    def follow() -> None:
        while not over.wait(RELOADS):
            with running.reading, suppress(Problem):
                found = cluster.find(Ingress, ingress)
                running.reload((metadata(found).annotations or {}) if found else {})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    running.members = Door("127.0.0.1", server.server_port)
    threads = [threading.Thread(target=work, daemon=True) for work in (server.serve_forever, follow)]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()
