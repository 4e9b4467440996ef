"""A real PostgreSQL for the suites of this adapter: one server per session and worker, a database of its own per test."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from unioneyes.adapters.postgres.bootstrap import BACKUP, OPERATOR, OWNER, REPLICATION, SERVICE, bootstrap_operated, create_database
from unioneyes.adapters.postgres.server import SUPERUSER, THROWAWAY, PostgresServer

PASSWORD = SecretStr("pass:word' with \\ everything")
PASSWORDS = dict.fromkeys((OWNER, SERVICE, REPLICATION, BACKUP, OPERATOR), PASSWORD)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        assert isinstance(port, int)
        return port


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database of the suite's server that belongs to one test."""

    server: PostgresServer
    name: str

    def url(self, role: str) -> SecretStr:
        return self.server.url(role=role, password=PASSWORD, database=self.name)

    @contextmanager
    def connect(self, role: str = SUPERUSER, *, application: str = "test") -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.url(role).get_secret_value(), autocommit=True, application_name=application) as connection:
            yield connection

    def value(self, query: str, role: str = SUPERUSER) -> object:
        """Return the first column of the first row."""
        with self.connect(role) as connection:
            row = connection.execute(query.encode()).fetchone()
            assert row is not None
            value: object = row[0]
            return value


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with short_folder() as folder:
        made = PostgresServer(name="suite", folder=folder, port=free_port(), sockets=folder, settings=THROWAWAY)
        made.initialise(PASSWORD)
        with made.running_meanwhile():
            bootstrap_operated(made, superuser=PASSWORD, passwords=PASSWORDS)
            yield made


@pytest.fixture
def database(server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Database]:
    made = Database(server=server, name=f"test_{os.getpid()}_{abs(hash(request.node.nodeid)):x}"[:60])
    with Database(server=server, name="postgres").connect() as admin:
        create_database(admin, made.name, owner=OWNER)
        yield made
        admin.execute(f'DROP DATABASE "{made.name}" WITH (FORCE)'.encode())
