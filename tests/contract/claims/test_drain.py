from __future__ import annotations

import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.contract.claims.conftest import Database, Identities, Replica, Replicas, free_port, wait_until
from tests.contract.claims.test_api import person


class Client:
    """A client that keeps its connection, never retries, and knows whether its request left it whole."""

    def __init__(self, path: Path, token: str) -> None:
        self._path = path
        self._request = f"GET /api/claims?limit=1 HTTP/1.1\r\nhost: replica\r\nauthorization: Bearer {token}\r\n\r\n".encode()
        self._socket: socket.socket | None = None
        self.results: Counter[str] = Counter()

    def connected(self) -> bool:
        """Whether its connection was kept."""
        return self._socket is not None

    def ask(self) -> bool:
        """Send one request; return False when the replica takes none any more."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(20)
            if self._socket.connect_ex(str(self._path)):
                self.close()
                return False
        try:
            self._socket.sendall(self._request)
        except BrokenPipeError:
            self.results["not sent"] += 1
            self.close()
            return False
        self._read()
        return True

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        assert self._socket is not None
        answer = b""
        with suppress(ConnectionResetError):
            while part := self._socket.recv(65536):
                answer += part
                head, _, body = answer.partition(b"\r\n\r\n")
                length = next((int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length:")), None)
                if length is not None and len(body) >= length:
                    break
        ok = answer.startswith(b"HTTP/1.1 200")
        self.results["answered" if ok else "lost"] += 1
        if not ok or b"connection: close" in answer:
            self.close()


@pytest.fixture
def token(identities: Identities) -> str:
    return identities.token(person("org_drain"))


def started(replicas: Replicas, database: Database, token: str, **changed: str) -> Replica:
    replica = replicas.start("1.1.0", database, **changed)
    with replica.client(token) as client:
        client.post("/api/sign-in")
    return replica


def by_signal(replica: Replica) -> None:
    replica.process.send_signal(signal.SIGTERM)


def by_request(replica: Replica) -> None:
    replica.drain()


@pytest.mark.parametrize("drain", [by_signal, by_request])
def test_a_drain_under_load_loses_no_request(replicas: Replicas, database: Database, token: str, drain: Callable[[Replica], None]) -> None:
    replica = started(replicas, database, token)
    clients = [Client(replica.socket, token) for _ in range(6)]

    def hammer(client: Client) -> None:
        while client.ask():
            pass

    threads = [threading.Thread(target=hammer, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    wait_until(lambda: sum(client.results["answered"] for client in clients) > 60)
    drain(replica)
    for thread in threads:
        thread.join()
    results = sum((client.results for client in clients), Counter[str]())
    assert results["lost"] == 0, replica.log.read_text()[-2000:]
    assert replica.process.wait(30) == 0
    assert not replica.socket.exists()
    assert not replica.private.exists()


def test_a_connection_that_was_idle_when_the_drain_began_is_answered_and_then_closed(replicas: Replicas, database: Database, token: str) -> None:
    replica = started(replicas, database, token, drain_seconds="2")
    idle, silent = Client(replica.socket, token), Client(replica.socket, token)
    assert idle.ask()
    assert silent.ask()
    replica.drain()
    with replica.client() as probe:
        wait_until(lambda: probe.get("/healthz").status_code == 503)
    assert idle.ask()
    assert idle._socket is None
    assert idle.results == {"answered": 2}
    assert replica.process.wait(30) == 0
    assert not silent.ask()
    assert silent.results == {"answered": 1, "not sent": 1}


def test_a_request_that_takes_longer_than_the_drain_is_answered(replicas: Replicas, database: Database, token: str) -> None:
    replica = started(replicas, database, token)
    client = Client(replica.socket, token)
    with psycopg.connect(database.url("claims_owner")) as owner:
        owner.execute("LOCK TABLE claims IN ACCESS EXCLUSIVE MODE")
        asking = threading.Thread(target=client.ask)
        asking.start()
        wait_until(lambda: waits_for_lock(database))
        by_signal(replica)
        wait_until(lambda: not replica.socket.exists())
        time.sleep(0.3)
        assert replica.process.poll() is None
    asking.join()
    assert client.results == {"answered": 1}
    assert replica.process.wait(30) == 0


def test_a_replica_sends_its_clients_away_and_stays(replicas: Replicas, database: Database, token: str) -> None:
    replica = started(replicas, database, token)
    client = Client(replica.socket, token)
    assert client.ask()
    assert client.connected()
    assert replica.send_away("60") == 202
    assert client.ask()
    assert not client.connected(), "it was told to close the connection"
    with replica.client(token) as members:
        assert members.get("/healthz").status_code == 200
        assert members.post("/drain/connections?seconds=0").status_code == 404
    assert replica.send_away("0") == 202
    assert client.ask()
    assert client.connected()
    assert [replica.send_away(seconds) for seconds in ("", "-1", "3601", "soon")] == [422] * 4
    assert client.results == {"answered": 3}
    client.close()


def test_members_can_not_drain_a_replica(replicas: Replicas, database: Database, token: str) -> None:
    replica = started(replicas, database, token)
    with replica.client(token) as client:
        assert client.post("/drain").status_code == 404
        assert client.get("/healthz").status_code == 200


def test_on_ports_members_and_operations_are_apart_as_well(replicas: Replicas, database: Database, token: str) -> None:
    members, private = free_port(), free_port()
    replica = replicas.start("1.1.0", database, listen=f"127.0.0.1:{members}", private_listen=f"0.0.0.0:{private}", drain_seconds="5")
    with replica.client(token) as client, httpx.Client(base_url=f"http://127.0.0.1:{private}", trust_env=False) as operations:
        assert client.post("/drain").status_code == 404
        assert operations.get("/api/claims").status_code == 404
        assert 'claims_requests_total{method="POST"' in operations.get("/metrics").text
        assert operations.post("/drain").status_code == 202
        assert client.get("/healthz").status_code == 503
        assert client.get("/api/claims").headers["connection"] == "close"
    by_signal(replica)
    assert replica.process.wait(30) == 0


def test_a_stale_socket_file_does_not_stop_a_replica(replicas: Replicas, database: Database) -> None:
    settings = replicas.settings("1.1.0", database)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(settings["CLAIMS_LISTEN"].removeprefix("unix:"))
    replica = replicas.launch(settings)
    wait_until(lambda: '"serving"' in replica.log.read_text())
    with replica.client() as client:
        assert client.get("/healthz").status_code == 200


def waits_for_lock(database: Database) -> bool:
    with database.connect("claims_owner") as owner:
        return (
            owner.execute("SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").fetchone()
            == ()
        )
