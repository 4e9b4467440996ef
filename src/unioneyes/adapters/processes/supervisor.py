"""The supervisor: a daemon that keeps processes running, and that none of them outlives.

`python -m unioneyes.adapters.processes.supervisor --folder DIR [--detach]`. It holds a lock on `DIR/supervisor.pid` for as long as it lives and takes orders
on the Unix socket `DIR/supervisor.sock`. SIGTERM: every process is stopped, then it ends; a second one: they are killed, grace or not. SIGKILL: the kernel
kills its processes too.

It has one thread, on purpose: the kernel's death signal is tied to the thread that started a process.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import signal
import sys
import time
from collections import defaultdict
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from unioneyes.adapters.processes.journal import rotate
from unioneyes.adapters.processes.spec import ProcessSpec, ProcessState
from unioneyes.adapters.processes.supervised import Supervised
from unioneyes.adapters.processes.wire import Order, Reply, Request, decode_spec, encode_status
from unioneyes.kernel.fencing import Fence, FencedOff, fencing_token

_ROTATE_SECONDS = 5.0
_LOCK_SECONDS = 1.0
"""A client that looks whether we run holds the lock for a moment."""
_LONGEST_LINE = 1 << 20


def pid_file(folder: Path) -> Path:
    """Return the file whose lock says that the supervisor lives."""
    return folder / "supervisor.pid"


def control_socket(folder: Path) -> Path:
    """Return where the supervisor takes orders."""
    return folder / "supervisor.sock"


def own_log(folder: Path) -> Path:
    """Return what the supervisor has to say about itself."""
    return folder / "supervisor.log"


class SupervisorDaemon:
    """Carries out orders."""

    def __init__(self, folder: Path) -> None:
        """Start with no process; what is to be remembered stands in `folder`."""
        self._folder = folder
        self._fence = Fence(folder / "fence")
        self._processes: dict[str, Supervised] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._told_to_end = asyncio.Event()
        self._killing: list[asyncio.Task[None]] = []

    async def serve(self, *, ready: int | None) -> None:
        """Take orders until SIGTERM; then every process has been stopped. `ready`: a pipe that is told when orders are taken."""
        for order in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(order, self._end)
        control_socket(self._folder).unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve_client, control_socket(self._folder), limit=_LONGEST_LINE)
        control_socket(self._folder).chmod(0o600)
        rotating = asyncio.create_task(self._rotate_logs())
        if ready is not None:
            os.write(ready, b"ready")
            os.close(ready)
        await self._told_to_end.wait()
        server.close()
        control_socket(self._folder).unlink(missing_ok=True)
        await self._stop_all()
        await asyncio.gather(*self._killing)
        rotating.cancel()

    async def start(self, spec: ProcessSpec) -> None:
        """`spec` is run. Nothing happens when it is already; a process of this name with another specification was stopped first."""
        async with self._turns[spec.name]:
            present = self._processes.get(spec.name)
            if present and present.spec == spec and present.state is not ProcessState.ENDED:
                return
            if present:
                await present.stop()
                del self._processes[spec.name]
            self._processes[spec.name] = Supervised(spec, its_turn=self._is_turn_of)

    async def stop(self, name: str) -> None:
        """No process of this name runs."""
        async with self._turns[name]:
            if present := self._processes.get(name):
                await present.stop()
                del self._processes[name]

    def _end(self) -> None:
        if self._told_to_end.is_set():
            self._killing += [asyncio.create_task(process.stop(grace=timedelta(0))) for process in self._processes.values()]
        self._told_to_end.set()

    async def _stop_all(self) -> None:
        """Nothing runs. Each ended before those that it comes after; the rest at the same time."""
        while self._processes:
            needed = {name for process in self._processes.values() for name in process.spec.after}
            await asyncio.gather(*(self.stop(name) for name in self._processes.keys() - needed or set(self._processes)))

    def _is_turn_of(self, spec: ProcessSpec) -> bool:
        return all(self._processes[name].state is ProcessState.READY for name in spec.after if name in self._processes)

    async def _serve_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):  # a client may leave before its answer
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> Reply:
        try:
            request: Request = json.loads(line)
            match Order(request["order"]):
                case Order.START:
                    self._refuse_late(request)
                    await self.start(decode_spec(request["spec"]))
                case Order.STOP:
                    self._refuse_late(request)
                    await asyncio.gather(*(self.stop(name) for name in request["names"]))
                case Order.STATUS:
                    pass
        except (KeyError, TypeError, ValueError) as error:
            return Reply(refused=f"{type(error).__name__}: {error}")
        except FencedOff as problem:
            return Reply(late=problem.what)
        return Reply(processes=[encode_status(process.status) for process in self._processes.values()])

    def _refuse_late(self, request: Request) -> None:
        """Raises: FencedOff."""
        fencing_token.set(request.get("token"))
        with suppress(OSError):  # a disk that takes no note keeps nobody from an order
            self._fence.check()

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(_ROTATE_SECONDS)
            for process in list(self._processes.values()):
                with suppress(OSError):  # tried again in a moment; a full disk must not end the supervision
                    rotate(process.spec.log, at_bytes=process.spec.log_bytes)


def main() -> int:
    """Run the daemon. Return 1 when another one holds the folder."""
    parser = argparse.ArgumentParser(prog="supervisor", description="Keeps processes running; none of them outlives it.")
    parser.add_argument("--folder", type=Path, required=True, help="holds its pid file, its control socket and its log")
    parser.add_argument("--detach", action="store_true", help="return when it takes orders, and let it run on without this terminal")
    arguments = parser.parse_args()
    os.umask(0o077)
    ready = _detach(own_log(arguments.folder)) if arguments.detach else None
    lock = _lock(pid_file(arguments.folder))
    if lock is None:
        sys.stderr.write(f"another supervisor holds {arguments.folder}\n")
        return 1
    asyncio.run(SupervisorDaemon(arguments.folder).serve(ready=ready))
    pid_file(arguments.folder).unlink(missing_ok=True)
    os.close(lock)
    return 0


def _detach(log: Path) -> int:
    """Go on in a process of its own session that no terminal can end; return a pipe that is told when orders are taken.

    The calling process waits for that, and ends: with 0 when it was told, with 1 when the daemon ended before.
    """
    hears, tells = os.pipe()
    if os.fork():
        os.close(tells)
        os._exit(0 if os.read(hears, 16) else 1)
    os.close(hears)
    os.setsid()
    os.chdir("/")
    silence, output = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(silence, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(silence)
    os.close(output)
    return tells


def _lock(path: Path) -> int | None:
    """Return an open file that holds the lock until this process ends, however it ends; None when another process holds it."""
    give_up = time.monotonic() + _LOCK_SECONDS
    while time.monotonic() < give_up:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), path.stat()):  # not removed meanwhile by one that ended
                os.ftruncate(handle, 0)
                os.write(handle, f"{os.getpid()}\n".encode())
                return handle
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(handle)
        time.sleep(0.01)
    return None


if __name__ == "__main__":
    sys.exit(main())
