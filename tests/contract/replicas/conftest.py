from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from tests.contract.traffic.conftest import Edge, running_envoy, stand_in
from unioneyes.adapters.processes.layout import ReplicaSlot
from unioneyes.adapters.processes.replicas import LocalReplicas
from unioneyes.adapters.processes.spec import ProcessSpec, Readiness, TcpHttp, UnixHttp
from unioneyes.ports.replicas import Outcome, SliceKind

BROKEN, MUTE = "2.0.0-broken", "2.0.0-mute"
"""Versions that end at once, and that never say they are well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Replicas behind an Envoy."""

    edge: Edge
    replicas: LocalReplicas


def service_in(edge: Edge) -> Service:
    """Return the replicas of a service whose releases are stand-ins."""
    folder = edge.folder

    def run(name: str, version: str, listen: tuple[str, ...], ready: Readiness) -> ProcessSpec:
        if version == BROKEN:
            return ProcessSpec(name=name, argv=(sys.executable, "-c", "raise SystemExit('no such table')"), log=folder / f"{name}.log", ready=ready)
        sick = folder if version == MUTE else folder / "sick"
        return stand_in(folder, name=name, version=version, listen=listen, ready=ready, sick=sick)

    def replica(slot: ReplicaSlot) -> ProcessSpec:
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
    )
    return Service(edge=edge, replicas=replicas)


@pytest.fixture
def service() -> Iterator[Service]:
    """A service of which nothing runs yet."""
    with running_envoy() as edge:
        yield service_in(edge)
