from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contract.processes.conftest import PATIENCE, alive, eventually
from unioneyes.adapters.processes.client import ProcessNotReady, Supervisor, SupervisorUnavailable
from unioneyes.adapters.processes.spec import Exec, ProcessSpec, ProcessState, ProcessStatus, Readiness, TcpHttp, TcpOpen, UnixHttp
from unioneyes.kernel.problems import BadInput

SECOND = timedelta(seconds=1)

IGNORES_SIGTERM = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('child', flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", deaf])
print("grandchild", child.pid, flush=True)
time.sleep(600)
"""


def python(folder: Path, name: str, code: str, *, ready: Readiness | None = None) -> ProcessSpec:
    return ProcessSpec(name=name, argv=(sys.executable, "-c", code), log=folder / f"{name}.log", ready=ready, grace=5 * SECOND)


def sleeper(folder: Path, name: str = "sleeper", *, after: tuple[str, ...] = ()) -> ProcessSpec:
    return ProcessSpec(name=name, argv=("sleep", "600"), log=folder / f"{name}.log", after=after)


def only(supervisor: Supervisor) -> ProcessStatus:
    (status,) = supervisor.status()
    return status


def pid_of(status: ProcessStatus) -> int:
    assert status.pid is not None
    return status.pid


def test_it_is_launched_once_and_is_private(supervisor: Supervisor, folder: Path) -> None:
    pid = supervisor.running()
    assert pid is not None
    assert supervisor.launch() == pid
    assert stat.S_IMODE((folder / "supervisor.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "supervisor.pid").stat().st_mode) == 0o600


def test_it_leads_a_session_of_its_own_and_outlives_whoever_launched_it(folder: Path) -> None:
    supervisor = Supervisor(folder)
    launch = f"from pathlib import Path; from unioneyes.adapters.processes.client import Supervisor; print(Supervisor(Path({str(folder)!r})).launch())"
    launcher = subprocess.run([sys.executable, "-c", launch], capture_output=True, text=True, timeout=60, check=True, start_new_session=True)
    try:
        pid = int(launcher.stdout)
        assert supervisor.running() == pid
        assert os.getsid(pid) == pid
        assert supervisor.status() == ()
    finally:
        supervisor.shutdown(PATIENCE)


def test_a_second_one_on_the_same_folder_gives_up(supervisor: Supervisor, folder: Path) -> None:
    command = [sys.executable, "-m", "unioneyes.adapters.processes.supervisor", "--folder", str(folder)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "another supervisor" in second.stderr
    assert supervisor.status() == ()


def test_starting_what_runs_already_changes_nothing(supervisor: Supervisor, folder: Path) -> None:
    supervisor.start(sleeper(folder), SECOND)
    before = only(supervisor)
    supervisor.start(sleeper(folder), SECOND)
    assert only(supervisor) == before


def test_another_specification_replaces_the_process(supervisor: Supervisor, folder: Path) -> None:
    supervisor.start(sleeper(folder), SECOND)
    before = pid_of(only(supervisor))
    supervisor.start(python(folder, "sleeper", "import time; time.sleep(600)"), SECOND)
    assert pid_of(only(supervisor)) != before
    assert not alive(before)


def test_a_process_inherits_nothing_secret_by_accident(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UE_API_TOKEN", "not-for-children")
    supervisor = Supervisor(folder)
    supervisor.launch()
    try:
        spec = ProcessSpec(name="env", argv=("env",), log=folder / "env.log", env={"GIVEN": "yes"}, restart=False)
        supervisor.start(spec)
        eventually(lambda: only(supervisor).state is ProcessState.ENDED)
        log = spec.log.read_text()
        assert "GIVEN=yes" in log
        assert "PATH=" in log
        assert "UE_API_TOKEN" not in log
        assert stat.S_IMODE(spec.log.stat().st_mode) == 0o600
    finally:
        supervisor.shutdown(PATIENCE)


def test_a_killed_process_is_started_again(supervisor: Supervisor, folder: Path) -> None:
    supervisor.start(sleeper(folder), SECOND)
    before = pid_of(only(supervisor))
    os.kill(before, signal.SIGKILL)
    eventually(lambda: only(supervisor).restarts == 1 and only(supervisor).ready)
    assert pid_of(only(supervisor)) != before
    assert only(supervisor).last_exit == -signal.SIGKILL


def test_a_process_that_ends_for_good_is_not_started_again_until_somebody_asks(supervisor: Supervisor, folder: Path) -> None:
    spec = ProcessSpec(name="once", argv=("sh", "-c", "echo ran; exit 3"), log=folder / "once.log", restart=False)
    supervisor.start(spec)
    eventually(lambda: only(supervisor).state is ProcessState.ENDED)
    assert (only(supervisor).alive, only(supervisor).last_exit, only(supervisor).exits) == (False, 3, 1)
    supervisor.start(spec)
    eventually(lambda: spec.log.read_text().count("ran\n") == 2)


def test_a_process_gets_no_more_memory_than_it_may_have(supervisor: Supervisor, folder: Path) -> None:
    grow = "kept = bytearray(600 << 20)"
    supervisor.start(ProcessSpec(name="grows", argv=(sys.executable, "-c", grow), log=folder / "grows.log", restart=False, memory=512 << 20))
    eventually(lambda: only(supervisor).state is ProcessState.ENDED)
    assert only(supervisor).last_exit == 1
    assert "MemoryError" in (folder / "grows.log").read_text()


def test_a_crash_loop_is_not_waited_out_and_its_last_words_are_told(supervisor: Supervisor, folder: Path) -> None:
    spec = python(
        folder, "broken", "print('starting'); raise SystemExit('no database at postgresql://app:hunter2hunter2@db/x')", ready=UnixHttp(folder / "never")
    )
    with pytest.raises(ProcessNotReady) as problem:
        supervisor.start(spec, timedelta(hours=1))
    assert "ended by itself 3 times, last with exit code 1" in problem.value.what
    assert "no database" in problem.value.what
    assert "hunter2" not in problem.value.what
    log = spec.log.read_text()
    assert log.index("again in 0.1 s") < log.index("again in 0.2 s") < log.index("again in 0.4 s")


def test_a_command_that_does_not_exist_is_told_as_the_reason(supervisor: Supervisor, folder: Path) -> None:
    spec = ProcessSpec(name="missing", argv=("/no/such/program",), log=folder / "missing.log", ready=TcpOpen("127.0.0.1", 1))
    with pytest.raises(ProcessNotReady, match=r"can't be started: .*No such file"):
        supervisor.start(spec, timedelta(hours=1))


def test_a_process_that_never_gets_ready_is_waited_for_as_long_as_asked(supervisor: Supervisor, folder: Path) -> None:
    spec = python(folder, "mute", "import time; print('thinking', flush=True); time.sleep(600)", ready=UnixHttp(folder / "never"))
    with pytest.raises(ProcessNotReady, match=r"mute is starting after 1\.0 s: thinking"):
        supervisor.start(spec, SECOND)
    assert only(supervisor).alive


def test_nobody_waits_for_a_process_that_is_not_there(supervisor: Supervisor) -> None:
    with pytest.raises(ProcessNotReady, match="is not run"):
        supervisor.await_ready(("nobody",), within=timedelta(hours=1))


SERVER = """
import http.server, os, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if os.path.exists("sick") else 200)
        self.end_headers()
    def address_string(self):
        return "client"
class Unix(socketserver.UnixStreamServer):
    pass
(http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler) if sys.argv[1].isdigit() else Unix(sys.argv[1], Handler)).serve_forever()
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def server(folder: Path, address: str, ready: Readiness, *, sockets: tuple[Path, ...] = ()) -> ProcessSpec:
    return ProcessSpec(name="server", argv=(sys.executable, "-c", SERVER, address), log=folder / "server.log", cwd=folder, ready=ready, sockets=sockets)


def test_a_server_is_ready_when_it_answers_and_unready_when_it_does_not(supervisor: Supervisor, folder: Path) -> None:
    port = free_port()
    supervisor.start(server(folder, str(port), TcpHttp("127.0.0.1", port)), PATIENCE)
    (folder / "sick").touch()
    eventually(lambda: only(supervisor).state is ProcessState.UNREADY)
    (folder / "sick").unlink()
    eventually(lambda: only(supervisor).ready)


def test_a_server_is_ready_when_it_accepts_connections(supervisor: Supervisor, folder: Path) -> None:
    port = free_port()
    (folder / "sick").touch()
    supervisor.start(server(folder, str(port), TcpOpen("127.0.0.1", port)), PATIENCE)
    assert only(supervisor).ready


def test_a_server_is_ready_when_a_command_says_so(supervisor: Supervisor, folder: Path) -> None:
    supervisor.start(server(folder, str(free_port()), Exec(("test", "-e", str(folder / "said")))))
    eventually(lambda: only(supervisor).state is ProcessState.STARTING)
    (folder / "said").touch()
    supervisor.await_ready(("server",), within=PATIENCE)


def test_a_socket_that_a_killed_server_left_does_not_keep_the_next_one_from_starting(supervisor: Supervisor, folder: Path) -> None:
    path = folder / "server.sock"
    supervisor.start(server(folder, str(path), UnixHttp(path), sockets=(path,)), PATIENCE)
    os.kill(pid_of(only(supervisor)), signal.SIGKILL)
    eventually(lambda: only(supervisor).restarts == 1 and only(supervisor).ready)
    supervisor.stop("server")
    assert not path.exists()


def test_what_ignores_the_signal_is_killed_after_the_grace_with_all_that_it_started(supervisor: Supervisor, folder: Path) -> None:
    spec = ProcessSpec(name="stubborn", argv=(sys.executable, "-c", IGNORES_SIGTERM), log=folder / "stubborn.log", grace=0.2 * SECOND)
    supervisor.start(spec, SECOND)
    eventually(lambda: {"grandchild", "child"} <= set(spec.log.read_text().split()))
    pid = pid_of(only(supervisor))
    grandchild = int(spec.log.read_text().split("grandchild ")[1].split()[0])
    supervisor.stop("stubborn")
    assert supervisor.status() == ()
    assert not alive(pid)
    eventually(lambda: not alive(grandchild))


def test_what_a_crashed_process_started_is_gone_before_it_is_started_again(supervisor: Supervisor, folder: Path) -> None:
    spec = ProcessSpec(name="stubborn", argv=(sys.executable, "-c", IGNORES_SIGTERM), log=folder / "stubborn.log", grace=0.2 * SECOND)
    supervisor.start(spec, SECOND)
    eventually(lambda: "grandchild" in spec.log.read_text())
    grandchild = int(spec.log.read_text().split("grandchild ")[1].split()[0])
    os.kill(pid_of(only(supervisor)), signal.SIGKILL)
    eventually(lambda: not alive(grandchild))


def test_stopping_what_does_not_run_is_no_error(supervisor: Supervisor) -> None:
    supervisor.stop("nobody", "nothing")
    supervisor.stop()
    assert supervisor.status() == ()


def test_a_process_starts_after_those_that_it_needs_and_ends_before_them(supervisor: Supervisor, folder: Path) -> None:
    said, log = folder / "said", folder / "both.log"
    supervisor.start(ProcessSpec(name="first", argv=("sleep", "600"), log=log, ready=Exec(("test", "-e", str(said)))))
    supervisor.start(ProcessSpec(name="second", argv=("sleep", "600"), log=log, after=("first", "not run here")))
    eventually(lambda: [status.state for status in supervisor.status()] == [ProcessState.STARTING, ProcessState.WAITING])
    said.touch()
    supervisor.await_ready(("first", "second"), within=PATIENCE)
    supervisor.shutdown(PATIENCE)
    remarks = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(remark["process"], remark["message"].partition(":")[0]) for remark in remarks] == [
        ("first", "started"),
        ("second", "started"),
        ("second", "stopped"),
        ("first", "stopped"),
    ]


def test_processes_that_need_each_other_can_still_be_stopped(supervisor: Supervisor, folder: Path) -> None:
    supervisor.start(sleeper(folder, "one", after=("other",)))
    supervisor.start(sleeper(folder, "other", after=("one",)))
    supervisor.shutdown(PATIENCE)
    assert supervisor.running() is None


def test_a_killed_supervisor_takes_everything_down_and_the_next_one_starts_over_its_remains(supervisor: Supervisor, folder: Path) -> None:
    supervisor.start(sleeper(folder), SECOND)
    killed, child = supervisor.running(), pid_of(only(supervisor))
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not alive(child) and supervisor.running() is None)
    assert (folder / "supervisor.pid").exists()
    assert (folder / "supervisor.sock").exists()
    with pytest.raises(SupervisorUnavailable):
        supervisor.status()
    assert supervisor.launch() != killed
    assert supervisor.status() == ()


def test_a_shutdown_leaves_no_process_no_socket_and_no_pid_file(supervisor: Supervisor, folder: Path) -> None:
    supervisor.start(sleeper(folder), SECOND)
    child = pid_of(only(supervisor))
    supervisor.shutdown(PATIENCE)
    assert supervisor.running() is None
    assert not alive(child)
    assert sorted(entry.name for entry in folder.iterdir()) == ["sleeper.log", "supervisor.log"]
    supervisor.shutdown(PATIENCE)


def test_a_shutdown_whose_grace_is_over_kills(supervisor: Supervisor, folder: Path) -> None:
    spec = ProcessSpec(name="stubborn", argv=(sys.executable, "-c", IGNORES_SIGTERM), log=folder / "stubborn.log", grace=timedelta(hours=1))
    supervisor.start(spec, SECOND)
    eventually(lambda: "grandchild" in spec.log.read_text())
    child = pid_of(only(supervisor))
    grandchild = int(spec.log.read_text().split("grandchild ")[1].split()[0])
    supervisor.shutdown(0.3 * SECOND)
    assert supervisor.running() is None
    assert not alive(child)
    eventually(lambda: not alive(grandchild))


def test_a_log_is_rotated_while_its_process_writes_on(supervisor: Supervisor, folder: Path) -> None:
    log = folder / "chatty.log"
    noise = "import time\nwhile True: print('x' * 99, flush=True); time.sleep(0.01)"
    supervisor.start(ProcessSpec(name="chatty", argv=(sys.executable, "-c", noise), log=log, log_bytes=10_000))
    eventually((folder / "chatty.log.1").exists)
    eventually(lambda: "x" * 99 in log.read_text())
    assert only(supervisor).restarts == 0


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[]\n", b'{"order": "dance"}\n', b'{"order": "start", "spec": {"name": "x"}}\n', b'{"order": "stop"}\n'])
def test_an_order_that_makes_no_sense_is_refused_and_does_no_harm(supervisor: Supervisor, folder: Path, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(folder / "supervisor.sock"))
        connection.sendall(line)
        assert "refused" in json.loads(connection.makefile().readline())
    assert supervisor.status() == ()


def test_the_command_that_a_person_would_type_stops_the_process(supervisor: Supervisor, folder: Path) -> None:
    supervisor.start(sleeper(folder), SECOND)
    typed = supervisor.describe_stop(["sleeper"])
    order = typed.split("'")[1]
    assert typed == f"echo '{order}' | nc -N -U {folder}/supervisor.sock"
    with socket.socket(socket.AF_UNIX) as connection:  # what nc does
        connection.settimeout(10)
        connection.connect(str(folder / "supervisor.sock"))
        connection.sendall(f"{order}\n".encode())
        connection.shutdown(socket.SHUT_WR)
        assert json.loads(connection.makefile().read()) == {"processes": []}
    assert supervisor.status() == ()


def test_a_folder_whose_path_is_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="longer than 107 bytes"):
        Supervisor(tmp_path / ("x" * 100)).launch()


def test_a_supervisor_that_does_not_run_is_unavailable(folder: Path) -> None:
    supervisor = Supervisor(folder)
    assert supervisor.running() is None
    with pytest.raises(SupervisorUnavailable, match="ue env up"):
        supervisor.status()


def test_a_supervisor_that_can_not_be_launched_says_why(folder: Path) -> None:
    with pytest.raises(SupervisorUnavailable):
        Supervisor(folder / "missing").launch()


def test_it_imports_nothing_that_would_make_it_start_slowly() -> None:
    listing = "import sys; import unioneyes.adapters.processes.supervisor; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, timeout=60, check=True).stdout.split()
    assert not {"pydantic", "httpx", "rich", "psycopg"} & set(loaded)
