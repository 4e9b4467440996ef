"""One child process: it leads a session of its own, dies with its parent, and takes everything that it started with it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from unioneyes.kernel.pidfd import open_pidfd
from unioneyes.kernel.variables import handed_on

_SET_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_libc = ctypes.CDLL(None)


class Child:
    """A running process. Made in the main thread of the event loop's process only: the kernel ties a death signal to the thread that asked for it."""

    def __init__(self, argv: tuple[str, ...], *, env: Mapping[str, str], cwd: Path, output: IO[bytes] | int, memory: int | None = None) -> None:
        """Start the process, with at most `memory` bytes of address space. Raises: OSError when it can't be started."""
        parent = os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
            if os.getppid() != parent:  # it died between the fork and the call above
                os._exit(1)
            if memory is not None:
                resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

        self._process = subprocess.Popen(
            argv,
            env={**handed_on(), **env},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread
        )
        self._handle = open_pidfd(self._process.pid)
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._handle, self._reap)

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """True until it ended."""
        return not self._ended.is_set()

    async def ended(self) -> int:
        """Return its exit code, or the negative number of its signal, when it has ended."""
        await self._ended.wait()
        return self._process.returncode

    async def stop(self, order: signal.Signals, *, grace: float) -> int:
        """It has ended: told by `order`, and killed when the grace, in seconds, was over. Return how."""
        if self.running:
            self._process.send_signal(order)
            try:
                await asyncio.wait_for(self._ended.wait(), grace)
            except TimeoutError:
                self.kill()
        return await self.ended()

    def kill(self) -> None:
        """It is killed, with its group; nothing happens when it has ended."""
        if self.running:
            self._kill_group()

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        self._kill_group()  # while the dead leader is not reaped, its number can't be another process's
        self._process.wait()
        self._ended.set()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
