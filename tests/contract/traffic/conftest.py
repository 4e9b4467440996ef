from __future__ import annotations

import http.client
import json
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from unioneyes.adapters.envoy.traffic import EnvoyTraffic
from unioneyes.adapters.processes.client import Supervisor
from unioneyes.adapters.processes.spec import ProcessSpec, UnixHttp
from unioneyes.ports.traffic import Colour, Weights

PATIENCE = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def version(self) -> str:
        """Who answered."""
        return str(json.loads(self.body)["version"])

    @property
    def saw(self) -> Mapping[str, str]:
        """The headers that the service saw."""
        headers = json.loads(self.body)["headers"]
        assert isinstance(headers, dict)
        return headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A running Envoy in front of two blue replicas and a green one."""

    traffic: EnvoyTraffic
    supervisor: Supervisor
    folder: Path

    def sockets(self, colour: Colour) -> tuple[Path, ...]:
        """Where the replicas of a colour answer."""
        count = 2 if colour is Colour.BLUE else 1
        return tuple(self.folder / f"{colour}-{number}.sock" for number in range(1, count + 1))

    def sick(self, colour: Colour) -> Path:
        """The file that makes a colour's replicas ill."""
        return self.folder / f"{colour}.sick"

    def get(self, path: str = "/", *, preview: bool = False, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        """Ask once, on a connection of its own."""
        port = self.traffic.preview_port if preview else self.traffic.public_port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE.total_seconds())
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Answer(status=answer.status, headers={name.lower(): value for name, value in answer.getheaders()}, body=answer.read().decode())
        finally:
            connection.close()

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


@pytest.fixture(scope="module")
def running_edge() -> Iterator[Edge]:
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    supervisor = Supervisor(folder)
    supervisor.launch()
    with socket.create_server(("127.0.0.1", 0)) as public, socket.create_server(("127.0.0.1", 0)) as preview:
        ports = public.getsockname()[1], preview.getsockname()[1]
    try:
        traffic = EnvoyTraffic(folder=folder, public_port=ports[0], preview_port=ports[1], admin_socket=folder / "admin.sock")
        traffic.prepare()
        edge = Edge(traffic=traffic, supervisor=supervisor, folder=folder)
        supervisor.start(envoy(edge))
        for colour in Colour:
            for path in edge.sockets(colour):
                supervisor.start(stand_in(edge, colour, path))
        supervisor.await_ready(("envoy", "blue-1", "blue-2", "green-1"), within=PATIENCE)
        yield edge
    finally:
        supervisor.shutdown(PATIENCE)
        shutil.rmtree(folder)


@pytest.fixture
def edge(running_edge: Edge) -> Edge:
    """An Envoy through which nobody is served yet, in front of healthy replicas."""
    running_edge.restore()
    return running_edge


def envoy(edge: Edge) -> ProcessSpec:
    admin = edge.traffic.admin_socket
    return ProcessSpec(name="envoy", argv=edge.traffic.argv, log=edge.folder / "envoy.log", ready=UnixHttp(admin, "/ready"), sockets=(admin,))


def stand_in(edge: Edge, colour: Colour, path: Path) -> ProcessSpec:
    options = ("--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "20", "--no-access-log", "--log-level", "warning", "--lifespan", "off")
    return ProcessSpec(
        name=path.stem,
        argv=(sys.executable, "-m", "uvicorn", "--app-dir", str(Path(__file__).parent), "stand_in:app", "--uds", str(path), *options),
        env={"STAND_IN_VERSION": colour.value, "STAND_IN_SICK": str(edge.sick(colour))},
        log=edge.folder / f"{path.stem}.log",
        ready=UnixHttp(path),
        sockets=(path,),
    )
