"""A command on a leash, as the worker holds it: what it prints is kept, and it ends when it is let go."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from unioneyes.kernel.fencing import Fence, fencing_token
from unioneyes.kernel.output import Kept

LOOK_SECONDS = 0.2
"""How often whoever looks is asked whether it may go on: as often as the engine's own waits ask."""
_ENDS_WITHIN_SECONDS = 10.0
_CHUNK = 65_536
_IN_PIPE = 1_048_576
"""More than stands in a pipe: what is still read of an ended command, while others may go on to write there."""


class Leashed:
    """A command that was begun."""

    def __init__(self, process: subprocess.Popen[bytes], output: int, hold: int) -> None:
        """Follow `process`, which writes to `output` and ends when `hold` is closed."""
        self.kept = Kept()
        self._process = process
        self._hold = hold
        self._output: int | None = output
        os.set_blocking(output, False)

    @property
    def code(self) -> int:
        """Its exit code, or 128 and the number of its signal."""
        return self._process.returncode if self._process.returncode >= 0 else 128 - self._process.returncode

    def follow(self, until: float, look: Callable[[], None]) -> bool:
        """Return True once it has ended, False when it has not at `until`, of the monotonic clock. `look` is called meanwhile; whatever it raises ends that."""
        looks = time.monotonic() + LOOK_SECONDS
        while self._process.poll() is None:
            now = time.monotonic()
            if now >= until:
                return False
            if now >= looks:
                look()
                looks = time.monotonic() + LOOK_SECONDS
                continue
            self._take(min(until, looks) - now)
        taken = 0
        while taken < _IN_PIPE and (chunk := self._read()):
            taken += len(chunk)
        return True

    def let_go(self) -> None:
        """It has ended, with all that it started."""
        os.close(self._hold)
        try:
            if not self.follow(time.monotonic() + _ENDS_WITHIN_SECONDS, lambda: None):
                self._process.kill()
                self._process.wait()
        finally:
            self._close_output()

    def _take(self, seconds: float) -> None:
        """What is printed next is kept, or the time is over, or it has ended."""
        if self._output is None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return
        waiting = select.poll()
        waiting.register(self._output, select.POLLIN)
        if waiting.poll(seconds * 1000):
            self._read()

    def _read(self) -> bytes:
        """Return what is there to read, which is kept; nothing when there is nothing, or never will be."""
        if self._output is None:
            return b""
        try:
            chunk = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return b""
        self.kept.add(chunk)
        if not chunk:
            self._close_output()
        return chunk

    def _close_output(self) -> None:
        if self._output is not None:
            os.close(self._output)
        self._output = None


@contextmanager
def leashed(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], fence: Fence) -> Iterator[Leashed]:
    """Give the command, begun where `fence` lets it; afterwards it has ended, with all that it started. Raises: OSError when it can't be begun."""
    token = fencing_token.get()
    given, hold = os.pipe()
    output, taken = os.pipe()
    try:
        process = subprocess.Popen(
            (sys.executable, "-I", "-S", str(Path(__file__).with_name("leash.py")), str(fence.file), str(token or ""), *command),
            cwd=folder,
            env=dict(environment),
            stdin=given,
            stdout=taken,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except BaseException:
        os.close(hold)
        os.close(output)
        raise
    finally:
        os.close(given)
        os.close(taken)
    begun = Leashed(process, output, hold)
    try:
        yield begun
    finally:
        begun.let_go()
