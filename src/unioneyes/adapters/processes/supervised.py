"""One supervised process: started, asked whether it is ready, started again when it ends by itself, stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from unioneyes.adapters.processes.child import Child
from unioneyes.adapters.processes.journal import open_log, remark
from unioneyes.adapters.processes.readiness import is_ready
from unioneyes.adapters.processes.spec import Exec, ProcessSpec, ProcessState, ProcessStatus, Readiness, describe_exit

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0
"""Seconds before a process that ended by itself is started again; doubled each time."""
_SETTLED_SECONDS = 10.0
"""Life after which an end counts as the first one again."""
_TURN_SECONDS = 0.02
_STARTING_SECONDS, _RUNNING_SECONDS, _EXEC_SECONDS = 0.05, 1.0, 5.0
"""Between two questions: while it starts, afterwards, and afterwards where each question costs a process."""
_NOT_STARTED = 127
"""Exit code of a command that can't be started. Source: the shell's convention."""


class Supervised:
    """Keeps one process running until it is stopped."""

    def __init__(self, spec: ProcessSpec, *, its_turn: Callable[[ProcessSpec], bool]) -> None:
        """Start at once, or when it is its turn."""
        self.spec = spec
        self._its_turn = its_turn
        self._state = ProcessState.WAITING
        self._child: Child | None = None
        self._restarts = 0
        self._last_exit: int | None = None
        self._since = datetime.now(UTC)
        self._keeping = asyncio.create_task(self._keep(), name=spec.name)

    @property
    def state(self) -> ProcessState:
        """Where it is."""
        return self._state

    @property
    def status(self) -> ProcessStatus:
        """What is known of it now."""
        child = self._child
        return ProcessStatus(
            name=self.spec.name,
            state=self._state,
            pid=child.pid if child and child.running else None,
            restarts=self._restarts,
            since=self._since,
            last_exit=self._last_exit,
            log=self.spec.log,
            labels=self.spec.labels,
        )

    async def stop(self, *, grace: timedelta | None = None) -> None:
        """It has ended, with everything that it started, and is not started again. `grace`: instead of its own."""
        self._state = ProcessState.STOPPING
        self._keeping.cancel()
        await asyncio.wait([self._keeping])
        if self._child and self._child.running:
            within = self.spec.grace if grace is None else grace
            code = await self._child.stop(self.spec.stop_signal, grace=within.total_seconds())
            self._remark("INFO", f"stopped: {describe_exit(code)}")
        with suppress(OSError):  # what stands in a socket's place keeps nobody from stopping; it is told at the next start
            self._clear_sockets()

    async def _keep(self) -> None:
        while not self._its_turn(self.spec):  # noqa: ASYNC110 - depends on the states of several others
            await asyncio.sleep(_TURN_SECONDS)
        pause = _FIRST_PAUSE
        while True:
            born = time.monotonic()
            self._last_exit = await self._live()
            self._since = datetime.now(UTC)
            how = describe_exit(self._last_exit)
            if not self.spec.restart:
                self._state = ProcessState.ENDED
                self._remark("INFO" if self._last_exit == 0 else "ERROR", f"ended by itself: {how}")
                return
            if time.monotonic() - born >= _SETTLED_SECONDS:
                pause = _FIRST_PAUSE
            self._state = ProcessState.BACKING_OFF
            self._remark("ERROR", f"ended by itself: {how}; started again in {pause:.1f} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            self._restarts += 1

    async def _live(self) -> int:
        """Run the process once, and return how it ended."""
        self._state, self._since = ProcessState.STARTING, datetime.now(UTC)
        try:
            self._clear_sockets()
            with open_log(self.spec.log) as output:
                self._child = child = Child(self.spec.argv, env=self.spec.env, cwd=self.spec.cwd, output=output, memory=self.spec.memory)
        except OSError as error:
            self._remark("CRITICAL", f"can't be started: {error}")
            return _NOT_STARTED
        self._remark("INFO", f"started: pid {child.pid}")
        asking = asyncio.create_task(self._ask(self.spec.ready))
        try:
            return await child.ended()
        finally:
            asking.cancel()

    async def _ask(self, ready: Readiness | None) -> None:
        """The state says whether it is ready, for as long as it runs."""
        if ready is None:
            self._state = ProcessState.READY
            return
        between = _STARTING_SECONDS
        while True:
            if await is_ready(ready):
                self._state = ProcessState.READY
                between = _EXEC_SECONDS if isinstance(ready, Exec) else _RUNNING_SECONDS
            elif self._state is ProcessState.READY:
                self._state = ProcessState.UNREADY
            await asyncio.sleep(between)

    def _clear_sockets(self) -> None:
        for socket in self.spec.sockets:
            socket.unlink(missing_ok=True)

    def _remark(self, level: str, message: str) -> None:
        with suppress(OSError):  # a full disk must not end the supervision
            remark(self.spec.log, level, message, process=self.spec.name)
