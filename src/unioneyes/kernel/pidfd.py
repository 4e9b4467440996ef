"""A file descriptor for a process: readable when it has ended, and never another process's, however numbers are given again."""

from __future__ import annotations

import ctypes
import os

_PIDFD_SEND_SIGNAL, _PIDFD_OPEN = 424, 434
"""The numbers of pidfd_send_signal(2) and pidfd_open(2), on every architecture.

Python's own functions are missing where it was built against older headers, as relocatable builds are.
"""
_libc = ctypes.CDLL(None, use_errno=True)


def open_pidfd(pid: int) -> int:
    """Return the descriptor; programs that are started do not get it. Raises: OSError."""
    handle: int = _libc.syscall(_PIDFD_OPEN, pid, 0)
    if handle < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return handle


def send_signal(handle: int, order: int) -> None:
    """The process of the descriptor was told. Raises: OSError, where it has ended."""
    if _libc.syscall(_PIDFD_SEND_SIGNAL, handle, order, None, 0) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
