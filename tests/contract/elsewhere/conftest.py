"""Databases that somebody else runs: two real servers behind TLS, and an environment's file that names them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import psycopg
import pytest

from tests.certificates import Authority
from tests.contract.elsewhere.tls_front import tls_front
from tests.contract.postgres.conftest import PASSWORD, PASSWORDS, free_port, short_folder
from unioneyes.adapters.postgres.bootstrap import bootstrap_operated, create_database, set_password
from unioneyes.adapters.postgres.server import SUPERUSER, THROWAWAY, PostgresServer
from unioneyes.environments.local.layout import Layout

NAME = "managed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Managed:
    """Two servers, and where they are reached."""

    operated: PostgresServer
    operated_port: int
    control_port: int
    authority: Path
    stranger: Path
    """Somebody who vouches for neither."""


@pytest.fixture(scope="session")
def managed() -> Iterator[Managed]:
    with short_folder() as folder, ExitStack() as running:
        servers = [PostgresServer(name=name, folder=folder / name, port=free_port(), sockets=folder, settings=THROWAWAY) for name in ("operated", "control")]
        authority, stranger = Authority(folder, "vouches"), Authority(folder, "stranger")
        issued = authority.issue("localhost")
        for server in servers:
            server.initialise(PASSWORD)
            running.enter_context(server.running_meanwhile())
        bootstrap_operated(servers[0], superuser=PASSWORD, passwords=PASSWORDS)
        with psycopg.connect(servers[1].url(role=SUPERUSER, password=PASSWORD, database="postgres").get_secret_value(), autocommit=True) as admin:
            admin.execute("CREATE ROLE ue_control LOGIN")
            set_password(admin, "ue_control", PASSWORD)
            create_database(admin, "control", owner="ue_control")
        ports = [running.enter_context(tls_front(server.port, issued)) for server in servers]
        yield Managed(operated=servers[0], operated_port=ports[0], control_port=ports[1], authority=authority.file, stranger=stranger.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """An environment whose databases are elsewhere."""

    home: Path
    kept: Path

    def settle(self, managed: Managed, *, host: str = "localhost", authority: Path | None = None, operated_port: int | None = None, extra: str = "") -> None:
        """The environment's file names the two servers."""
        names = ("claims_owner", "claims_app", "ue_backup", "ue_operator", "ue_control", "slack_token", "restore")
        for name in names:
            file = self.kept / name
            file.touch(mode=0o600)
            file.write_text(PASSWORD.get_secret_value())
        reached = f'host = "{host}"\nauthority = "{authority or managed.authority}"\n'
        refers = "".join(f'{name} = "secret://file{self.kept}#{name}"\n' for name in names)
        (self.home / "environment.toml").write_text(
            f'name = "{NAME}"\n[cluster]\nimages = "127.0.0.1:1/none"\nurl = "http://127.0.0.1:1"\npreview_url = "http://127.0.0.1:1"\n'
            f'kubeconfig = "{self.kept}/kubeconfig"\n'
            f"[control]\nport = {free_port()}\n"
            f'[database]\n{reached}port = {operated_port or managed.operated_port}\nrestore_role = "{SUPERUSER}"\n'
            f"[control.database]\n{reached}port = {managed.control_port}\n"
            f"[secrets]\n{refers}{extra}"
        )


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    home, kept = (Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp")) for _ in range(2))
    yield Elsewhere(home=home, kept=kept)
    rmtree(Layout(home).sockets, ignore_errors=True)
    rmtree(home)
    rmtree(kept)
