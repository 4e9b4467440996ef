"""The socket on which the server takes connections."""

from __future__ import annotations

import fcntl
import grp
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from unioneyes.console.listener import AddressTaken, UnusableSocket, listener
from unioneyes.environments.listening import AtSocket, OnAddress


@pytest.fixture
def path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ue-", dir="/tmp"))
    yield folder / "control.sock"
    shutil.rmtree(folder)


def left_behind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))


def test_a_socket_is_its_user_s_alone_whatever_the_umask_and_gone_afterwards(path: Path) -> None:
    before = os.umask(0)
    try:
        with listener(AtSocket(path=path)):
            assert stat.S_IMODE(path.lstat().st_mode) == 0o600
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
    finally:
        assert os.umask(before) == 0, "the process's own umask is as it was"
    assert not path.exists()


def test_a_group_may_use_it_too(path: Path) -> None:
    group = grp.getgrgid(os.getgid())
    with listener(AtSocket(path=path, group=group.gr_name)):
        found = path.lstat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, group.gr_gid)


def test_an_unknown_group_is_told(path: Path) -> None:
    with pytest.raises(UnusableSocket, match="there is no group called no-such-group"), listener(AtSocket(path=path, group="no-such-group")):
        pass


def test_what_a_killed_server_left_is_removed(path: Path) -> None:
    left_behind(path)
    with listener(AtSocket(path=path)), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_where_somebody_listens_nothing_is_removed(path: Path) -> None:
    with listener(AtSocket(path=path)):
        with pytest.raises(AddressTaken, match="somebody listens"), listener(AtSocket(path=path)):
            pass
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_where_somebody_listens_who_takes_no_connection_nothing_is_removed(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        busy.bind(str(path))
        busy.listen(0)
        for client in (first, second):
            client.setblocking(False)  # noqa: FBT003 - the socket's own way to say so
            client.connect_ex(str(path))
        with pytest.raises(AddressTaken), listener(AtSocket(path=path)):
            pass
        assert path.is_socket()


def test_a_server_that_starts_just_now_is_waited_for_by_the_person(path: Path) -> None:
    left_behind(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(AddressTaken, match="another server starts"), listener(AtSocket(path=path)):
            pass
    finally:
        os.close(handle)
    assert path.is_socket()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_as_it_is(path: Path, kind: str) -> None:
    match kind:
        case "file":
            path.write_text("kept")
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to(path.with_name("elsewhere.sock"))
    with pytest.raises(UnusableSocket, match="is no socket of the server's user"), listener(AtSocket(path=path)):
        pass
    assert os.path.lexists(path)


def test_the_next_server_s_socket_is_not_removed_by_one_that_ends_late(path: Path) -> None:
    with listener(AtSocket(path=path)):
        path.unlink()
        left_behind(path)
    assert path.is_socket()


@pytest.mark.parametrize(("name", "said"), [("x" * 120, "more than 107 bytes"), ("no-such-folder/control.sock", "No such file or directory")])
def test_a_path_that_can_t_be_one_is_told(path: Path, name: str, said: str) -> None:
    with pytest.raises(UnusableSocket, match=said), listener(AtSocket(path=path.parent / name)):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_is_listened_on_once(host: str) -> None:
    with listener(OnAddress(host=host, port=0)) as first:
        port = first.getsockname()[1]
        with closing(socket.create_connection((host, port))):
            pass
        with pytest.raises(AddressTaken, match="ue env doctor"), listener(OnAddress(host=host, port=port)):
            pass


def test_an_answer_in_two_parts_does_not_wait_for_the_network_in_between() -> None:
    with listener(OnAddress(host="127.0.0.1", port=0)) as listening, socket.create_connection(listening.getsockname()):
        taken, _ = listening.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
