"""`ue serve` at a Unix socket, and the command line that reaches it there."""

from __future__ import annotations

import asyncio
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.console.conftest import Alone
from unioneyes.adapters.processes.readiness import is_ready
from unioneyes.adapters.processes.spec import UnixHttp
from unioneyes.kernel.problems import ExitCode

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    yield folder / "control.sock"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(alone: Alone, path: Path) -> Iterator[Path]:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))  # and nobody removes it
    with alone.serving(f'[control]\nsocket = "{path}"\n'):
        yield path
    assert not path.exists()


def test_only_the_server_s_user_may_use_it(server: Path) -> None:
    assert stat.S_IMODE(server.lstat().st_mode) == 0o600


@pytest.mark.usefixtures("server")
def test_the_command_line_comes_by_it(alone: Alone) -> None:
    assert alone.ue("whoami").code == ExitCode.DONE


def test_a_person_without_the_folder_names_it(alone: Alone, server: Path) -> None:
    said = alone.ue("whoami", UE_URL=f"http+unix://{server}", UE_TOKEN=alone.token)
    assert said.code == ExitCode.DONE, said.err
    away = alone.ue("whoami", UE_URL=f"http+unix://{server}.away", UE_TOKEN=alone.token)
    assert away.code == ExitCode.FAILED
    assert f"the server at http+unix://{server}.away does not answer" in away.err


def test_it_listens_on_no_address(alone: Alone, server: Path) -> None:
    del server
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", alone.stack.ports.control), timeout=60)


def test_a_second_server_leaves_it_to_the_first(alone: Alone, server: Path) -> None:
    second = alone.ue("serve")
    assert second.code == ExitCode.FAILED
    assert f"somebody listens at {server} already" in second.err
    assert alone.ue("whoami").code == ExitCode.DONE


def test_the_supervisor_sees_that_it_is_ready(server: Path) -> None:
    assert asyncio.run(is_ready(UnixHttp(server, "/api/v1/healthz")))
