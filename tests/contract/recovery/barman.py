"""A primary whose log Barman receives: the real program, in a venv of its own, with a role that is no superuser."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pwd import getpwuid

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Literal
from pydantic import SecretStr

from tests.contract.postgres.conftest import PASSWORD, Database, free_port, short_folder
from tests.contract.recovery.world import WEEK, World, operated
from tests.stack import eventually
from unioneyes.adapters.postgres.bootstrap import REPLICATION
from unioneyes.adapters.postgres.programs import clean_environment, passfile_line, programs_folder
from unioneyes.adapters.postgres.recovery.barman.catalogue import BarmanCatalogue
from unioneyes.adapters.postgres.recovery.barman.log import BarmanLog
from unioneyes.adapters.postgres.recovery.barman.program import Barman
from unioneyes.adapters.postgres.recovery.receiving import PRIMARY_SETTINGS
from unioneyes.adapters.postgres.server import PostgresServer
from unioneyes.kernel.project import project_path
from unioneyes.ports.recovery import BaseBackup, WalMode

PROGRAM = project_path(".cache/barman/bin/barman")
"""`make contract` installs it."""
NEEDS_BARMAN = pytest.mark.skipif(
    not PROGRAM.exists() or shutil.which("rsync") is None, reason="Barman, or rsync by which it restores, is not installed: .ci/barman"
)
SERVER = "main"
STREAMED = ("streaming_archiver = on", "slot_name = barman", "create_slot = auto")
ROLE = """
CREATE ROLE barman LOGIN PASSWORD {password};
GRANT pg_read_all_settings, pg_read_all_stats, pg_checkpoint TO barman;
GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean), pg_backup_stop(boolean), pg_switch_wal(), pg_create_restore_point(text) TO barman;
"""
"""Source: Barman's manual, "PostgreSQL connection"."""


@dataclass(frozen=True, kw_only=True)
class BarmanHost:
    """Where Barman stands: its configuration, its secrets and its catalogue, in one folder."""

    folder: Path
    port: int
    password: SecretStr
    """Of both roles by which it comes in."""

    @property
    def config(self) -> Path:
        return self.folder / "barman.conf"

    @property
    def kept(self) -> Path:
        """Barman's own folder for the server."""
        return self.folder / "barman" / SERVER

    def configure(self, *lines: str) -> None:
        """Barman keeps the server by these lines, beside what it needs."""
        passfile = self.folder / "barman.pass"
        passfile.touch(mode=0o600)
        passfile.write_text(passfile_line(self.password))
        (self.folder / "barman" / "lock").mkdir(parents=True, exist_ok=True)
        place = make_conninfo(host="127.0.0.1", port=self.port, passfile=str(passfile))
        settings = (
            "[barman]",
            f"barman_user = {getpwuid(os.geteuid()).pw_name}",
            f"barman_home = {self.folder / 'barman'}",
            f"barman_lock_directory = {self.folder / 'barman' / 'lock'}",
            f"log_file = {self.folder / 'barman' / 'log'}",
            f"path_prefix = {programs_folder()}",
            f"[{SERVER}]",
            f"description = {SERVER}",
            f"conninfo = {make_conninfo(place, user='barman', dbname='postgres')}",
            f"streaming_conninfo = {make_conninfo(place, user=REPLICATION)}",
            "backup_method = postgres",
            "retention_policy = RECOVERY WINDOW OF 7 DAYS",
            *lines,
        )
        self.config.write_text("\n".join(settings) + "\n")

    def admit(self, superuser: psycopg.Connection) -> None:
        """The server knows Barman's role; `superuser` is in the database that it comes into: grants on functions are of one."""
        superuser.execute(SQL(ROLE).format(password=Literal(self.password.get_secret_value())))

    def argv(self, *words: str) -> tuple[str, ...]:
        return (str(PROGRAM), "--config", str(self.config), *words)

    def run(self, *words: str) -> str:
        """Run it as a person would, and return what it printed."""
        done = subprocess.run(self.argv(*words), env=clean_environment(), capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def receive(self) -> subprocess.Popen[bytes]:
        """The log is received from now on."""
        return subprocess.Popen(self.argv("receive-wal", SERVER), env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def stop(self, receiver: subprocess.Popen[bytes]) -> None:
        """It is not any more."""
        stopping = subprocess.Popen(self.argv("receive-wal", "--stop", SERVER), env=clean_environment(), stdout=subprocess.DEVNULL)
        receiver.wait(timeout=20)  # before the other: it looks whether the process is there still
        assert stopping.wait(timeout=20) == 0


@dataclass(kw_only=True)
class BarmanWorld(World):
    """The primary, Barman, and the recovery from its catalogue."""

    receiver_name: str = "barman_receive_wal"
    extra: str = ""
    """More lines of its configuration for this server."""
    handed_over: bool = False
    """The server hands its log over, and nobody receives it."""

    @property
    def host(self) -> BarmanHost:
        return BarmanHost(folder=self.folder, port=self.server.port, password=PASSWORD)

    @property
    def wal_folder(self) -> Path:
        return self.host.kept / "streaming"

    def catalogue(self) -> BarmanCatalogue:
        barman = Barman(server=SERVER, program=str(PROGRAM), config=str(self.host.config))
        folder = self.folder / "bases"
        return BarmanCatalogue(barman=barman, log=BarmanLog(barman=barman, folder=folder), database_url=self.reached, folder=folder, window=WEEK)

    def prepare(self) -> None:
        with Database(server=self.server, name="postgres").connect() as superuser:
            self.host.admit(superuser)
        self.configure()

    def receive(self) -> None:
        if self.handed_over:
            return
        self.receiver = self.host.receive()
        assert eventually(lambda: self.recovery.wal().streaming is True, within=20)

    def stop_receiving(self) -> None:
        if self.receiver is not None:
            self.host.stop(self.receiver)
            self.receiver = None

    def configure(self, *lines: str) -> None:
        """Barman keeps the server by these lines, beside what it needs."""
        self.host.configure(*(("archiver = on",) if self.handed_over else STREAMED), self.extra, *lines)

    @contextmanager
    def nobody_archives(self) -> Iterator[None]:
        """What is received stays where it was received: the lock is held by which Barman archives."""
        with (self.folder / "barman" / "lock" / f".{SERVER}-archive-wal.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def forget(self, base: BaseBackup) -> None:
        self.host.run("delete", SERVER, base.name)

    def lose(self, segment: str) -> None:
        self.host.run("archive-wal", SERVER)
        (self.host.kept / "wals" / segment[:16] / segment).unlink()


@contextmanager
def barman_world(extra: str = "", *, handed_over: bool = False) -> Iterator[BarmanWorld]:
    """Give a primary whose log Barman receives; or gets from the server."""
    with short_folder() as folder:
        incoming = folder / "barman" / SERVER / "incoming"
        incoming.mkdir(parents=True)
        archiving = {"archive_mode": "on", "archive_command": f"cp %p {incoming}/%f"} if handed_over else {}
        settings = {**PRIMARY_SETTINGS[WalMode.RECEIVE], "fsync": "off", **archiving}
        server = PostgresServer(name="primary", folder=folder / "p", port=free_port(), sockets=folder, settings=settings)
        server.initialise(PASSWORD)
        with operated(BarmanWorld(folder=folder, server=server, mode=WalMode.RECEIVE, extra=extra, handed_over=handed_over)) as made:
            yield made
