from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unioneyes.environments.local.layout import Layout
from unioneyes.environments.local.remnants import MARK, end_remnants, find_remnants


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    made = Layout(tmp_path / "home")
    made.claim_home()
    made.claim_sockets()
    yield made
    made.scratch.rmdir()
    made.sockets.rmdir()


@pytest.fixture
def stray(layout: Layout) -> Iterator[subprocess.Popen[bytes]]:
    program = "import sys, time; print('ready', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", program], env=os.environ | {MARK: str(layout.home)}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_a_clean_stack_has_no_remnants(layout: Layout) -> None:
    assert not find_remnants(layout)
    assert end_remnants(layout) == ()


def test_a_process_that_bears_the_mark_is_found_and_ended(layout: Layout, stray: subprocess.Popen[bytes]) -> None:
    assert [each.pid for each in find_remnants(layout).strays] == [stray.pid]

    assert [each.pid for each in end_remnants(layout)] == [stray.pid]

    stray.wait(timeout=10)
    assert not find_remnants(layout)


def test_a_process_of_another_home_is_left_alone(layout: Layout, stray: subprocess.Popen[bytes], tmp_path: Path) -> None:
    other = Layout(tmp_path / "other")

    assert not end_remnants(other)
    assert stray.poll() is None
    assert find_remnants(layout).strays


def test_a_process_that_works_in_a_data_folder_is_found(layout: Layout) -> None:
    data = layout.postgres / "primary" / "data"
    data.mkdir(parents=True)
    with subprocess.Popen(["sleep", "600"], cwd=data) as process:
        assert [each.pid for each in find_remnants(layout).strays] == [process.pid]
        end_remnants(layout)


def test_sockets_of_an_earlier_crash_are_removed_and_files_are_kept(layout: Layout) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(layout.sockets / "blue-1.sock"))
    (layout.sockets / ".s.PGSQL.20001.lock").touch()
    kept = layout.sockets / "supervisor.pid"
    kept.touch()

    assert {path.name for path in find_remnants(layout).sockets} == {"blue-1.sock", ".s.PGSQL.20001.lock"}
    end_remnants(layout)

    assert not find_remnants(layout)
    assert kept.exists()
    kept.unlink()
