"""A program between the worker and a script: when the worker lets go of its end of standard input, or dies, the script ends with all that it started.

Run as `python leash.py FENCE TOKEN COMMAND ...`. It prints nothing of its own, and ends as the command does. It stands alone, and imports nothing of the
product: it also stands between a worker that was stopped and the script that it was about to begin. Where FENCE has seen a later fencing token than TOKEN,
nothing is begun; while a later one comes, the script ends, and whoever brought it waits for that. Without a TOKEN nobody is asked.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

GRACE_SECONDS = 2.0
"""Between being told to end and being killed."""
OTHERS_END_SECONDS = 10.0
"""For scripts of a worker that was overtaken."""
LOOK_SECONDS = 0.2
"""How often it is looked whether the worker was overtaken."""
FENCED = 125
"""The exit code where nothing was begun."""
_POLL_SECONDS = 0.02
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
"""Of prctl(2)."""
_libc = ctypes.CDLL(None)


def main() -> int:
    """Run the command; return its exit code, or 128 and the number of its signal, as shells do."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # only the worker's end of the pipe counts
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what leaves the command's group by itself becomes ours when its parent ends
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    fence, token, *command = sys.argv[1:]
    if token and not (_passes(Path(fence), int(token)) and _is_alone(Path(f"{fence}.running"))):
        return FENCED
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_as_usual)  # noqa: PLW1509 - one thread
    by_itself = False
    try:
        by_itself = _wait(child.pid, woken, lambda: bool(token) and not _passes(Path(fence), int(token)))
    finally:
        _end(child.pid, by_itself=by_itself)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _as_usual() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # nobody runs without a leash


def _passes(fence: Path, token: int) -> bool:
    """Return False when the fence has seen a later token; else it has seen this one."""
    opened = os.open(fence, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        said, new = os.pread(opened, 32, 0), f"{token}\n".encode()
        if said.strip().isdigit() and int(said) > token:
            return False
        if new != said:
            with suppress(OSError):  # a full disk keeps no script from running; what stands there is written over, and not emptied before
                os.pwrite(opened, new, 0)
                os.ftruncate(opened, len(new))
    finally:
        os.close(opened)
    return True


def _is_alone(running: Path) -> bool:
    """Return True when no other script runs behind this fence, and none will until we end: those of earlier tokens had their time to end."""
    opened = os.open(running, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + OTHERS_END_SECONDS
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= until:
            return False
        time.sleep(_POLL_SECONDS)


def _wait(child: int, woken: int, overtaken: Callable[[], bool]) -> bool:
    """Return True when the child ended by itself, False when the worker let go, or was overtaken."""
    waiting = select.poll()
    waiting.register(woken, select.POLLIN)
    waiting.register(0, select.POLLIN | select.POLLHUP)
    looks = time.monotonic() + LOOK_SECONDS
    while not _ended(child):
        if 0 in {number for number, _ in waiting.poll(LOOK_SECONDS * 1000)}:
            return False
        if time.monotonic() >= looks:
            if overtaken():
                return False
            looks = time.monotonic() + LOOK_SECONDS
        with suppress(BlockingIOError):
            os.read(woken, 512)
    return True


def _end(child: int, *, by_itself: bool) -> None:
    """The command's group has ended; unless it ended by itself, so has what left that group."""
    if not by_itself:
        _tell_group(child, signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        while not _ended(child) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
    _tell_group(child, signal.SIGKILL)  # while it is not waited for, its number can't be another process's
    if not by_itself:
        _end_adopted(child, signal.SIGTERM)
        _end_adopted(child, signal.SIGKILL)


def _end_adopted(child: int, order: signal.Signals) -> None:
    """What was left to us was told to end, and has ended, or has had its time."""
    told: set[int] = set()
    until = time.monotonic() + GRACE_SECONDS
    while (left := _children() - {child}) and time.monotonic() < until:
        for process in left - told:  # those that it leaves behind become ours in turn
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, order)
        told |= left
        time.sleep(_POLL_SECONDS)
        for process in left:
            with suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)


def _ended(child: int) -> bool:
    """Return True when the child has ended, which is not waited for yet; others that ended are."""
    while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
        if found.si_pid == child:
            return True
        os.waitpid(found.si_pid, 0)
    return False


def _children() -> set[int]:
    """Return the processes whose parent we are, those included that were left to us."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
                if int(parent) == os.getpid():
                    found.add(int(entry.name))
    return found


def _tell_group(group: int, order: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, order)


if __name__ == "__main__":
    sys.exit(main())
