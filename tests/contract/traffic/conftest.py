from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.processes.conftest import PATIENCE
from tests.contract.traffic.world import Answer, Door
from unioneyes.adapters.envoy.traffic import EnvoyTraffic
from unioneyes.adapters.processes.client import Supervisor
from unioneyes.adapters.processes.spec import ProcessSpec, Readiness, UnixHttp
from unioneyes.ports.traffic import Colour, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A running Envoy, in front of two blue replicas and a green one where there are any."""

    traffic: EnvoyTraffic
    supervisor: Supervisor
    folder: Path

    def up(self) -> None:
        """The supervisor runs, and Envoy under it."""
        self.supervisor.launch()
        self.traffic.prepare()
        admin = self.traffic.admin_socket
        spec = ProcessSpec(name="envoy", argv=self.traffic.argv, log=self.folder / "envoy.log", ready=UnixHttp(admin, "/ready"), sockets=(admin,))
        self.supervisor.start(spec, PATIENCE)

    def sockets(self, colour: Colour) -> tuple[Path, ...]:
        """Where the replicas of a colour answer."""
        count = 2 if colour is Colour.BLUE else 1
        return tuple(self.folder / f"{colour}-{number}.sock" for number in range(1, count + 1))

    def sick(self, colour: Colour) -> Path:
        """The file that makes a colour's replicas ill."""
        return self.folder / f"{colour}.sick"

    @property
    def members(self) -> Door:
        """Where members come in."""
        return Door("127.0.0.1", self.traffic.public_port)

    @property
    def preview(self) -> Door:
        """Where a colour is tried."""
        return Door("127.0.0.1", self.traffic.preview_port)

    def get(self, path: str = "/", *, preview: bool = False, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """Ask once, on a connection of its own."""
        return (self.preview if preview else self.members).get(path, method=method, headers=headers)

    def remove(self, colour: Colour) -> None:
        """Envoy knows no replica of the colour any more."""
        self.traffic.publish(colour, ())

    def type(self, command: str) -> None:
        """A person types the command."""
        subprocess.run(shlex.split(command), check=True, timeout=60, stdout=subprocess.DEVNULL)

    def pid(self, name: str) -> int:
        """The process id of a part."""
        (pid,) = (status.pid for status in self.supervisor.status() if status.name == name)
        assert pid is not None
        return pid

    def restore(self) -> None:
        """Everything is as it was at first: all replicas healthy, nothing deployed, no maintenance."""
        for colour in Colour:
            self.sick(colour).unlink(missing_ok=True)
            self.traffic.publish(colour, self.sockets(colour))
        self.traffic.leave_maintenance()
        self.traffic.shift(Weights())


@contextmanager
def running_envoy() -> Iterator[Edge]:
    """An Envoy under a supervisor, with nothing behind it; both gone afterwards, and everything else that the supervisor ran."""
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    supervisor = Supervisor(folder)
    with socket.create_server(("127.0.0.1", 0)) as public, socket.create_server(("127.0.0.1", 0)) as preview:
        ports = public.getsockname()[1], preview.getsockname()[1]
    edge = Edge(
        traffic=EnvoyTraffic(folder=folder, public_port=ports[0], preview_port=ports[1], admin_socket=folder / "admin.sock"),
        supervisor=supervisor,
        folder=folder,
    )
    try:
        edge.up()
        yield edge
    finally:
        supervisor.shutdown(PATIENCE)
        shutil.rmtree(folder)


def stand_in(folder: Path, *, name: str, version: str, listen: tuple[str, ...], ready: Readiness, sick: Path) -> ProcessSpec:
    """How the stand-in for the service is run."""
    options = ("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "20", "--no-access-log", "--log-level", "warning", "--lifespan", "off")
    return ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", "uvicorn", "--app-dir", str(Path(__file__).parent), "stand_in:app", *listen, *options),
        env={"STAND_IN_VERSION": version, "STAND_IN_SICK": str(sick)},
        log=folder / f"{name}.log",
        ready=ready,
        sockets=(ready.path,) if isinstance(ready, UnixHttp) else (),
        grace=timedelta(seconds=30),
    )


@pytest.fixture(scope="module")
def running_edge() -> Iterator[Edge]:
    with running_envoy() as edge:
        for colour in Colour:
            for path in edge.sockets(colour):
                spec = stand_in(edge.folder, name=path.stem, version=colour, listen=("--uds", str(path)), ready=UnixHttp(path), sick=edge.sick(colour))
                edge.supervisor.start(spec)
        edge.supervisor.await_ready(("blue-1", "blue-2", "green-1"), within=PATIENCE)
        yield edge


@pytest.fixture
def edge(running_edge: Edge) -> Edge:
    """An Envoy through which nobody is served yet, in front of healthy replicas."""
    running_edge.restore()
    return running_edge
