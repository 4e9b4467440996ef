"""A primary whose log is received by `pg_receivewal`, as the embedded stack has it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import psycopg
from pydantic import SecretStr

from tests.contract.postgres.conftest import PASSWORD, PASSWORDS, Database, free_port, short_folder
from tests.stack import eventually
from unioneyes.adapters.postgres.bootstrap import DATABASE, OWNER, REPLICATION, bootstrap_operated
from unioneyes.adapters.postgres.programs import clean_environment
from unioneyes.adapters.postgres.recovery.archive import WalArchive
from unioneyes.adapters.postgres.recovery.bases import BaseBackups
from unioneyes.adapters.postgres.recovery.catalogue import Catalogue
from unioneyes.adapters.postgres.recovery.export import Export
from unioneyes.adapters.postgres.recovery.plain import PlainCatalogue
from unioneyes.adapters.postgres.recovery.receiving import PRIMARY_SETTINGS, receiver_argv, require_slot
from unioneyes.adapters.postgres.recovery.recovery import RecoversBeside
from unioneyes.adapters.postgres.recovery.scratch import RecoveryServers
from unioneyes.adapters.postgres.server import SUPERUSER, PostgresServer
from unioneyes.ports.recovery import BaseBackup, WalMode

_W = TypeVar("_W", bound="World")
WEEK = timedelta(days=7)
SCHEMA = """
CREATE TABLE organizations (id int PRIMARY KEY);
INSERT INTO organizations VALUES (1);
CREATE TABLE claims (id int PRIMARY KEY, organization_id int REFERENCES organizations, body text, written timestamptz DEFAULT clock_timestamp());
ALTER TABLE claims ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON claims USING (true);
"""


@dataclass(kw_only=True)
class World:
    """The primary, who receives its log, and the recovery of it."""

    folder: Path
    server: PostgresServer
    mode: WalMode
    recovery: RecoversBeside = field(init=False)
    receiver: subprocess.Popen[bytes] | None = None
    receiver_name: str = "archive"
    """The name under which the server sees who receives its log."""
    by_tls: Path | None = None
    """Who vouches for the server, where base backups are made by TLS."""

    def __post_init__(self) -> None:
        self.recovery = self.opened()

    @property
    def live(self) -> Database:
        return Database(server=self.server, name=DATABASE)

    @property
    def reached(self) -> SecretStr:
        """The address by which base backups are made: of a role that is no superuser."""
        address = self.live.url(REPLICATION).get_secret_value()
        tls = f"?sslmode=verify-full&sslrootcert={self.by_tls}"
        return SecretStr(address.replace("@127.0.0.1:", "@localhost:") + tls if self.by_tls else address)

    @property
    def wal_folder(self) -> Path:
        return self.folder / "wal"

    def opened(self) -> RecoversBeside:
        """Return the port anew, as another process would open it."""
        return RecoversBeside(
            catalogue=self.catalogue(),
            servers=RecoveryServers(self.folder / "scratch", self.folder / "s"),
            bring=Export(admin=lambda name: self.server.url(role=SUPERUSER, password=PASSWORD, database=name), live=DATABASE, folder=self.folder / "bases"),
        )

    def catalogue(self) -> Catalogue:
        """Return who keeps base backups and the log."""
        made = BaseBackups(folder=self.folder / "bases", database_url=self.reached)
        return PlainCatalogue(made=made, log=WalArchive(folder=self.wal_folder), mode=self.mode, window=WEEK)

    def prepare(self) -> None:
        """The server knows whoever keeps its log."""

    def forget(self, base: BaseBackup) -> None:
        """The base backup is gone."""
        shutil.rmtree(base.path, ignore_errors=True)
        base.path.with_suffix(".json").unlink()

    def lose(self, segment: str) -> None:
        """What was received of the log has a hole."""
        (self.wal_folder / segment).unlink()

    def receive(self) -> None:
        """The log is received from now on."""
        self.wal_folder.mkdir(exist_ok=True)
        url = self.server.url(role=REPLICATION, password=PASSWORD, database="postgres")
        require_slot(url)
        argv = receiver_argv(self.server, self.wal_folder, password=PASSWORD, mode=self.mode)
        self.receiver = subprocess.Popen(argv, env=clean_environment(), stdin=subprocess.DEVNULL)
        assert eventually(lambda: self.recovery.wal().streaming is True)

    def stop_receiving(self) -> None:
        if self.receiver is not None:
            self.receiver.terminate()
            self.receiver.wait(timeout=20)
            self.receiver = None

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        with self.live.connect() as connection:
            yield connection

    def claim(self, number: int) -> tuple[int, datetime]:
        """A claim is written, and acknowledged. Return its transaction and the moment after it, by the server's clock."""
        with self.connect() as connection:
            query = "INSERT INTO claims VALUES (%s, 1, 'words of a member') RETURNING pg_current_xact_id()::text::bigint"
            row = connection.execute(query, (number,)).fetchone()
            after = connection.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None
            assert after is not None
            return int(row[0]), after[0]

    def run(self, *statements: str) -> None:
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def numbers(self, database: str) -> list[int]:
        with Database(server=self.server, name=database).connect() as connection:
            return [int(row[0]) for row in connection.execute("SELECT id FROM claims ORDER BY id")]

    def received(self) -> None:
        """All that was written until now is in the archive."""
        with self.connect() as connection:
            row = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
            assert row is not None
            query = "SELECT coalesce(bool_or(write_lsn >= %s::pg_lsn), false) FROM pg_stat_replication WHERE application_name = %s"
            assert eventually(lambda: connection.execute(query, (row[0], self.receiver_name)).fetchone() == (True,), within=20)

    def switch(self) -> None:
        """The segment of the log that is being written is whole, and received."""
        self.run("SELECT pg_switch_wal()")
        self.received()


@contextmanager
def world(mode: WalMode = WalMode.RECEIVE) -> Iterator[World]:
    """Give a primary whose log is received. It may be killed."""
    with short_folder() as folder:
        settings = {**PRIMARY_SETTINGS[mode], "fsync": "off"}
        server = PostgresServer(name="primary", folder=folder / "p", port=free_port(), sockets=folder, settings=settings)
        server.initialise(PASSWORD)
        with operated(World(folder=folder, server=server, mode=mode)) as made:
            yield made


@contextmanager
def operated(made: _W) -> Iterator[_W]:
    """The server runs, and its log is received where it should be."""
    with made.server.running_meanwhile():
        bootstrap_operated(made.server, superuser=PASSWORD, passwords=PASSWORDS)
        try:
            made.prepare()
            if made.mode is not WalMode.NONE:
                made.receive()
            with made.live.connect(OWNER) as owner:
                owner.execute(SCHEMA.encode())
            yield made
        finally:
            made.stop_receiving()
            made.recovery.close()
            shutil.rmtree(made.folder / "scratch", ignore_errors=True)
