"""Real servers for the claims service's suites: PostgreSQL, an issuer of session tokens, and replicas as processes of their own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
import uvicorn
from pydantic import JsonValue, SecretStr
from starlette.applications import Starlette
from starlette.routing import Mount

from unioneyes.adapters.postgres.bootstrap import bootstrap_operated, create_database
from unioneyes.adapters.postgres.connections import sql
from unioneyes.adapters.postgres.server import SUPERUSER, THROWAWAY, PostgresServer
from unioneyes.claims.flows import Person
from unioneyes.claims.releases import migration_folders, newest_migration
from unioneyes.simulators.identity import Issuer, Organization, TokenRequest

PASSWORD = SecretStr("only-for-this-test")
ROLES = ("claims_owner", "claims_app", "ue_replication", "ue_backup", "ue_operator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database of its own on the suite's server."""

    server: PostgresServer
    name: str

    def url(self, role: str) -> str:
        return self.server.url(role=role, password=PASSWORD, database=self.name).get_secret_value()

    def connect(self, role: str) -> psycopg.Connection:
        """Return a connection in autocommit; the test closes it."""
        return psycopg.connect(self.url(role), autocommit=True)

    def connect_as_superuser(self, *, inside: str | None = None) -> psycopg.Connection:
        url = self.server.url(role=SUPERUSER, password=PASSWORD, database=inside or self.name).get_secret_value()
        return psycopg.connect(url, autocommit=True)

    def migrate(self, version: str) -> None:
        """The schema is what `version` needs, and the ledger says so, as Drizzle's own migrator would leave it."""
        with psycopg.connect(self.url("claims_owner")) as owner:
            owner.execute("CREATE SCHEMA IF NOT EXISTS drizzle")
            owner.execute("CREATE TABLE IF NOT EXISTS drizzle.__drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint)")
            there = {row[0] for row in owner.execute("SELECT hash FROM drizzle.__drizzle_migrations")}
            for path, when in _migrations(version):
                sha256 = _sha256(path)
                if sha256 not in there:
                    run_file(owner, path)
                    owner.execute("INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES (%s, %s)", (sha256, when))


def run_file(owner: psycopg.Connection, path: Path) -> None:
    for statement in path.read_text().split("--> statement-breakpoint"):
        owner.execute(statement.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """The issuer, and where it answers."""

    issuer: Issuer
    url: str

    def token(self, person: Person, *, lifetime_seconds: int = 600) -> str:
        request = TokenRequest(
            subject=person["subject"],
            name=person["name"],
            email=person["email"],
            organization=Organization.model_validate(person["organization"]),
            role=person["role"],
            lifetime_seconds=lifetime_seconds,
        )
        return self.issuer.token(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A running replica."""

    process: subprocess.Popen[bytes]
    listen: str
    """`unix:/path`, or an address with a port."""
    private: Path
    log: Path

    @property
    def socket(self) -> Path:
        return Path(self.listen.removeprefix("unix:"))

    @property
    def url(self) -> str:
        return "http://replica" if self.listen.startswith("unix:") else f"http://{self.listen}"

    def client(self, token: str = "") -> httpx.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        transport = httpx.HTTPTransport(uds=str(self.socket)) if self.listen.startswith("unix:") else None
        return httpx.Client(base_url=self.url, transport=transport, headers=headers, timeout=10, trust_env=False)

    def lines(self) -> list[dict[str, JsonValue]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def logged(self, *, at_least: int, **fields: str) -> list[dict[str, JsonValue]]:
        """Return the lines with `fields`, once there are as many: a line may be written just after its answer is sent."""

        def found() -> list[dict[str, JsonValue]]:
            return [line for line in self.lines() if all(line.get(name) == value for name, value in fields.items())]

        wait_until(lambda: len(found()) >= at_least)
        return found()

    def drain(self) -> None:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.private)), trust_env=False) as operations:
            assert operations.post("http://replica/drain").status_code == 202

    def send_away(self, seconds: str) -> int:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.private)), trust_env=False) as operations:
            return operations.post("http://replica/drain/connections", params={"seconds": seconds}).status_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """Starts replicas, and ends those that a test left."""

    identities: Identities
    folder: Path
    started: list[subprocess.Popen[bytes]]

    def settings(self, version: str, database: Database, **changed: str) -> dict[str, str]:
        """Return a replica's environment; `changed` names settings without their prefix."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        url_file = folder / "database-url"
        url_file.write_text(database.url("claims_app"))
        url_file.chmod(0o600)
        settings = {
            "version": version,
            "replica": "blue-1",
            "listen": f"unix:{folder}/s",
            "private_listen": f"unix:{folder}/p",
            "database_url_file": str(url_file),
            "jwks_url": f"{self.identities.url}/.well-known/jwks.json",
            "issuer": self.identities.url,
            "audience": self.identities.url,
            "allow_faults": "true",
            "drain_seconds": "0.3",
            **changed,
        }
        return {f"CLAIMS_{name.upper()}": value for name, value in settings.items()}

    def launch(self, settings: dict[str, str]) -> Replica:
        """Start a replica without waiting for it."""
        private = Path(settings["CLAIMS_PRIVATE_LISTEN"].removeprefix("unix:"))
        log = Path(settings["CLAIMS_DATABASE_URL_FILE"]).with_name("log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "unioneyes.claims.serve"],
                env={"PATH": os.environ["PATH"], **settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.started.append(process)
        return Replica(process=process, listen=settings["CLAIMS_LISTEN"], private=private, log=log)

    def start(self, version: str, database: Database, **changed: str) -> Replica:
        """Return a replica that answers."""
        replica = self.launch(self.settings(version, database, **changed))
        wait_until(lambda: _answers(replica))
        return replica


def wait_until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    """Return as soon as the condition holds; fail when it does not in time."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    server = PostgresServer(name="claims-tests", folder=folder, port=free_port(), sockets=folder, settings=THROWAWAY)
    try:
        server.initialise(PASSWORD)
        with server.running_meanwhile():
            bootstrap_operated(server, superuser=PASSWORD, passwords=dict.fromkeys(ROLES, PASSWORD))
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def new_database(postgres: PostgresServer) -> Callable[[str], Database]:
    """Makes databases that stand at the schema of a release."""

    def make(version: str) -> Database:
        database = Database(server=postgres, name=f"claims_{os.urandom(5).hex()}")
        with database.connect_as_superuser(inside="postgres") as admin:
            create_database(admin, database.name, owner="claims_owner")
        with database.connect_as_superuser() as admin:
            admin.execute(sql("bootstrap_database"))
        database.migrate(version)
        return database

    return make


@pytest.fixture(scope="session")
def identities() -> Iterator[Identities]:
    with running_issuer() as identities:
        yield identities


@pytest.fixture(scope="session")
def replicas(identities: Identities) -> Iterator[Replicas]:
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    started: list[subprocess.Popen[bytes]] = []
    try:
        yield Replicas(identities=identities, folder=folder, started=started)
    finally:
        for process in started:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def database(new_database: Callable[[str], Database]) -> Database:
    """A database at the schema of 1.1.0, shared by tests that keep to organizations of their own."""
    return new_database("1.1.0")


@pytest.fixture(scope="session")
def replica(replicas: Replicas, database: Database) -> Replica:
    """A replica of 1.1.0, shared by tests that leave it running."""
    return replicas.start("1.1.0", database)


@contextmanager
def running_issuer() -> Iterator[Identities]:
    """Run an issuer for the length of a `with` block."""
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/identity"
    issuer = Issuer.open(folder, url=url)
    app = Starlette(routes=[Mount("/identity", routes=issuer.routes())])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield Identities(issuer=issuer, url=url)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        shutil.rmtree(folder, ignore_errors=True)


def _answers(replica: Replica) -> bool:
    assert replica.process.poll() is None, replica.log.read_text()
    if not _listens(replica):
        return False
    with replica.client() as client:
        return client.get("/healthz").status_code == 200


def _listens(replica: Replica) -> bool:
    if replica.listen.startswith("unix:"):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(replica.socket)) == 0
    host, _, port = replica.listen.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _migrations(version: str) -> list[tuple[Path, int]]:
    found: list[tuple[Path, int]] = []
    for folder in migration_folders(version):
        for entry in json.loads((folder / "meta/_journal.json").read_text())["entries"]:
            found.append((folder / f"{entry['tag']}.sql", entry["when"]))
            if entry["tag"] == newest_migration(version):
                return found
    return found


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
