"""Scratch servers: throwaway copies of backups, which never outlive the process that started them."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_serializer

from unioneyes.adapters.postgres.bootstrap import create_database, set_password
from unioneyes.adapters.postgres.connections import connection, shown
from unioneyes.adapters.postgres.manifest import Manifest
from unioneyes.adapters.postgres.programs import ProgramFailed, password_in_file, program, told_program
from unioneyes.adapters.postgres.server import SUPERUSER, THROWAWAY, PostgresServer, ServerNotReady
from unioneyes.kernel.fencing import Fence, StillInside

_ADMIN_LIMIT = timedelta(seconds=20)
_RESTORE_LIMIT = timedelta(hours=1)
_TURN_LIMIT = timedelta(hours=2)
"""How long to wait for whoever makes, restores or compares the same backup."""
_PORT = 5432
"""Only part of the Unix socket's name, where scratch servers listen on nothing else."""

_PORT_FILE = "port"
_SETTINGS = {**THROWAWAY, "io_method": "sync"}
"""What is read has just been written, and is in memory: to hand each read to PostgreSQL's workers makes a proof an eighth longer."""


class _Keys(BaseModel):
    """What a process needs that finds a restored copy running. Written last, so it says that the copy is whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dump: str
    """SHA-256 of the dump that was restored."""
    database: str
    passwords: dict[str, SecretStr]
    """By role. They open nothing but this copy, whose data its reader can read anyway."""

    @field_serializer("passwords", when_used="json")
    def _reveal(self, passwords: dict[str, SecretStr]) -> dict[str, str]:
        return {role: password.get_secret_value() for role, password in passwords.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchCopy:
    """A restored copy that accepts connections."""

    server: PostgresServer
    database: str
    passwords: dict[str, SecretStr]

    def url(self, role: str, *, elsewhere: bool = False) -> SecretStr:
        """Return its address for the superuser, the owner or the service; `elsewhere`, where it is reached from elsewhere."""
        return self.server.url(role=role, password=self.passwords[role], database=self.database, elsewhere=elsewhere)


class ScratchServers:
    """The scratch servers under one folder. Each dies with the process that started it, even by `kill -9`; its files go with the next sweep."""

    def __init__(self, folder: Path, *, owner: str, service: str, reached_at: str | None = None) -> None:
        """Remember where the servers stand, which two roles sign in to them, and the address at which replicas that run elsewhere reach them."""
        self._folder = folder
        self._reached_at = reached_at
        self._owner = owner
        self._service = service
        # PostgreSQL is told to die with the thread that started it, so that thread has to live as long as this process does.
        self._parent = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scratch-parent")
        self._processes: dict[Path, subprocess.Popen[bytes]] = {}

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Nobody else, in this process or another, works on `name` meanwhile, and nobody who was taken over from. Raises: FencedOff, StillInside."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._fence(self._place(name)).entered(within=_TURN_LIMIT):
            yield

    def running(self, name: str, *, dump: str) -> ScratchCopy | None:
        """Return the restored copy of `name` if it accepts connections, whoever started it, and is of this dump."""
        place = self._place(name)
        try:
            keys = _Keys.model_validate_json((place / "keys.json").read_bytes())
        except (OSError, ValidationError):
            return None
        server = self._server(place)
        whole = keys.dump == dump and server.running() and server.ready()
        return ScratchCopy(server=server, database=keys.database, passwords=keys.passwords) if whole else None

    def restore(self, manifest: Manifest, unpacked: AbstractContextManager[Path], *, heard: Callable[[str], None]) -> ScratchCopy:
        """A fresh server holds the dump, which is unpacked while the server is made; an earlier copy of the same name is gone.

        `heard` is told what pg_restore says. Raises: ProgramFailed (the dump can't be restored), ServerNotReady, psycopg.Error, and what `unpacked` raises.
        """
        self.discard(manifest.name)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="scratch") as beside:
            made = beside.submit(copy_context().run, self._fresh, manifest)
            with unpacked as dump:
                copy = made.result()
                argv = (program("pg_restore"), "--verbose", "--exit-on-error", "--jobs=2", "--no-password", "-d", shown(copy.url(SUPERUSER)), str(dump))
                with password_in_file(copy.passwords[SUPERUSER]) as environment:
                    told_program(argv, within=_RESTORE_LIMIT, heard=heard, environment=environment)
        self._write_keys(copy.server.folder, _Keys(dump=manifest.sha256, database=manifest.database, passwords=copy.passwords))
        return copy

    def discard(self, name: str) -> None:
        """No server of `name` runs, and its files are gone."""
        self._remove(self._place(name))

    def sweep(self) -> None:
        """What crashed processes left behind is gone; what a living one uses is left alone."""
        for place in self._folder.glob("*/"):
            with suppress(StillInside), self._fence(place).entered(within=timedelta(0)):
                if not self._server(place).running():
                    self._remove(place)

    def close(self) -> None:
        """The servers that this process started are gone."""
        for place in tuple(self._processes):
            self._remove(place)
        self._parent.shutdown()

    def _fresh(self, manifest: Manifest) -> ScratchCopy:
        """A server runs that has the backup's roles, and an empty database for it. Raises: ServerNotReady, psycopg.Error."""
        place = self._place(manifest.name)
        if self._reached_at:
            place.mkdir(parents=True, mode=0o700)
            (place / _PORT_FILE).write_text(str(_free_port(self._reached_at)))
        server = self._server(place)
        passwords = {role: SecretStr(secrets.token_urlsafe(24)) for role in (SUPERUSER, self._owner, self._service)}
        try:
            server.initialise(passwords[SUPERUSER])
        except ProgramFailed as problem:
            raise ServerNotReady(what=f"no scratch server could be made: {problem.what}", remedy=problem.remedy) from None
        self._processes[place] = self._parent.submit(server.start).result()
        with connection(
            server.url(role=SUPERUSER, password=passwords[SUPERUSER], database="postgres"), name="ue-restore", statement_limit=_ADMIN_LIMIT
        ) as admin:
            self._create_roles(admin, manifest.roles, passwords)
            create_database(admin, manifest.database, owner=self._owner, encoding=manifest.encoding)
        return ScratchCopy(server=server, database=manifest.database, passwords=passwords)

    def _create_roles(self, admin: psycopg.Connection, roles: tuple[str, ...], passwords: dict[str, SecretStr]) -> None:
        """The roles that the dump speaks of exist; owner and service sign in."""
        for role in sorted({*roles, self._owner, self._service} - {SUPERUSER}):
            admin.execute(SQL("CREATE ROLE {}").format(Identifier(role)))
        for role in (self._owner, self._service):
            admin.execute(SQL("ALTER ROLE {} LOGIN").format(Identifier(role)))
            set_password(admin, role, passwords[role])

    @staticmethod
    def _write_keys(place: Path, keys: _Keys) -> None:
        partial = place / "keys.json.partial"
        partial.touch(mode=0o600)
        partial.write_text(keys.model_dump_json())
        partial.replace(place / "keys.json")

    def _remove(self, place: Path) -> None:
        self._server(place).stop(how=signal.SIGQUIT)  # at once: nothing in it is worth a checkpoint
        process = self._processes.pop(place, None)
        if process is not None:
            process.wait()
        shutil.rmtree(place, ignore_errors=True)

    def _place(self, name: str) -> Path:
        """Return the folder of `name`'s server: short, because a Unix socket's path is limited."""
        return self._folder / sha256(os.fsencode(name)).hexdigest()[:8]

    @staticmethod
    def _fence(place: Path) -> Fence:
        return Fence(place.with_suffix(".lock"))

    def _server(self, place: Path) -> PostgresServer:
        chosen = place / _PORT_FILE
        port = int(chosen.read_text()) if chosen.exists() else _PORT
        return PostgresServer(name="scratch", folder=place, port=port, sockets=place, tcp=False, reached_at=self._reached_at, settings=_SETTINGS)


def _free_port(address: str) -> int:
    """Return a port of this machine's address that nobody listens on now."""
    with socket.create_server((address, 0)) as held:
        return int(held.getsockname()[1])
