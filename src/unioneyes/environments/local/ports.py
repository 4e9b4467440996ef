"""The stack's ports: chosen at the first `up`, kept in a file, and never taken from somebody else."""

from __future__ import annotations

import json
import socket
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from unioneyes.environments.settings import EnvironmentSettings
from unioneyes.kernel.files import replace_file
from unioneyes.kernel.problems import Problem

HOST = "127.0.0.1"
_FIRST, _COUNT = 20000, 10000
"""Where ports that nobody types come from: below the range that Linux gives to outgoing connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """One port per listener, all on 127.0.0.1."""

    service: int = 8080
    preview: int = 8081
    control: int = 8180
    database: int = 0
    replica: int = 0
    control_database: int = 0
    vendors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPorts:
    """What the command line asks for: a port, 0 for any free one, None for the one kept or the default."""

    service: int | None = None
    preview: int | None = None
    control: int | None = None


OWNERS = {
    "service": "envoy",
    "preview": "envoy",
    "control": "control",
    "database": "postgres-primary",
    "replica": "postgres-replica",
    "control_database": "postgres-control",
    "vendors": "vendors",
}
"""Which process listens on which port."""
_TYPED = frozenset({"service", "preview", "control"})
"""Ports that people type: never changed behind their back."""


def read_ports(path: Path) -> Ports | None:
    """Return the kept ports; None when none are kept."""
    try:
        kept = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return Ports(**{field.name: int(kept[field.name]) for field in fields(Ports)})


def known_ports(path: Path, settings: EnvironmentSettings) -> Ports | None:
    """Return the kept ports; where nothing of the environment but its server is this machine's, the server's, as the settings say; None when none are kept."""
    kept = read_ports(path)
    return asked_ports(None, settings, WantedPorts()) if settings.elsewhere else kept


def keep_ports(path: Path, ports: Ports) -> None:
    """The file names `ports`."""
    replace_file(path, json.dumps(asdict(ports), indent=2) + "\n")


def asked_ports(kept: Ports | None, settings: EnvironmentSettings, wanted: WantedPorts) -> Ports:
    """Return the ports to try; 0 means any. The command line goes before the environment's file, that before the kept ones, those before the defaults."""
    written = {"service": settings.service.port, "preview": settings.service.preview_port, "control": settings.control.port}
    base = replace(kept or Ports(), **{name: port for name, port in written.items() if port is not None})
    return replace(base, **{name: port for name, port in asdict(wanted).items() if port is not None})


def settle_ports(asked: Ports, *, running: Ports | None, alive: frozenset[str], seed: Path, is_free: Callable[[int], bool]) -> Ports:
    """Return ports that the stack can listen on: those of living processes as they are, the asked ones where they are free, else free ones.

    `alive` names the processes that run already, on `running`. `seed` spreads the stacks of one machine.

    Raises: PortTaken when a port that people type is somebody else's; PortsFixed when another one is asked for while its process runs.
    """
    offered = _candidates(seed)
    settled: dict[str, int] = {}
    for name, port in asdict(asked).items():
        if running is not None and OWNERS[name] in alive:
            settled[name] = _fixed(name, port, asdict(running)[name])
        elif port and is_free(port) and port not in settled.values():
            settled[name] = port
        elif port and name in _TYPED:
            raise PortTaken.of(name, port)
        else:
            taken = {*settled.values(), *asdict(asked).values()}
            settled[name] = next(candidate for candidate in offered if candidate not in taken and is_free(candidate))
    return Ports(**settled)


def _fixed(name: str, asked: int, running: int) -> int:
    if name in _TYPED and asked not in {0, running}:
        raise PortsFixed(what=f"the stack runs, and its {name} port is {running}, not {asked}", remedy="ue env down, then ue env up with the new port")
    return running


def _candidates(seed: Path) -> Iterator[int]:
    start = zlib.crc32(bytes(seed)) % _COUNT
    return (_FIRST + (start + step) % _COUNT for step in range(_COUNT))


def is_free(port: int) -> bool:
    """Return whether a server could listen on `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def listener_of(port: int) -> str | None:
    """Return who listens on `port`, as `name (pid N)`; None when that can't be read."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(Path("/proc/net") / table, port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(handle.readlink()) in inodes for handle in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue  # ended meanwhile, or another user's
    return None


def _listening(table: Path, port: int) -> Iterator[str]:
    """Return the inodes of the sockets that listen on `port`."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        columns = line.split()
        if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:  # 0A: LISTEN
            yield columns[9]


class PortTaken(Problem):
    """Somebody else listens on a port that the stack needs; nothing was started."""

    @classmethod
    def of(cls, name: str, port: int) -> PortTaken:
        """Return the problem, naming who has the port where that can be read."""
        by = listener_of(port)
        return cls(
            what=f"port {port} ({name}) is taken{f' by {by}' if by else ''}", remedy=f"ue env up --{name}-port N (0: any free one), or end what listens there"
        )


class PortsFixed(Problem):
    """Another port is asked for than the one that the running stack has."""
