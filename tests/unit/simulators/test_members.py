"""The load program, against a small service that can be made to fail."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread

import pytest
from pydantic import JsonValue
from starlette.applications import Starlette
from starlette.routing import Mount

from unioneyes.simulators.identity import Issuer
from unioneyes.simulators.report import read_report
from unioneyes.simulators.serving import served


@dataclass
class Seen:
    """What the small service saw, and how it behaves."""

    cut_every: int = 0
    """Which requests' connections are cut without an answer; none when 0."""
    fail_every: int = 0
    """Which requests are answered with 500; none when 0."""
    closes: bool = False
    """True when each answer says that the connection ends."""
    refuses_sign_in: bool = False
    open: Event = field(default_factory=Event)
    """While it is not set, no answer leaves."""
    arrived: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)
    signed_in: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)


class SmallService(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    seen: Seen

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are the tests' doing."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SmallService

    def do_GET(self) -> None:
        self._answer(200)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/sign-in":
            self.server.seen.signed_in.add(self.headers["Authorization"])
            self._send(403 if self.server.seen.refuses_sign_in else 200, {})
            return
        assert json.loads(body)["text"]
        self.server.seen.keys.append(self.headers.get("Idempotency-Key"))
        self._answer(201)

    def _answer(self, status: int) -> None:
        seen = self.server.seen
        seen.arrived.append(self.path)
        seen.open.wait(timeout=60)
        with seen.lock:
            seen.requests.append((self.command, self.path))
            seen.connections.add(self.client_address)
            number = len(seen.requests)
        if seen.cut_every and number % seen.cut_every == 0:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif seen.fail_every and number % seen.fail_every == 0:
            self._send(500, {})
        else:
            self._send(status, {"id": f"claim-{number}", "claims": []})

    def _send(self, status: int, document: dict[str, JsonValue]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-ue-version", "1.0.0")
        if self.server.seen.closes:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """A test's output is the test's."""


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("issuer")
    with served(lambda url: Starlette(routes=[Mount("/identity", routes=Issuer.open(folder, url=url).routes())])) as url:
        yield f"{url}/identity"


@dataclass(frozen=True)
class Load:
    """The load program, aimed at the small service."""

    seen: Seen
    command: tuple[str, ...]
    report: Path

    def run(self, *options: str) -> dict[str, JsonValue]:
        """Run it to its end and return its summary."""
        done = subprocess.run((*self.command, *options), check=False, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return self.summary()

    def summary(self) -> dict[str, JsonValue]:
        summary: dict[str, JsonValue] = json.loads(self.report.read_text().splitlines()[-1])["summary"]
        return summary

    def lines(self) -> list[dict[str, JsonValue]]:
        return [json.loads(line) for line in self.report.read_text().splitlines()[:-1]]


@pytest.fixture
def load(issuer: str, tmp_path: Path) -> Iterator[Load]:
    service = SmallService(("127.0.0.1", 0), Handler)
    service.seen = Seen()
    service.seen.open.set()
    thread = Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    program = (sys.executable, "-m", "unioneyes.simulators.members", "--url", f"http://127.0.0.1:{service.server_address[1]}", "--issuer-url", issuer)
    yield Load(service.seen, (*program, "--report", str(tmp_path / "report.jsonl")), tmp_path / "report.jsonl")
    service.shutdown()
    thread.join()
    service.server_close()


def test_a_healthy_service_loses_nothing_and_every_request_is_told(load: Load) -> None:
    summary = load.run("--rate", "200", "--seconds", "1")
    assert (summary["sent"], summary["answered"], summary["lost"]) == (200, 200, 0)
    assert len(load.seen.requests) == 200
    told = read_report(load.report)
    assert told.document() == {name: summary[name] for name in told.document()}
    assert told.posts == told.posts_answered == len(told.claims) == len(load.seen.keys)
    assert 0.05 < told.posts / told.sent < 0.4
    assert [seen.version for seen in told.versions] == ["1.0.0"]
    assert {line["method"] for line in load.lines()} == {"GET", "POST"}
    assert any(str(line["path"]).startswith("/api/claims/claim-") for line in load.lines())


def test_members_of_three_organizations_sign_in_first(load: Load) -> None:
    load.run("--rate", "10", "--seconds", "0.1")
    assert len(load.seen.signed_in) == 6


def test_each_claim_has_a_key_of_its_own_unless_told_otherwise(load: Load) -> None:
    load.run("--rate", "100", "--seconds", "0.5", "--posts", "1")
    assert None not in load.seen.keys
    assert len(set(load.seen.keys)) == 50
    load.seen.keys.clear()
    load.run("--rate", "100", "--seconds", "0.1", "--posts", "1", "--no-idempotency-key")
    assert set(load.seen.keys) == {None}


def test_a_cut_connection_is_a_lost_request_and_nobody_asks_again(load: Load) -> None:
    load.seen.cut_every = 10
    summary = load.run("--rate", "200", "--seconds", "1")
    assert (summary["sent"], summary["answered"], summary["lost"]) == (200, 180, 20)
    assert len(load.seen.requests) == 200
    assert all(line["error"] for line in load.lines() if line["status"] is None)


def test_an_answer_that_nobody_intended_is_lost(load: Load) -> None:
    load.seen.fail_every = 4
    summary = load.run("--rate", "100", "--seconds", "1")
    assert (summary["answered"], summary["lost"]) == (100, 25)
    assert summary["first_bad"] is not None


def test_a_service_that_is_gone_loses_everything(load: Load, issuer: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        gone = f"http://127.0.0.1:{reserved.getsockname()[1]}"
    arguments = [gone if part.startswith("http://") and part != issuer else part for part in load.command]
    done = subprocess.run([*arguments, "--seconds", "1"], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "can't sign in" in done.stderr
    assert "Traceback" not in done.stderr


def test_members_who_are_refused_make_no_load(load: Load) -> None:
    load.seen.refuses_sign_in = True
    done = subprocess.run((*load.command, "--seconds", "1"), check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "the members can't sign in: POST /api/sign-in: answered 403\n")


def test_connections_are_kept_or_new_as_told(load: Load) -> None:
    load.run("--rate", "40", "--seconds", "0.5", "--new-connections", "1")
    assert len(load.seen.connections) == 20
    load.seen.connections.clear()
    load.run("--rate", "40", "--seconds", "0.5", "--new-connections", "0")
    assert len(load.seen.connections) < 20


def test_a_connection_that_the_service_ends_is_not_used_again(load: Load) -> None:
    load.seen.closes = True
    summary = load.run("--rate", "50", "--seconds", "0.4", "--new-connections", "0")
    assert (summary["lost"], len(load.seen.connections)) == (0, 20)


def test_warm_connections_stand_before_the_schedule_and_are_not_counted(load: Load) -> None:
    summary = load.run("--rate", "10", "--seconds", "0.5", "--new-connections", "0", "--warm")
    assert (summary["sent"], len(load.seen.requests), len(load.seen.connections)) == (5, 13, 8)


def test_a_stall_does_not_slow_the_schedule_and_counts_from_when_each_request_was_due(load: Load) -> None:
    load.seen.open.clear()
    program = subprocess.Popen((*load.command, "--rate", "50", "--seconds", "1"))
    while len(load.seen.arrived) < 50:  # every request falls due while no answer leaves
        time.sleep(0.01)
    load.seen.open.set()
    assert program.wait(timeout=60) == 0
    summary = load.summary()
    assert (summary["sent"], summary["lost"]) == (50, 0)
    assert float(str(summary["slowest_ms"])) > 900
    assert float(str(summary["p50_ms"])) > 400


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_load_after_the_requests_under_way(load: Load, number: signal.Signals) -> None:
    program = subprocess.Popen((*load.command, "--rate", "100"))
    while len(load.seen.requests) < 20:
        time.sleep(0.01)
    load.seen.open.clear()
    program.send_signal(number)
    load.seen.open.set()
    assert program.wait(timeout=60) == 0
    summary = load.summary()
    assert summary["sent"] == summary["answered"] == len(load.seen.requests)
    assert summary["lost"] == 0
