"""A server with the operated database: the wheel's PostgreSQL 18, or Debian's 15, which is reached by TLS alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from types import MappingProxyType

import psycopg
import pytest
from pydantic import SecretStr

from tests.certificates import Authority
from tests.contract.postgres.conftest import PASSWORD, PASSWORDS, free_port
from tests.stack import eventually
from unioneyes.adapters.postgres.activity import ServerActivity
from unioneyes.adapters.postgres.bootstrap import DATABASE, OPERATOR, bootstrap_operated
from unioneyes.adapters.postgres.privileges import unprivileged, unprivileged_child
from unioneyes.adapters.postgres.server import SUPERUSER, THROWAWAY, PostgresServer

DEBIAN = Path("/usr/lib/postgresql/15/bin")
"""`make contract` installs it where it may."""
NEEDS_DEBIAN = pytest.mark.skipif(not (DEBIAN / "initdb").exists(), reason="Debian's PostgreSQL 15 is not installed: apt-get install postgresql-15")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operated:
    """A server with the operated database and its roles."""

    server: PostgresServer
    authority: Path | None
    """Who vouches for it, where it is reached by TLS."""

    def url(self, role: str, database: str = DATABASE) -> SecretStr:
        address = self.server.url(role=role, password=PASSWORD, database=database).get_secret_value()
        return SecretStr(address if self.authority is None else f"{address}?sslmode=verify-full&sslrootcert={self.authority}")

    @contextmanager
    def connect(self, role: str = SUPERUSER, *, application: str = "test", database: str = DATABASE) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.url(role, database).get_secret_value(), autocommit=True, application_name=application) as opened:
            yield opened

    @property
    def activity(self) -> ServerActivity:
        return ServerActivity(database_url=lambda: self.url(OPERATOR))


@contextmanager
def debian_15(folder: Path, extra: Mapping[str, str] = MappingProxyType({})) -> Iterator[Operated]:
    """Debian's server over TLS, and in no other way; its roles were made as on any server."""
    authority = Authority(folder, "vouches")
    issued = authority.issue("127.0.0.1")
    port, data, password = free_port(), folder / "data", folder / "password"
    password.write_text(PASSWORD.get_secret_value())
    password.chmod(0o600)
    initdb = (
        str(DEBIAN / "initdb"),
        "-D",
        str(data),
        "-U",
        SUPERUSER,
        "-A",
        "scram-sha-256",
        "--pwfile",
        str(password),
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-N",
    )
    subprocess.run(unprivileged(initdb), check=True, capture_output=True, timeout=60)
    settings = {**THROWAWAY, "port": str(port), "unix_socket_directories": str(folder), "listen_addresses": "127.0.0.1", "ssl": "on"}
    settings |= {"ssl_cert_file": str(issued.certificate), "ssl_key_file": str(issued.key), **extra}
    (data / "postgresql.auto.conf").write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    server = PostgresServer(name="debian", folder=folder, port=port, sockets=folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(unprivileged_child((str(DEBIAN / "postgres"), "-D", str(data))), stderr=log)
    try:
        assert eventually(server.ready, within=30), (folder / "log").read_text()
        bootstrap_operated(server, superuser=PASSWORD, passwords=PASSWORDS)
        yield Operated(server=server, authority=authority.file)
    finally:
        process.send_signal(SIGINT)
        process.wait(timeout=30)
