from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from tests.contract.postgres.conftest import PASSWORD, PASSWORDS, free_port
from unioneyes.adapters.postgres import privileges
from unioneyes.adapters.postgres.bootstrap import REPLICATION, bootstrap_operated
from unioneyes.adapters.postgres.postmaster import Postmaster
from unioneyes.adapters.postgres.replication import replication_status
from unioneyes.adapters.postgres.server import SUPERUSER, THROWAWAY, PostgresServer, ServerNotReady
from unioneyes.kernel.problems import BadInput

pytestmark = pytest.mark.stack


def quiet(folder: Path, *, tcp: bool = False) -> PostgresServer:
    return PostgresServer(name="quiet", folder=folder / "quiet", port=free_port(), sockets=folder, tcp=tcp, settings=THROWAWAY)


def wait_until_dead(pid: int) -> None:
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} lives")


def test_a_server_that_was_initialised_keeps_its_data_when_it_is_initialised_again(folder: Path) -> None:
    server = quiet(folder)
    server.initialise(PASSWORD)
    with server.running_meanwhile(), psycopg.connect(server.url(role=SUPERUSER, password=PASSWORD, database="postgres").get_secret_value()) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    server.initialise(SecretStr("another password changes nothing"))
    with server.running_meanwhile(), psycopg.connect(server.url(role=SUPERUSER, password=PASSWORD, database="postgres").get_secret_value()) as connection:
        connection.execute("SELECT FROM kept")


def test_an_initialisation_that_was_cut_short_is_done_again(folder: Path) -> None:
    server = quiet(folder)
    (server.folder / "data.partial").mkdir(parents=True)
    (server.folder / "data.partial" / "PG_VERSION").write_text("18")
    half = server.initialised
    server.initialise(PASSWORD)
    assert (half, server.initialised) == (False, True)
    assert not (server.folder / "data.partial").exists()
    assert [path.name for path in server.folder.iterdir()] == ["data"]


def test_the_right_password_is_needed(server: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url(role=SUPERUSER, password=SecretStr("wrong"), database="postgres").get_secret_value())


def test_a_server_that_is_stopped_is_not_ready_and_leaves_no_socket(folder: Path) -> None:
    server = quiet(folder)
    server.initialise(PASSWORD)
    with server.running_meanwhile():
        assert server.ready()
        assert server.running()
    assert not server.ready()
    assert not server.running()
    assert [path.name for path in folder.iterdir()] == ["quiet"]


def test_a_server_that_can_not_start_says_why(folder: Path) -> None:
    server = quiet(folder)
    server.initialise(PASSWORD)
    (server.data / "unioneyes.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(ServerNotReady, match="no_such_setting"):
        server.start()


def test_a_socket_path_that_linux_can_not_hold_is_refused(folder: Path) -> None:
    server = PostgresServer(name="deep", folder=folder / "deep", port=5432, sockets=folder / ("x" * 100), settings=THROWAWAY)
    with pytest.raises(BadInput, match="longer than 107 bytes"):
        server.initialise(PASSWORD)


def test_a_server_dies_with_a_killed_parent_and_leaves_nothing_that_blocks_the_next(folder: Path) -> None:
    server = quiet(folder)
    server.initialise(PASSWORD)
    program = f"""
import subprocess, time
subprocess.Popen({server.foreground_argv()!r}, start_new_session=True, stderr=subprocess.DEVNULL)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program]) as parent:
        try:
            while not server.ready():
                assert parent.poll() is None
                time.sleep(0.02)
            postmaster = Postmaster.of(server.data)
            assert postmaster is not None
            assert postmaster.alive
            assert postmaster.shared_memory is not None
        finally:
            parent.kill()
    wait_until_dead(postmaster.pid)
    assert not server.running()
    assert server.clear_leftovers()
    assert postmaster.shared_memory.attached is None
    assert [path.name for path in folder.iterdir()] == ["quiet"]
    assert Postmaster.of(server.data) is None
    with server.running_meanwhile():
        assert server.ready()


def test_a_stranger_with_the_number_of_a_killed_server_does_not_block_the_start(folder: Path) -> None:
    server = quiet(folder)
    server.initialise(PASSWORD)
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n0\n{server.port}\n{folder}\n\n0 0\nready\n")
    assert not server.running()
    server.initialise(PASSWORD)
    assert Postmaster.of(server.data) is None


def test_clearing_leaves_a_living_server_alone(server: PostgresServer) -> None:
    assert not server.clear_leftovers()
    assert server.ready()


def test_a_replica_streams_and_its_configuration_holds_no_password(folder: Path) -> None:
    settings = {"fsync": "off"}
    primary = PostgresServer(name="primary", folder=folder / "primary", port=free_port(), sockets=folder, settings=settings)
    replica = PostgresServer(name="replica", folder=folder / "replica", port=free_port(), sockets=folder, settings=settings)
    primary.initialise(PASSWORD)
    with primary.running_meanwhile():
        bootstrap_operated(primary, superuser=PASSWORD, passwords=PASSWORDS)
        address, replica_address = (part.url(role=REPLICATION, password=PASSWORD, database="unioneyes") for part in (primary, replica))
        with psycopg.connect(address.get_secret_value()) as connection:  # a clone that was killed leaves its slot behind
            connection.execute("SELECT pg_create_physical_replication_slot('copy')")
        replica.clone_from(primary, role=REPLICATION, password=PASSWORD, slot="copy")
        replica.clone_from(primary, role=REPLICATION, password=PASSWORD, slot="copy")
        assert (replica.folder / "primary.pass").stat().st_mode & 0o777 == 0o600
        for written in replica.data.glob("*.conf"):
            assert PASSWORD.get_secret_value().partition("'")[0] not in written.read_text()
        with replica.running_meanwhile():
            give_up = time.monotonic() + 10
            while not (status := replication_status(address, replica_address)).connected and time.monotonic() < give_up:
                time.sleep(0.05)
            assert status.connected
            assert status.receiver == "streaming"
            assert status.lag_bytes is not None
        gone = replication_status(address, replica_address)
        assert not gone.connected
        assert gone.receiver == "unreachable"
        assert gone.lag_bytes is None


def test_a_cut_off_replica_is_behind_though_it_says_nothing(folder: Path) -> None:
    settings = {"fsync": "off"}
    primary = PostgresServer(name="primary", folder=folder / "primary", port=free_port(), sockets=folder, settings=settings)
    replica = PostgresServer(name="replica", folder=folder / "replica", port=free_port(), sockets=folder, settings=settings)
    primary.initialise(PASSWORD)
    with primary.running_meanwhile():
        bootstrap_operated(primary, superuser=PASSWORD, passwords=PASSWORDS)
        replica.clone_from(primary, role=REPLICATION, password=PASSWORD, slot="copy")
        (replica.folder / "primary.pass").write_text("*:*:*:*:wrong\n")
        address, replica_address = (part.url(role=REPLICATION, password=PASSWORD, database="unioneyes") for part in (primary, replica))
        with replica.running_meanwhile():
            with psycopg.connect(primary.url(role=SUPERUSER, password=PASSWORD, database="postgres").get_secret_value()) as connection:
                connection.execute("CREATE TABLE unseen (id int)")
            status = replication_status(address, replica_address)
        assert not status.connected
        assert status.receiver == "none"
        assert status.lag_bytes is not None
        assert status.lag_bytes > 0


def test_the_stop_signal_ends_sessions_at_once(folder: Path) -> None:
    server = quiet(folder)
    server.initialise(PASSWORD)
    process = server.start()
    with psycopg.connect(server.url(role=SUPERUSER, password=PASSWORD, database="postgres").get_secret_value()):
        server.stop(how=signal.SIGINT)
    assert process.wait() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_where_namespaces_are_forbidden_root_becomes_nobody_and_still_reads_its_own_homes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "way", lambda: privileges.Way.BECOME_NOBODY)
    if subprocess.run(privileges.unprivileged(("true",)), capture_output=True, timeout=10, check=False).returncode != 0:
        pytest.skip("this container forbids that too")
    assert folder.stat().st_mode & 0o777 == 0o700
    server = quiet(folder)
    server.initialise(PASSWORD)
    with server.running_meanwhile():
        postmaster = Postmaster.of(server.data)
        assert postmaster is not None
        assert Path(f"/proc/{postmaster.pid}").stat().st_uid != 0
        assert server.ready()
    assert not server.running()
