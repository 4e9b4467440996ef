"""The socket on which the server takes connections: at an address, or at a path that nobody else listens at."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

from unioneyes.environments.listening import AtSocket, Listening, OnAddress
from unioneyes.kernel.problems import BadInput, Problem

LONGEST_PATH = 107
"""Bytes of a Unix socket's path. Source: unix(7)."""
_WAITING = 512
"""Connections that wait to be taken."""
_OWNER, _OWNER_AND_GROUP = 0o600, 0o660


@contextmanager
def listener(at: Listening) -> Iterator[socket.socket]:
    """Give a socket that listens; a Unix socket's path is gone afterwards. Raises: AddressTaken, UnusableSocket."""
    match at:
        case OnAddress(host=host, port=port):
            with _on_address(host, port) as listening:
                yield listening
        case AtSocket(path=path, group=group):
            with _at_path(path, group) as listening:
                made = path.lstat()
                try:
                    yield listening
                finally:
                    with suppress(FileNotFoundError):
                        if os.path.samestat(path.lstat(), made):
                            path.unlink()


def _on_address(host: str, port: int) -> socket.socket:
    address = ip_address(host)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    try:
        listening = socket.create_server((host, port), family=family, backlog=_WAITING, dualstack_ipv6=address.version != 4 and address.is_unspecified)  # noqa: PLR2004 - the same
    except OSError as error:
        raise AddressTaken(what=f"{host}:{port} can't be listened on: {os.strerror(error.errno or 0)}", remedy="ue env doctor says who has it") from None
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does not, for a socket made like this: answers would wait 40 ms for an ACK
    return listening


def _at_path(path: Path, group: str | None) -> socket.socket:
    """Return a socket that listens at `path`, for the server's user, and for `group`. One that a killed server left there is removed."""
    if len(bytes(path)) > LONGEST_PATH:
        raise UnusableSocket(what=f"the path {path} has more than {LONGEST_PATH} bytes", remedy="choose a shorter one for [control] socket")
    try:
        number = grp.getgrnam(group).gr_gid if group else None
    except KeyError:
        raise UnusableSocket(what=f"there is no group called {group}", remedy="correct [control] socket_group") from None
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _turn(path.parent):
            _make_room(path)
            before = os.umask(0o177)
            try:
                listening.bind(str(path))
            finally:
                os.umask(before)
            if number is not None:
                os.chown(path, -1, number)
            path.chmod(_OWNER if number is None else _OWNER_AND_GROUP)
            listening.listen(_WAITING)
    except OSError as error:
        listening.close()
        raise UnusableSocket(
            what=f"{path} can't be listened at: {error.strerror}", remedy="choose a folder for [control] socket that the server may write"
        ) from None
    except Problem:
        listening.close()
        raise
    return listening


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """No other server of ours makes or removes a socket in `folder` meanwhile. Raises: OSError, AddressTaken."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise AddressTaken(what=f"another server starts in {folder} just now", remedy="wait a moment, then try again") from None
    finally:
        os.close(handle)


def _make_room(path: Path) -> None:
    """Nothing stands at `path`: what stood there was a socket of ours at which nobody listens any more. Raises: AddressTaken, UnusableSocket, OSError."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid():
        raise UnusableSocket(what=f"{path} is there already, and is no socket of the server's user", remedy="choose another [control] socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        answer = probe.connect_ex(str(path))
    if answer != errno.ECONNREFUSED:
        raise AddressTaken(what=f"somebody listens at {path} already", remedy="end that server, or choose another [control] socket")
    path.unlink()


class AddressTaken(Problem):
    """Somebody else listens where the server should."""


class UnusableSocket(BadInput):
    """No server can listen there."""
