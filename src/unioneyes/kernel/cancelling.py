"""Cancelling: what a step has under way ends in its middle once its run must stop, and not only before the next step.

The engine gives the thread of each step a look at its run. Whoever runs a program or a statement for the step says how that is ended, and whoever waits
looks. What does neither is short, or must not be stopped in its middle, and is let finish.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from threading import Event, Lock, Thread

look_at_run: ContextVar[Callable[[], None] | None] = ContextVar("look_at_run", default=None)
"""Raises what a step ends with whose run must stop: a BaseException, which no `except Exception` swallows. Set by the engine for the thread of a step;
None outside of one, where nothing is stopped in its middle."""
LOOK_SECONDS = 0.2
"""How often it is looked, meanwhile."""
_GRACE_LOOKS = 10
"""After so many a program that was told to end is killed: it may have something to end itself, as a statement on a server."""


def seldom(look: Callable[[], None]) -> Callable[[], None]:
    """Return a `look` for who asks at each turn of a fast loop: it looks about as often as everybody else."""
    due = time.monotonic()

    def ask() -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + LOOK_SECONDS / 2
            look()

    return ask


def sleep(seconds: float) -> None:
    """Sleep for so long. Raises: what the step ends with, as soon as its run must stop."""
    until = time.monotonic() + seconds
    look = look_at_run.get()
    while True:
        if look is not None:
            look()
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(left if look is None else min(left, LOOK_SECONDS))


@contextmanager
def ended_with_run(end: Callable[[], None]) -> Iterator[None]:
    """Once the run of this thread's step must stop, `end` is called from another thread, again and again until the block ends: it ends what is under way there.

    What the block raises from then on is what the step ends with: a program that was ended has not failed. A block that returns all the same is done.
    """
    look = look_at_run.get()
    if look is None:
        yield
        return
    over, ending = Event(), Lock()
    why: list[BaseException] = []

    def watch() -> None:
        while not over.wait(LOOK_SECONDS):
            if not why:
                try:
                    look()
                except BaseException as stop:  # noqa: BLE001 - whatever it is, it belongs to the step
                    why.append(stop)
            with ending:
                if why and not over.is_set():
                    end()

    Thread(target=copy_context().run, args=(watch,), name="cancel-watch", daemon=True).start()
    try:
        yield
    except Exception:
        if why:
            raise why[0] from None
        raise
    finally:
        with ending:
            over.set()


@contextmanager
def group_ended_with_run(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """`process`, which leads a group, is told to end once the run of this thread's step must stop, with all that it started; then it is killed.

    It is killed at once where the block ends by an exception of its own. See `ended_with_run` for what the block raises.
    """
    looks = 0

    def end() -> None:
        nonlocal looks
        looks += 1
        _signal_group(process, signal.SIGTERM if looks <= _GRACE_LOOKS else signal.SIGKILL)

    try:
        with ended_with_run(end):
            yield
    except BaseException:
        _signal_group(process, signal.SIGKILL)
        raise


def _signal_group(process: subprocess.Popen[bytes], what: signal.Signals) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, what)
