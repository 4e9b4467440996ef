from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unioneyes.environments.local.ports import (
    OWNERS,
    Ports,
    PortsFixed,
    PortTaken,
    WantedPorts,
    asked_ports,
    is_free,
    keep_ports,
    listener_of,
    read_ports,
    settle_ports,
)
from unioneyes.environments.settings import ControlSettings, EnvironmentSettings, ServiceSettings

HOME = Path("/somewhere")
RUNNING = Ports(service=8080, preview=8081, control=8180, database=20001, replica=20002, control_database=20003, vendors=20004)
NOBODY: frozenset[str] = frozenset()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_first_up_takes_the_defaults_where_people_type_and_free_ports_elsewhere() -> None:
    ports = settle_ports(Ports(), running=None, alive=NOBODY, seed=HOME, is_free=lambda _port: True)

    assert (ports.service, ports.preview, ports.control) == (8080, 8081, 8180)
    assert all(20000 <= port < 30000 for port in (ports.database, ports.replica, ports.control_database, ports.vendors))


def test_kept_ports_come_back_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    assert read_ports(file) is None

    keep_ports(file, RUNNING)

    assert read_ports(file) == RUNNING


def test_the_command_line_goes_before_the_file_and_the_file_before_what_was_kept() -> None:
    settings = EnvironmentSettings(service=ServiceSettings(port=9000, preview_port=9001), control=ControlSettings())

    asked = asked_ports(replace(RUNNING, control=7000), settings, WantedPorts(service=9500))

    assert (asked.service, asked.preview, asked.control) == (9500, 9001, 7000)


def test_a_port_of_somebody_else_is_never_silently_replaced_where_people_type_it() -> None:
    with pytest.raises(PortTaken) as taken:
        settle_ports(RUNNING, running=RUNNING, alive=NOBODY, seed=HOME, is_free=lambda port: port != 8081)

    assert "port 8081 (preview) is taken" in taken.value.what
    assert "--preview-port N" in taken.value.remedy


def test_a_port_of_somebody_else_is_replaced_where_nobody_types_it() -> None:
    settled = settle_ports(RUNNING, running=RUNNING, alive=NOBODY, seed=HOME, is_free=lambda port: port != RUNNING.vendors)

    assert settled.vendors != RUNNING.vendors
    assert replace(settled, vendors=RUNNING.vendors) == RUNNING


def test_living_processes_keep_their_ports_though_they_are_not_free() -> None:
    assert settle_ports(RUNNING, running=RUNNING, alive=frozenset(OWNERS.values()), seed=HOME, is_free=lambda _port: False) == RUNNING


def test_another_port_for_a_living_process_is_refused() -> None:
    with pytest.raises(PortsFixed, match="its service port is 8080, not 9000"):
        settle_ports(replace(RUNNING, service=9000), running=RUNNING, alive=frozenset({"envoy"}), seed=HOME, is_free=lambda _port: True)


@given(
    asked=st.builds(Ports, **{name: st.sampled_from([0, 8080, 8081, 20001, 20002]) for name in asdict(Ports())}),
    taken=st.frozensets(st.integers(20000, 20400)),
)
def test_settled_ports_are_free_and_differ(asked: Ports, taken: frozenset[int]) -> None:
    try:
        settled = settle_ports(asked, running=None, alive=NOBODY, seed=HOME, is_free=lambda port: port not in taken)
    except PortTaken:
        return

    ports = list(asdict(settled).values())
    assert len(set(ports)) == len(ports)
    assert not taken & set(ports)
    assert 0 not in ports


def test_a_listening_port_is_not_free_and_its_holder_is_named(taken_port: int) -> None:
    assert not is_free(taken_port)
    holder = listener_of(taken_port)
    assert holder is not None
    assert f"(pid {os.getpid()})" in holder


def test_a_port_that_nobody_listens_on_is_free_and_has_no_holder(taken_port: int) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert port != taken_port

    assert is_free(port)
    assert listener_of(port) is None
