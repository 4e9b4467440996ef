"""A worker that is stopped (SIGSTOP) just before it calls a function, and wakes up (SIGCONT) when another one has its run."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import CodeType, FrameType

from unioneyes.kernel.fencing import fencing_token
from unioneyes.kernel.problems import Problem

_tokens = count(1)
"""Fencing tokens: whoever comes later has a higher one."""
KILLED = "killed"
_WITHIN = 60


@dataclass(slots=True)
class Late:
    """A process that is stopped in the middle of `work`."""

    pid: int
    answers: int
    outcome: str | None = None

    def wake(self) -> str:
        """It goes on; return what came of its work: "done", a problem's code, or that it was killed meanwhile."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)
        _, status = os.waitpid(self.pid, 0)
        said = os.read(self.answers, 4096).decode()
        self.outcome = KILLED if os.WIFSIGNALED(status) else said
        return self.outcome


@contextmanager
def late(work: Callable[[], object], *, before: CodeType) -> Iterator[Late]:
    """Give a process that stands just before it calls what `before` is the code of, in `work`."""
    hears, tells = os.pipe()
    token = next(_tokens)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads: the child takes none of their locks
        pid = os.fork()
    if pid == 0:
        os.write(tells, _outcome(work, before, token).encode())
        os._exit(0)
    stopped = Late(pid, hears)
    try:
        os.close(tells)
        _await_stop(pid)
        yield stopped
    finally:
        if stopped.outcome is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(hears)


@contextmanager
def taken_over() -> Iterator[None]:
    """What is done in the block is done by the worker that took over."""
    before = fencing_token.set(next(_tokens))
    try:
        yield
    finally:
        fencing_token.reset(before)


def _outcome(work: Callable[[], object], before: CodeType, token: int) -> str:
    fencing_token.set(token)

    def stop_before(frame: FrameType, event: str, _arg: object) -> None:
        if event == "call" and frame.f_code is before:
            sys.settrace(None)
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    sys.settrace(stop_before)
    try:
        work()
    except Problem as problem:
        return problem.code
    except BaseException as error:  # noqa: BLE001 - it must not go on as a second pytest
        return repr(error)
    return "done"


def _await_stop(pid: int) -> None:
    give_up = time.monotonic() + _WITHIN
    while Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"T":
        assert time.monotonic() < give_up, "it was not stopped"
        time.sleep(0.01)
