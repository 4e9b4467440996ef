"""What the supervisor is told of a process, and what it tells. Imports nothing heavy, so that the daemon starts at once."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

LONGEST_SOCKET_PATH = 107
"""Bytes of a Unix socket's path. Source: unix(7)."""


@dataclass(frozen=True, slots=True)
class UnixHttp:
    """Ready when GET `url` on the Unix socket `path` is answered with success."""

    path: Path
    url: str = "/healthz"


@dataclass(frozen=True, slots=True)
class TcpHttp:
    """Ready when GET `path` is answered with success."""

    host: str
    port: int
    path: str = "/healthz"
    tls: bool = False
    """Under TLS, whatever certificate it shows: nothing is told to it, and nothing but the status is believed."""


@dataclass(frozen=True, slots=True)
class TcpOpen:
    """Ready when connections are accepted."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Exec:
    """Ready when the command ends with 0."""

    argv: tuple[str, ...]


Readiness = UnixHttp | TcpHttp | TcpOpen | Exec


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """How one process is run."""

    name: str
    argv: tuple[str, ...]
    """The command, which must stay in the foreground."""
    log: Path
    """Takes what it writes to stdout and stderr, and the supervisor's own remarks about it."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the few variables that every process inherits (PATH, HOME, language, time zone)."""
    cwd: Path = Path("/")
    sockets: tuple[Path, ...] = ()
    """Removed before each start: a killed server leaves its Unix sockets behind."""
    ready: Readiness | None = None
    """None: ready as soon as it runs."""
    stop_signal: signal.Signals = signal.SIGTERM
    grace: timedelta = timedelta(seconds=10)
    """After the stop signal; then it is killed, with everything that it started."""
    restart: bool = True
    """Started again when it ends by itself."""
    after: tuple[str, ...] = ()
    """Names of processes: it starts when those that run here are ready, and ends before them."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What whoever started it wants to find again in the status."""
    memory: int | None = None
    """Bytes of address space that it may have; whatever it asks for beyond is refused. None: as much as the machine gives."""
    log_bytes: int = 20 << 20
    """Size at which the log becomes `<log>.1`, replacing the one before."""


class ProcessState(StrEnum):
    """Where a process is."""

    WAITING = "waiting"
    """For those that it comes after."""
    STARTING = "starting"
    """Runs, and has not been ready since its start."""
    READY = "ready"
    UNREADY = "unready"
    """Runs and was ready, but does not answer now."""
    BACKING_OFF = "backing-off"
    """Ended by itself; will be started again in a moment."""
    ENDED = "ended"
    """Ended by itself, and is not started again."""
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One supervised process."""

    name: str
    state: ProcessState
    pid: int | None
    """None while it does not run."""
    restarts: int
    """How often it was started again after it ended by itself."""
    since: datetime
    """When it was started, or when it ended while it does not run."""
    last_exit: int | None
    """Exit code, or the negative number of the signal that killed it; None when it never ended by itself."""
    log: Path
    labels: Mapping[str, str]

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self.pid is not None

    @property
    def ready(self) -> bool:
        """True while it answers as its readiness asks."""
        return self.state is ProcessState.READY

    @property
    def exits(self) -> int:
        """How often it ended by itself."""
        return self.restarts + (self.state in {ProcessState.BACKING_OFF, ProcessState.ENDED})


def describe_exit(code: int) -> str:
    """Return the exit in words: `exit code 3`, `killed by SIGSEGV`."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
