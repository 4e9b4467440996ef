"""Speaking to the supervisor."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

from unioneyes.adapters.processes.logs import last_words
from unioneyes.adapters.processes.spec import LONGEST_SOCKET_PATH, ProcessSpec, ProcessStatus, describe_exit
from unioneyes.adapters.processes.supervisor import control_socket, own_log, pid_file
from unioneyes.adapters.processes.wire import Order, Reply, Request, decode_status, encode_spec
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.fencing import FencedOff, fencing_token
from unioneyes.kernel.problems import BadInput, Problem, Unavailable
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.units import format_duration
from unioneyes.kernel.variables import handed_on

CRASH_LOOP = 3
"""Ends by itself after which nobody waits for a process any longer."""
_LAUNCH_SECONDS = 15
_ANSWER_SECONDS = 10
_STOP_SECONDS = 120
"""More than any process's grace."""
_KILL_SECONDS = 5
_LAST_LINES = 4
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The supervisor whose files stand in `folder`, running or not. The folder exists, has a short absolute path, and is closed to others."""

    folder: Path

    def running(self) -> int | None:
        """Return its process id; None when it does not run, whatever files it may have left behind."""
        try:
            handle = os.open(pid_file(self.folder), os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.read(handle, 32) or 0) or None  # empty for the instant between its lock and its writing
        finally:
            os.close(handle)
        return None

    def launch(self) -> int:
        """It runs, detached from this process and its terminal, and takes orders; return its process id. Safe to repeat.

        Raises: SupervisorUnavailable, BadInput when the folder's path is too long.
        """
        if len(os.fsencode(control_socket(self.folder))) > LONGEST_SOCKET_PATH:
            raise BadInput(what=f"the path {control_socket(self.folder)} is longer than {LONGEST_SOCKET_PATH} bytes", remedy="choose a shorter folder")
        if self.running() is None:
            command = (sys.executable, "-m", "unioneyes.adapters.processes.supervisor", "--folder", str(self.folder), "--detach")
            with suppress(subprocess.TimeoutExpired):
                subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LAUNCH_SECONDS, check=False, env=handed_on())
        self._ask(Request(order=Order.STATUS))
        return self.running() or self._unavailable("it ended at once")

    def start(self, spec: ProcessSpec, wait: timedelta | None = None) -> None:
        """`spec` is run, and is ready when `wait` is given. Nothing happens when it is already; one of this name with another specification was stopped first.

        Raises: ProcessNotReady, SupervisorUnavailable.
        """
        self._ask(Request(order=Order.START, spec=encode_spec(spec)), within=_STOP_SECONDS)
        if wait is not None:
            self.await_ready((spec.name,), within=wait)

    def await_ready(self, names: Iterable[str], *, within: timedelta) -> None:
        """Each of the processes is ready. Raises: ProcessNotReady, also at once when one keeps ending by itself; SupervisorUnavailable."""
        wanted, give_up = set(names), time.monotonic() + within.total_seconds()
        while True:
            present = {status.name: status for status in self.status() if status.name in wanted}
            missing = [name for name in sorted(wanted) if name not in present or not present[name].ready]
            if not missing:
                return
            given_up = [name for name in missing if name not in present or present[name].exits >= CRASH_LOOP]
            if given_up or time.monotonic() > give_up:
                name = (given_up or missing)[0]
                raise ProcessNotReady.of(name, present.get(name), within)
            sleep(_POLL_SECONDS)

    def stop(self, *names: str) -> None:
        """None of the named processes runs; they were told to end at the same time. Raises: SupervisorUnavailable."""
        self._ask(Request(order=Order.STOP, names=list(names)), within=_STOP_SECONDS)

    def status(self) -> tuple[ProcessStatus, ...]:
        """Return every process, in the order in which they were started. Raises: SupervisorUnavailable."""
        return tuple(decode_status(document) for document in self._ask(Request(order=Order.STATUS))["processes"])

    def shutdown(self, grace: timedelta) -> None:
        """Neither the supervisor nor any of its processes runs: stopped in order, or killed when the grace was over. Safe to repeat.

        Raises: SupervisorUnavailable when the kernel does not end it.
        """
        for order, seconds in ((signal.SIGTERM, grace.total_seconds()), (signal.SIGTERM, _KILL_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
            if self._ended_after(order, seconds):
                return
        self._unavailable("it can't be killed")

    def describe_stop(self, names: Iterable[str]) -> str:
        """Return the command that a person would type to stop processes."""
        line = json.dumps(Request(order=Order.STOP, names=list(names)))
        return f"echo '{line}' | nc -N -U {control_socket(self.folder)}"

    def _ended_after(self, order: signal.Signals, seconds: float) -> bool:
        """Return whether it has ended within these seconds after `order`."""
        pid, give_up = self.running(), time.monotonic() + seconds
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, order)
        while self.running() is not None:
            if time.monotonic() > give_up:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _ask(self, request: Request, *, within: float = _ANSWER_SECONDS) -> Reply:
        if (token := fencing_token.get()) is not None:
            request["token"] = token
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(within)
                connection.connect(str(control_socket(self.folder)))
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile() as answers:
                    line = answers.readline()
        except OSError as error:
            self._unavailable(str(error))
        if not line:
            self._unavailable("it hung up")
        reply: Reply = json.loads(line)
        if "late" in reply:
            raise FencedOff(what=reply["late"])
        if "refused" in reply:
            self._unavailable(f"it refuses an order: {reply['refused']}")
        return reply

    def _unavailable(self, why: str) -> NoReturn:
        said = last_words(own_log(self.folder), 1)
        raise SupervisorUnavailable(
            what=f"the supervisor of {self.folder} does not answer: {why}{f' ({said})' if said else ''}",
            remedy="ue env up starts the stack; ue env doctor says what is in its way",
        )


class SupervisorUnavailable(Unavailable):
    """The supervisor does not run, or does not answer."""


class ProcessNotReady(Problem):
    """A process did not get ready in time, or keeps ending by itself."""

    @classmethod
    def of(cls, name: str, status: ProcessStatus | None, within: timedelta) -> ProcessNotReady:
        """Return the problem, with what the process did and said last."""
        if status is None:
            return cls(what=f"{name} is not run by the supervisor", remedy="start it again")
        if status.exits:
            how = f"ended by itself {status.exits} times" if status.exits > 1 else "ended by itself"
            did = f"{how}, last with {describe_exit(status.last_exit or 0)}"
        else:
            did = f"is {status.state} after {format_duration(within)}"
        said = last_words(status.log, _LAST_LINES)
        return cls(what=Redactor()(f"{name} {did}{f': {said}' if said else ''}"), remedy=f"its whole log: {status.log}")
