"""How a stack ends: in order, by a crash, for ever. Each drill has a stack of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from tests.stack import FREE_PORTS, UE, RunningStack, empty_stack, eventually, running_stack, ue
from unioneyes.adapters.postgres.bootstrap import OWNER
from unioneyes.environments.local.parts import build_supervisor
from unioneyes.environments.local.stack import open_stack
from unioneyes.ports.traffic import Colour, Weights

pytestmark = pytest.mark.stack


@dataclass(frozen=True, slots=True)
class Traces:
    """What of a stack can be seen from outside."""

    pids: frozenset[int]
    segments: frozenset[int]
    shared_files: frozenset[str]
    sockets: bool

    @classmethod
    def of(cls, stack: RunningStack) -> Traces:
        """Look for processes that name the stack or work in it, and for the shared memory that such processes made."""
        pids = frozenset(_processes(stack))
        segments = frozenset(identifier for identifier, maker, used in _segments() if maker in pids and used)  # numbers of processes come again
        return cls(pids=pids, segments=segments, shared_files=_shared_files(), sockets=stack.layout.sockets.exists())

    def left(self, stack: RunningStack) -> Traces:
        """Return what is still there of what was seen, or came since."""
        segments = self.segments & {identifier for identifier, _, _ in _segments()}
        shared_files = _shared_files() - self.shared_files
        return Traces(frozenset(_processes(stack)), segments, frozenset(shared_files), stack.layout.sockets.exists())


NOTHING = Traces(frozenset(), frozenset(), frozenset(), sockets=False)


def _processes(stack: RunningStack) -> Iterator[int]:
    named = (os.fsencode(stack.home), os.fsencode(stack.layout.sockets))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_bytes() + (process / "environ").read_bytes() + os.fsencode((process / "cwd").readlink())
        except OSError:
            continue
        if any(name in text for name in named):
            yield int(process.name)


def _segments() -> Iterator[tuple[int, int, bool]]:
    """Yield each segment of shared memory with the process that made it, and whether any has it now."""
    for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
        _key, identifier, _mode, _size, maker, _last, attached, *_rest = line.split()
        yield int(identifier), int(maker), int(attached) > 0


def _shared_files() -> frozenset[str]:
    return frozenset(file.name for file in Path("/dev/shm").glob("PostgreSQL.*"))  # noqa: S108 - the kernel's folder of shared memory


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningStack]:
    """One stack for the drills that can begin with any state of it: up, down or crashed."""
    with empty_stack() as stack:
        yield stack


@pytest.fixture
def worn(shared: RunningStack) -> RunningStack:
    """A stack that is up, and that may be broken."""
    started = shared.start()
    assert started.code == 0, started.err
    return shared


def serve(stack: RunningStack) -> None:
    """Blue serves 1.0.0 to the members."""
    environment = stack.environment
    environment.migrations.apply(environment.migrations.folder("1.0.0"))
    environment.replicas.start(Colour.BLUE, version="1.0.0", count=2, within=timedelta(seconds=30))
    environment.traffic.shift(Weights(blue=100))


def notes(stack: RunningStack) -> int:
    """Write a row, and return how many there are."""
    with psycopg.connect(open_stack(stack.home).database_url(OWNER).get_secret_value(), autocommit=True) as database:
        database.execute("CREATE SCHEMA IF NOT EXISTS drill")
        database.execute("CREATE TABLE IF NOT EXISTS drill.notes (at timestamptz DEFAULT now())")
        database.execute("INSERT INTO drill.notes DEFAULT VALUES")
        row = database.execute("SELECT count(*) FROM drill.notes").fetchone()
    assert row is not None
    return int(row[0])


def test_down_leaves_no_process_no_socket_and_no_shared_memory_and_up_brings_everything_back() -> None:
    with running_stack() as stack:
        serve(stack)
        assert notes(stack) == 1
        before = Traces.of(stack)
        assert len(before.pids) >= 9
        assert before.segments

        down = stack.ue("env", "down", "-o", "json")

        assert down.code == 0
        assert down.json()["stopped"] == sorted(["blue-1", "blue-2", "control", "envoy", "postgres-control", "postgres-primary", "postgres-replica", "vendors"])
        assert before.left(stack) == NOTHING
        assert stack.ue("env", "status").code == 1
        assert stack.status().state == "down"
        assert "nothing was running" in stack.ue("env", "down").out

        up = stack.start()

        assert up.code == 0, up.err
        assert notes(stack) == 2
        assert [(each.version, each.replicas, each.traffic) for each in stack.status().colours] == [("1.0.0", 2, 100), (None, 0, 0)]
        assert stack.environment.service.health().version == "1.0.0"


def test_a_killed_supervisor_takes_everything_down_and_up_recovers() -> None:
    with running_stack() as stack:
        serve(stack)
        notes(stack)
        before = Traces.of(stack)

        os.kill(stack.pid("supervisor"), signal.SIGKILL)

        assert eventually(lambda: not before.left(stack).pids)
        assert stack.status().state == "down"
        doctor = stack.ue("env", "doctor")
        assert doctor.code == 0
        assert "an earlier crash left" in doctor.out

        up = stack.start()

        assert up.code == 0, up.err
        assert notes(stack) == 2
        assert stack.environment.service.health().version == "1.0.0"
        replication = stack.status().replication
        assert replication is not None
        assert eventually(lambda: (seen := stack.status().replication) is not None and seen.connected)


def test_down_after_a_killed_supervisor_leaves_nothing_either(worn: RunningStack) -> None:
    before = Traces.of(worn)
    os.kill(worn.pid("supervisor"), signal.SIGKILL)
    assert eventually(lambda: not before.left(worn).pids)

    assert worn.ue("env", "down").code == 0

    assert before.left(worn) == NOTHING


def test_two_ups_at_once_make_one_stack_which_outlives_their_terminals() -> None:
    with empty_stack() as stack:
        words = [UE, "env", "up", *FREE_PORTS, "--home", str(stack.home)]
        both = [
            subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
            for _ in range(2)
        ]
        said = [each.communicate(timeout=120)[1] for each in both]

        assert [each.returncode for each in both] == [0, 0], said
        assert sum("already up" in each for each in said) == 1, said
        for each in both:
            with pytest.raises(ProcessLookupError):  # nobody is left in the session that a closing terminal would end
                os.killpg(each.pid, signal.SIGHUP)
        assert stack.status().state == "up"
        assert len([each for each in stack.status().processes if each.name == "supervisor"]) == 1


def test_a_half_up_stack_is_completed(worn: RunningStack) -> None:
    before = (worn.pid("supervisor"), worn.pid("envoy"))
    build_supervisor(worn.layout).stop("vendors", "postgres-replica")
    assert worn.status().state == "partly"

    assert worn.start().code == 0

    assert worn.status().state == "up"
    assert (worn.pid("supervisor"), worn.pid("envoy")) == before


def test_changed_settings_take_effect_with_the_next_up_and_restart_only_the_control_plane(worn: RunningStack) -> None:
    before = {process.name: process.pid for process in worn.status().processes}
    settings = worn.layout.settings.read_text()
    worn.layout.settings.write_text('bake = "90s"\n' + settings)

    assert worn.start().code == 0

    after = {process.name: process.pid for process in worn.status().processes}
    assert {name for name in before if before[name] != after[name]} == {"control"}
    worn.layout.settings.write_text(settings)


def test_a_taken_port_is_refused_with_who_has_it_and_nothing_is_started() -> None:
    with empty_stack() as stack, socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])

        said = stack.ue("env", "up", "--service-port", port, "--preview-port", "0", "--control-port", "0")

        assert said.code == 1
        assert f"port {port} (service) is taken by" in said.err
        assert f"(pid {os.getpid()})" in said.err
        assert "--service-port N" in said.err
        assert not list(_processes(stack))


def test_reset_deletes_the_data_and_keeps_the_settings() -> None:
    with running_stack() as stack:
        before = Traces.of(stack)

        said = stack.ue("env", "reset", "--confirm", "local")

        assert said.code == 0, said.err
        assert before.left(stack) == NOTHING
        assert [entry.name for entry in stack.home.iterdir()] == ["environment.toml"]
        assert "there was nothing to delete" not in said.out


def test_reset_refuses_a_folder_that_is_not_a_stacks(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    said = ue("env", "reset", "--confirm", "local", "--home", str(tmp_path))

    assert said.code == 3
    assert "is not the folder of an embedded stack" in said.err
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_up_refuses_a_folder_with_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    said = ue("env", "up", "--home", str(tmp_path))

    assert said.code == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]
