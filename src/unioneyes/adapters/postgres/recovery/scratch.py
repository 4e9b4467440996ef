"""Scratch servers of a recovery: a base backup's copy that follows the log up to a point, and is promoted there. None outlives the process that started it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from pydantic import SecretStr

from unioneyes.adapters.postgres.privileges import hand_over
from unioneyes.adapters.postgres.programs import ProgramFailed, programs_folder
from unioneyes.adapters.postgres.recovery.bases import major
from unioneyes.adapters.postgres.server import SUPERUSER, PostgresServer, ServerNotReady
from unioneyes.adapters.postgres.trouble import of_the_machine, room_at
from unioneyes.kernel.fencing import Fence
from unioneyes.ports.recovery import RecoveryFailed

_RECOVER_LIMIT = timedelta(hours=4)
_TURN_LIMIT = timedelta(hours=5)
_PORT = 5432
"""Only part of the Unix socket's name: it listens on nothing else."""
_WHEEL = 18
_DEBIAN = Path("/usr/lib/postgresql")
_STOPPED = re.compile(r"LOG:  (?:recovery stopping .*|last completed transaction was at log time .*)")
_LAST = re.compile(r"last completed transaction was at log time (\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+)")
_NO_TARGET = "recovery ended before configured recovery target was reached"
_SETTINGS = (
    "archive_mode = off",  # else it would write its own life into the log that it was recovered from
    "autovacuum = off",
    "dynamic_shared_memory_type = mmap",
    "fsync = off",
    "full_page_writes = off",
    "hot_standby = off",  # it lets nobody in before it is where it should be
    "listen_addresses = ''",
    "max_wal_senders = 0",
    "recovery_target_action = promote",  # one that is paused before a DROP holds its lock: whoever looked at the table would wait for ever
    "shared_buffers = '64MB'",
    "timezone = 'UTC'",
    "log_timezone = 'UTC'",
    "unix_socket_permissions = 0700",
    "wal_level = replica",
)
_LETS_IN = "local all all trust\n"
"""Its socket stands in a folder that nobody else opens, and its passwords are those of another time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """Where a recovery stopped, as PostgreSQL's log says."""

    words: str
    last_commit: datetime | None


class RecoveryServers:
    """The scratch servers under two folders: their files in one, which may be large; their sockets in the other, whose path is short."""

    def __init__(self, files: Path, sockets: Path) -> None:
        """Remember where they stand. What crashed processes left is removed with `sweep`."""
        self._files = files
        self._sockets = sockets
        # PostgreSQL is told to die with the thread that started it, so that thread has to live as long as this process does.
        self._parent = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recovery-parent")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Nobody else works on `name` meanwhile, and nobody who was taken over from. Raises: FencedOff, StillInside."""
        self._files.mkdir(parents=True, exist_ok=True, mode=0o700)
        with Fence(self._files / f"{name}.lock").entered(within=_TURN_LIMIT):
            yield

    def start(self, name: str, *, version: str, database: str, lay_out: Callable[[Path], None], target: tuple[str, ...]) -> Stopped:
        """A server holds what the files that `lay_out` lays into a folder lead to by the settings of `target`. An earlier one of the name is gone.

        Raises: RecoveryFailed, with PostgreSQL's own words; nothing is left of it.
        """
        self.discard(name)
        server = self.server(name, version=version)
        try:
            server.folder.mkdir(parents=True, mode=0o700)
            server.sockets.mkdir(parents=True, mode=0o700)
            lay_out(server.data)
            self._configure(server, target)
            self._processes[name] = self._parent.submit(server.start, within=_RECOVER_LIMIT).result()
        except BaseException as ended:
            said, room = _fatal(server.folder / "server.log"), room_at(self._files)
            self.discard(name)
            if isinstance(ended, ServerNotReady):
                raise _failed(f"{said or ended.what}{room}") from None
            if isinstance(ended, ProgramFailed):
                raise RecoveryFailed(what=f"the base backup could not be copied: {ended.what}{room}", remedy="make room, and try again") from None
            if isinstance(ended, OSError):
                raise RecoveryFailed(what=f"{ended.filename}: {ended.strerror}", remedy="make room, and try again") from None
            raise
        (server.folder / "database").write_text(database)
        return _stopped(server.folder / "server.log")

    def running(self, name: str) -> bool:
        """Return whether the server of that name accepts connections, whoever started it."""
        server = self.server(name)
        return (server.folder / "database").exists() and server.running() and server.ready()

    def url(self, name: str, database: str | None = None) -> SecretStr:
        """Return its address, as the superuser."""
        server = self.server(name)
        return server.url(role=SUPERUSER, password=SecretStr(""), database=database or (server.folder / "database").read_text())

    def programs(self, name: str) -> Path:
        """Return the folder of the programs of that server's own version."""
        return programs_of((self.server(name).data / "PG_VERSION").read_text())

    def discard(self, name: str) -> None:
        """No server of that name runs, and its files are gone."""
        server = self.server(name)
        server.stop(how=signal.SIGQUIT)  # at once: nothing in it is worth a checkpoint
        if (process := self._processes.pop(name, None)) is not None:
            process.wait()
        shutil.rmtree(server.folder, ignore_errors=True)
        shutil.rmtree(server.sockets, ignore_errors=True)

    def sweep(self) -> None:
        """What crashed processes left behind is gone; what a living one uses is left alone."""
        for folder in self._files.glob("*/"):
            with suppress(TimeoutError), Fence(self._files / f"{folder.name}.lock").entered(within=timedelta(0)):
                if not self.server(folder.name).running():
                    self.discard(folder.name)

    def close(self) -> None:
        """The servers that this process started are gone."""
        for name in tuple(self._processes):
            self.discard(name)
        self._parent.shutdown()

    def server(self, name: str, *, version: str | None = None) -> PostgresServer:
        """Return the server of that name."""
        sockets = self._sockets / sha256(os.fsencode(name)).hexdigest()[:8]
        return PostgresServer(
            name="recovery", folder=self._files / name, port=_PORT, sockets=sockets, tcp=False, programs=programs_of(version) if version else None
        )

    @staticmethod
    def _configure(server: PostgresServer, target: tuple[str, ...]) -> None:
        """Its settings are these and no others: those of the live server name its own archive, its standbys and libraries that may not be here."""
        own = (f"port = {_PORT}", f"unix_socket_directories = '{server.sockets}'", "cluster_name = 'recovery'")
        (server.data / "postgresql.conf").write_text("\n".join((*_SETTINGS, *own, *target)) + "\n")
        (server.data / "postgresql.auto.conf").write_text("")
        (server.data / "pg_hba.conf").write_text(_LETS_IN)
        (server.data / "pg_ident.conf").write_text("")
        (server.data / "standby.signal").unlink(missing_ok=True)
        (server.data / "recovery.signal").touch()
        server.data.chmod(0o700)
        hand_over(server.data)


def programs_of(version: str) -> Path:
    """Return the folder of the programs of that version's major release. Raises: RecoveryFailed."""
    wanted = major(version)
    if wanted == _WHEEL:
        return programs_folder()
    folder = _DEBIAN / str(wanted) / "bin"
    if not (folder / "postgres").is_file():
        raise RecoveryFailed(
            what=f"files of PostgreSQL {wanted} are read by PostgreSQL {wanted} alone, and there is none here", remedy=f"apt-get install postgresql-{wanted}"
        )
    return folder


def _stopped(log: Path) -> Stopped:
    text = log.read_text(errors="replace")
    said = [found[0].removeprefix("LOG:  ") for found in _STOPPED.finditer(text)]
    last = _LAST.search(text)
    at = datetime.strptime(last[1], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC) if last else None
    return Stopped(words=said[0] if said else "at the end of what is kept", last_commit=at)


def _fatal(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return " / ".join(line.partition("FATAL:  ")[2] for line in lines if "FATAL:  " in line)


def _failed(said: str) -> RecoveryFailed:
    if _NO_TARGET in said:
        return RecoveryFailed(what="the log that is kept ends before the target", remedy="ue backup wal shows how far it leads; choose an earlier moment")
    remedy = "make room, and try again" if of_the_machine(said) else "ue backup wal; another base backup may lead there"
    return RecoveryFailed(what=f"PostgreSQL could not recover: {said}", remedy=remedy)
