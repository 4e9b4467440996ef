"""One PostgreSQL server of the embedded stack: how it is made, cloned, configured, run in the foreground, and ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from psycopg import pq
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection
from unioneyes.adapters.postgres.postmaster import Postmaster, clear_leftovers
from unioneyes.adapters.postgres.privileges import hand_over, unprivileged, unprivileged_child
from unioneyes.adapters.postgres.programs import clean_environment, passfile_line, password_in_file, program, run_program
from unioneyes.kernel.problems import BadInput, Problem
from unioneyes.kernel.units import format_duration

SUPERUSER: Final = "postgres"
STOP_SIGNAL: Final = signal.SIGINT
"""PostgreSQL's fast shutdown: sessions are ended, nothing is lost. SIGTERM would wait for every client to leave."""

_INITIALISE_LIMIT = timedelta(seconds=60)
_CLONE_LIMIT = timedelta(minutes=10)
_START_LIMIT = timedelta(seconds=30)
_STOP_LIMIT = timedelta(seconds=20)
_POLL_SECONDS = 0.02
_LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path. Source: unix(7)."""

_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "dynamic_shared_memory_type": "mmap",  # in the data folder: a killed server leaves nothing in /dev/shm
        "hot_standby_feedback": "on",
        "log_line_prefix": "%m [%p] %q%u@%d %a ",
        "log_lock_waits": "on",
        "max_connections": "100",
        "max_slot_wal_keep_size": "512MB",  # a replica that stays away can't fill the primary's disk
        "password_encryption": "scram-sha-256",
        "shared_buffers": "64MB",
        "wal_level": "replica",
    }
)

THROWAWAY: Mapping[str, str] = MappingProxyType(
    {
        "autovacuum": "off",
        "fsync": "off",
        "full_page_writes": "off",
        "hot_standby_feedback": "off",
        "log_lock_waits": "off",
        "maintenance_work_mem": "128MB",
        "max_wal_senders": "0",
        "max_wal_size": "4GB",
        "synchronous_commit": "off",
        "wal_level": "minimal",
    }
)
"""Settings of a server whose data may be lost at any moment: scratch copies and tests."""


class ServerNotReady(Problem):
    """PostgreSQL did not start in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """Where a server stands and how it is configured; a value, not a process. Whoever supervises it runs `foreground_argv()`."""

    name: str
    """Shown as `cluster_name` in process titles, and as the replica's `application_name`."""
    folder: Path
    """Holds `data`, and a replica's password file."""
    port: int
    sockets: Path
    """A folder with a short path, for the Unix socket."""
    tcp: bool = True
    """Listens on 127.0.0.1 too; otherwise on the Unix socket only."""
    reached_at: str | None = None
    """An address of this machine's at which others on its network reach the server too, by password; None where nobody else does."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings of this server, over the common ones."""
    programs: Path | None = None
    """The folder of its programs, where its files are of another version than the one that is installed with `ue`."""

    @property
    def data(self) -> Path:
        """The data folder."""
        return Path(os.path.abspath(self.folder)) / "data"  # noqa: PTH100 - resolve() would follow links, and the path is compared as a word of the command line

    @property
    def initialised(self) -> bool:
        """True when the data folder is complete."""
        return (self.data / "PG_VERSION").is_file()

    def initialise(self, password: SecretStr) -> None:
        """The data folder exists, with `password` for the superuser, is configured, and ready to be started. Safe to repeat, also while it runs.

        Raises: ProgramFailed, PostgresMissing, NoUnprivilegedUser, BadInput.
        """
        if not self.initialised:
            partial = self._partial_folder()
            with NamedTemporaryFile("w", prefix="ue-pass-", dir=self.folder) as passfile:  # made with mode 0600
                passfile.write(password.get_secret_value())
                passfile.flush()
                kept = () if self.settings.get("fsync") != "off" else ("--no-sync", "--no-data-checksums")
                argv = (program("initdb"), "-D", str(partial), "-U", SUPERUSER, "-A", "scram-sha-256", "--pwfile", passfile.name, *kept, *_INITDB_OPTIONS)
                run_program(unprivileged(argv), within=_INITIALISE_LIMIT)
            partial.rename(self.data)
        self._configure({})

    def clone_from(self, primary: PostgresServer, *, role: str, password: SecretStr, slot: str) -> None:
        """The data folder is a copy of `primary` that streams from it through `slot`, is configured, and ready to be started. Safe to repeat.

        The password stays in a file of mode 0600 beside the data folder: `pg_basebackup -R` would write it into the configuration.
        Raises: ProgramFailed, DatabaseUnavailable when the primary does not answer.
        """
        if not self.initialised:
            partial = self._partial_folder()
            _drop_idle_slot(primary.url(role=role, password=password, database="postgres"), slot)
            address = ("-h", "127.0.0.1", "-p", str(primary.port)) if primary.tcp else ("-h", str(primary.sockets), "-p", str(primary.port))
            argv = (program("pg_basebackup"), *address, "-U", role, "-w", "-D", str(partial), "-X", "stream", "-c", "fast", "-C", "-S", slot)
            with password_in_file(password) as environment:
                run_program(argv, within=_CLONE_LIMIT, environment=environment)
            (partial / "standby.signal").touch()
            partial.rename(self.data)
        passfile = self.folder / "primary.pass"
        passfile.unlink(missing_ok=True)
        passfile.touch(mode=0o600)
        passfile.write_text(passfile_line(password))
        streams_from = make_conninfo(
            host="127.0.0.1" if primary.tcp else str(primary.sockets),
            port=primary.port,
            user=role,
            passfile=str(passfile.absolute()),
            application_name=self.name,
            connect_timeout=5,
        )
        self._configure({"primary_conninfo": streams_from, "primary_slot_name": slot})

    def foreground_argv(self) -> tuple[str, ...]:
        """Return the command that runs the server in the foreground, for a supervisor; it is killed when the thread that started it ends.

        Stop it by `STOP_SIGNAL`. After a crash of the whole machine `initialise`, `clone_from` or `clear_leftovers` makes it startable again.
        """
        return unprivileged_child((str(self.programs / "postgres") if self.programs else program("postgres"), "-D", str(self.data)))

    def ready(self) -> bool:
        """Return True when the server accepts connections."""
        address = make_conninfo(host=str(self.sockets), port=self.port, user=SUPERUSER, dbname="postgres", connect_timeout=2)
        return pq.PGconn.ping(address.encode()) == pq.Ping.OK

    def running(self) -> bool:
        """Return True when a postmaster of this data folder lives, ready or not."""
        postmaster = Postmaster.of(self.data)
        return postmaster is not None and postmaster.alive

    def clear_leftovers(self) -> bool:
        """Nothing of a killed server stands in the way of the next start. Return True when there was something. Leaves a living server alone."""
        if self.running():
            return False
        for socket in (f".s.PGSQL.{self.port}", f".s.PGSQL.{self.port}.lock"):
            (self.sockets / socket).unlink(missing_ok=True)
        return clear_leftovers(self.data)

    def start(self, *, within: timedelta = _START_LIMIT) -> subprocess.Popen[bytes]:
        """The server accepts connections; it is a child of the calling thread, and ends with it. Its log stands in `server.log`.

        Raises: ServerNotReady, with the last lines of the log.
        """
        self.clear_leftovers()
        log = self.folder / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.foreground_argv(), env=clean_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        give_up = time.monotonic() + within.total_seconds()
        while not self.ready():
            if process.poll() is None and time.monotonic() < give_up:
                time.sleep(_POLL_SECONDS)
                continue
            reason = f"ended with {process.returncode}" if process.returncode is not None else f"is not ready after {format_duration(within)}"
            process.kill()
            process.wait()
            last = " / ".join(log.read_text(errors="replace").splitlines()[-3:])
            raise ServerNotReady(what=f"PostgreSQL {self.name} {reason}: {last}", remedy=f"ue env doctor; the whole log stands in {log}")
        return process

    def stop(self, *, how: signal.Signals = STOP_SIGNAL) -> None:
        """No server of this data folder runs, whoever started it."""
        postmaster = Postmaster.of(self.data)
        if postmaster is not None:
            postmaster.stop(how=how, within=_STOP_LIMIT)
        self.clear_leftovers()

    @contextmanager
    def running_meanwhile(self) -> Iterator[None]:
        """Run the server for the length of a `with` block, as a child of this thread."""
        process = self.start()
        try:
            yield
        finally:
            self.stop()
            process.wait()

    def url(self, *, role: str, password: SecretStr, database: str, elsewhere: bool = False) -> SecretStr:
        """Return the address of `database` for `role`: over TCP, or over the Unix socket where the server has nothing else.

        `elsewhere` is where `reached_at` leads here.
        """
        host = self.reached_at if elsewhere and self.reached_at else "127.0.0.1" if self.tcp else quote(str(self.sockets), safe="")
        return SecretStr(f"postgresql://{quote(role, safe='')}:{quote(password.get_secret_value(), safe='')}@{host}:{self.port}/{quote(database, safe='')}")

    def _partial_folder(self) -> Path:
        """Return the path where a data folder is built before it gets its name; a half-built one of an earlier attempt is gone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.data.with_name("data.partial")
        shutil.rmtree(partial, ignore_errors=True)
        return partial

    def _configure(self, replication: Mapping[str, str]) -> None:
        """The server's settings stand in a file of their own, written anew so that a moved folder or a changed port takes effect."""
        self.sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.clear_leftovers()
        if len(os.fsencode(self.sockets / f".s.PGSQL.{self.port}")) > _LONGEST_SOCKET:
            raise BadInput(what=f"the path of {self.name}'s Unix socket is longer than {_LONGEST_SOCKET} bytes", remedy="choose a folder with a shorter path")
        settings = {
            **_SETTINGS,
            **self.settings,
            **replication,
            "cluster_name": self.name,
            "listen_addresses": ",".join(address for address in ("127.0.0.1" if self.tcp else None, self.reached_at) if address),
            "port": str(self.port),
            "unix_socket_directories": str(self.sockets),
        }
        lines = [f"{name} = '{value.replace(chr(92), chr(92) * 2).replace(chr(39), chr(39) * 2)}'\n" for name, value in sorted(settings.items())]
        (self.data / "unioneyes.conf").write_text("".join(lines))
        _ends_with(self.data / "postgresql.conf", "include 'unioneyes.conf'\n")
        if self.reached_at:
            _ends_with(self.data / "pg_hba.conf", "host all all samenet scram-sha-256\n")
        hand_over(self.data)


_INITDB_OPTIONS = ("--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions")
"""Sorting and case of the built-in provider: the same on every machine, whatever its C library."""


def _ends_with(file: Path, line: str) -> None:
    """The file's last line is this one."""
    if not file.read_text().endswith(line):
        with file.open("a") as appended:
            appended.write(line)


def _drop_idle_slot(url: SecretStr, slot: str) -> None:
    """A slot that an interrupted clone left behind is gone."""
    with connection(url, name="ue-clone", statement_limit=timedelta(seconds=10)) as primary:
        primary.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND NOT active", (slot,))
