"""What the port `Shell` promises, of bash on a leash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.stack import eventually
from unioneyes.adapters.shell import BashShell
from unioneyes.adapters.shell.leashed import LOOK_SECONDS, leashed
from unioneyes.kernel.fencing import Fence
from unioneyes.kernel.output import HEAD, TAIL
from unioneyes.ports.shell import BlockFailed, BlockTookTooLong, Ran

SOON = timedelta(seconds=20)


class ToldToStop(BaseException):
    """Stands for a run that is stopped."""


def quiet(line: str) -> None:
    del line


def stop_at(last: str) -> Callable[[str], None]:
    """Return what stops a script once it has printed `last`."""

    def look(line: str) -> None:
        if line == last:
            raise ToldToStop

    return look


@pytest.fixture
def shell(tmp_path: Path) -> BashShell:
    return BashShell(folder=tmp_path, points_at={"UE_HOME": str(tmp_path)}, fence=Fence(tmp_path / "blocks.lock"))


def run(shell: BashShell, script: str, *, within: timedelta = SOON, meanwhile: Callable[[str], None] = quiet, **variables: str) -> Ran:
    return shell.run(script, variables=variables, within=within, meanwhile=meanwhile)


def alive(mark: str) -> list[int]:
    """Return the processes whose command line holds `mark`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in words and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


def test_a_script_runs_in_the_folder_with_its_variables(shell: BashShell, tmp_path: Path) -> None:
    ran = run(shell, 'pwd; printf "%s\\n" "$NOTE"; echo "$UE_HOME"; echo err >&2', NOTE="a  b $(touch pwned) `x` '\"")
    assert ran.output.splitlines() == [str(tmp_path), "a  b $(touch pwned) `x` '\"", str(tmp_path), "err"]
    assert list(tmp_path.iterdir()) == []


def test_the_servers_own_environment_stays_with_it(shell: BashShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SECRET", "hunter22")
    monkeypatch.setenv("BASH_ENV", "/nowhere")
    names = {line.partition("=")[0] for line in run(shell, "env").output.splitlines()}
    assert {"PATH", "UE_HOME"} <= names
    assert not names & {"SERVER_SECRET", "BASH_ENV", "VIRTUAL_ENV"}


def test_ue_itself_is_on_the_path(shell: BashShell) -> None:
    assert run(shell, "ue --version").output.startswith("ue ")
    assert shell.missing(["ue", "bash", "cd", "[", "no-such-program", "./script.sh", "no-such-program"]) == ("no-such-program", "./script.sh")


def test_a_script_in_the_folder_is_found_when_it_may_be_run(shell: BashShell, tmp_path: Path) -> None:
    (tmp_path / "script.sh").write_text("#!/bin/sh\necho here\n")
    assert shell.missing(["./script.sh"]) == ("./script.sh",)
    (tmp_path / "script.sh").chmod(0o700)
    assert shell.missing(["./script.sh"]) == ()


@pytest.mark.parametrize("script", ["echo one; false; echo two", "echo one; false | cat; echo two", 'echo one; echo "$UNSET"; echo two'])
def test_the_first_command_that_fails_ends_the_script(shell: BashShell, script: str) -> None:
    with pytest.raises(BlockFailed) as failed:
        run(shell, script)
    assert "one" in failed.value.what
    assert "two" not in failed.value.what


def test_nobody_is_there_to_type(shell: BashShell) -> None:
    assert run(shell, "cat; echo over").output == "over\n"


def test_a_script_that_takes_too_long_is_ended_with_all_that_it_started(shell: BashShell) -> None:
    with pytest.raises(BlockTookTooLong, match="was ended"):
        run(shell, "(sleep 4711.1; echo never) & sleep 4711.2", within=timedelta(seconds=1))
    assert eventually(lambda: alive("sleep\x004711.") == [], within=5)


def test_one_that_does_not_listen_is_killed(shell: BashShell) -> None:
    with pytest.raises(BlockTookTooLong):
        run(shell, "trap '' TERM; while true; do sleep 4712.1 || true; done", within=timedelta(seconds=1))
    assert eventually(lambda: alive("4712.1") == [], within=5)


def test_what_is_left_in_the_background_ends_with_the_script(shell: BashShell) -> None:
    assert run(shell, "sleep 4713.1 >/dev/null 2>&1 & echo over").output == "over\n"
    assert eventually(lambda: alive("4713.1") == [], within=5)


def test_whoever_looks_can_end_it_and_sees_its_last_line(shell: BashShell) -> None:
    seen: list[str] = []

    def look(line: str) -> None:
        seen.append(line)
        if line == "second":
            raise ToldToStop

    with pytest.raises(ToldToStop):
        run(shell, "echo first; echo second; sleep 4714.1", meanwhile=look)
    assert eventually(lambda: alive("4714.1") == [], within=5)


def test_a_worker_that_is_killed_takes_its_script_with_it(tmp_path: Path) -> None:
    program = (
        "from datetime import timedelta; from pathlib import Path; from unioneyes.adapters.shell import BashShell; "
        "from unioneyes.kernel.fencing import Fence; "
        f"shell = BashShell(folder=Path({str(tmp_path)!r}), points_at={{}}, fence=Fence(Path({str(tmp_path / 'blocks.lock')!r}))); "
        "shell.run('touch begun; sleep 4715.1', variables={}, within=timedelta(minutes=9), meanwhile=print)"
    )
    worker = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    assert eventually((tmp_path / "begun").exists, within=20)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert eventually(lambda: alive("sleep\x004715.1") == [], within=10)


def test_long_output_keeps_its_beginning_and_its_end(shell: BashShell) -> None:
    output = run(shell, "seq 1 100000").output
    assert output.startswith("1\n2\n")
    assert output.endswith("\n99999\n100000\n")
    assert "bytes left out" in output
    assert len(output) < HEAD + TAIL + 100


def test_what_left_its_group_by_itself_ends_with_a_script_that_is_ended(shell: BashShell) -> None:
    with pytest.raises(ToldToStop):
        run(shell, "setsid sleep 4716.1 & (setsid -f setsid -f sleep 4716.2); echo begun; sleep 4716.3", meanwhile=stop_at("begun"))
    assert alive("4716.") == []


def test_a_daemon_outlives_the_script_that_started_it_and_keeps_nobody_waiting(shell: BashShell, tmp_path: Path) -> None:
    ran = run(shell, "setsid bash -c 'echo begun; echo $$ > daemon; exec sleep 4717.1' & while [ ! -s daemon ]; do sleep 0.05; done")
    daemon = int((tmp_path / "daemon").read_text())
    try:
        assert ran.output == "begun\n"
        assert eventually(lambda: alive("sleep\x004717.1") == [daemon], within=10)
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_a_script_that_closes_its_output_is_still_followed_to_its_end(shell: BashShell, tmp_path: Path) -> None:
    assert run(shell, "echo before; exec >&- 2>&-; sleep 0.5; touch after").output == "before\n"
    assert (tmp_path / "after").exists()


def test_nobody_runs_without_a_leash(shell: BashShell, tmp_path: Path) -> None:
    with pytest.raises(BlockFailed, match="the block ended with 137"):
        run(shell, "kill -KILL $PPID; sleep 4718.1")
    assert eventually(lambda: alive("4718.1") == [], within=5)
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_was_cut_off_is_not_told(shell: BashShell) -> None:
    with pytest.raises(BlockFailed) as failed:
        run(shell, "printf 'whole\\nhalf a sec'; kill -KILL $$")
    assert failed.value.what == "the block ended with 137: whole\n... 10 bytes of an unfinished line left out ..."


def test_a_last_line_without_its_end_is_told_when_the_script_ended_by_itself(shell: BashShell) -> None:
    assert run(shell, "printf 'one\\ntwo'").output == "one\ntwo"
    with pytest.raises(BlockFailed, match="the block ended with 3: one\ntwo"):
        run(shell, "printf 'one\\ntwo'; exit 3")


def test_whoever_looks_is_not_asked_more_often_than_by_other_steps_and_not_at_all_by_a_short_one(shell: BashShell) -> None:
    looks: list[float] = []
    run(shell, "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.1; done", meanwhile=lambda _line: looks.append(time.monotonic()))
    assert looks
    assert all(later - earlier >= LOOK_SECONDS for earlier, later in pairwise(looks))


def test_what_fills_the_pipe_while_it_is_told_to_end_is_read(tmp_path: Path) -> None:
    script = "trap 'seq 1 20000; echo over; exit' TERM; echo begun; while true; do sleep 0.1; done"
    with pytest.raises(ToldToStop), leashed(("bash", "-c", script), folder=tmp_path, environment=os.environ, fence=Fence(tmp_path / "blocks.lock")) as block:
        block.follow(time.monotonic() + 60, lambda: stop_at("begun")(block.kept.last_line()))
    assert block.kept.last_line() == "over"
