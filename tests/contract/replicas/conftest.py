from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest
from pydantic import SecretStr

from tests.contract.replicas.world import BROKEN, MUTE
from tests.contract.traffic.conftest import Edge, running_envoy, stand_in
from unioneyes.adapters.processes.layout import ReplicaSlot
from unioneyes.adapters.processes.replicas import LocalReplicas
from unioneyes.adapters.processes.spec import ProcessSpec, Readiness, TcpHttp, UnixHttp
from unioneyes.ports.replicas import Outcome, PoolUse, SliceKind
from unioneyes.ports.traffic import Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Replicas behind an Envoy."""

    edge: Edge
    replicas: LocalReplicas

    def configured(self, settings: Mapping[str, str]) -> LocalReplicas:
        return replace(self.replicas, configuration=lambda: settings)

    def running(self, colour: Colour) -> frozenset[str]:
        return frozenset(f"{each.name} {each.pid}" for each in self.edge.supervisor.status() if each.name.startswith(colour) and each.alive)

    def ask(self, colour: Colour, path: str = "/") -> str:
        return self.edge.get(path, preview=True, headers={"x-preview": colour}).version

    def settings_of(self, colour: Colour) -> list[Mapping[str, str]]:
        running = sorted(each.name for each in self.edge.supervisor.status() if each.name.startswith(colour) and each.pid is not None)
        return [json.loads((self.edge.folder / f"{name}.settings").read_text()) for name in running]

    def fail(self, colour: Colour) -> None:
        pid = next(each.pid for each in self.edge.supervisor.status() if each.name.startswith(colour) and each.pid is not None)
        os.kill(pid, signal.SIGKILL)

    def rehearses_on(self) -> str:
        return (self.edge.folder / "rehearsal.url").read_text()


def service_in(edge: Edge) -> Service:
    """Return the replicas of a service whose releases are stand-ins."""
    folder = edge.folder

    def run(name: str, version: str, listen: tuple[str, ...], ready: Readiness) -> ProcessSpec:
        if version == BROKEN:
            return ProcessSpec(name=name, argv=(sys.executable, "-c", "raise SystemExit('no such table')"), log=folder / f"{name}.log", ready=ready)
        sick = folder if version == MUTE else folder / "sick"
        return stand_in(folder, name=name, version=version, listen=listen, ready=ready, sick=sick)

    def replica(slot: ReplicaSlot) -> ProcessSpec:
        (folder / f"{slot.name}.settings").write_text(json.dumps(dict(slot.configuration)))
        return run(slot.name, slot.version, ("--uds", str(slot.socket)), UnixHttp(slot.socket))

    def rehearsal(version: str, database_url: SecretStr, port: int) -> ProcessSpec:
        (folder / "rehearsal.url").write_text(database_url.get_secret_value())
        return run("rehearsal", version, ("--port", str(port)), TcpHttp("127.0.0.1", port))

    replicas = LocalReplicas(
        supervisor=edge.supervisor,
        command=replica,
        rehearsal_command=rehearsal,
        endpoints=edge.traffic.publish,
        folder=folder,
        logs_folder=folder,
        state_file=folder / "replicas.json",
        revisions_file=folder / "revisions.json",
        configuration=dict,
        read_outcomes=lambda text, name: (Outcome(replica=name, kind=SliceKind.ROUTE, name=str(json.loads(text)["version"]), answers=3, errors=1),),
        read_pool=lambda text, name: PoolUse(replica=name, used=1, idle=1, most=2, waiting=0) if "version" in json.loads(text) else None,
    )
    return Service(edge=edge, replicas=replicas)


@pytest.fixture
def service() -> Iterator[Service]:
    """A service of which nothing runs yet."""
    with running_envoy() as edge:
        yield service_in(edge)


@pytest.fixture
def world(service: Service) -> Service:
    """The same, as the promises know it."""
    return service
