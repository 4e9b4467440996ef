"""Threads in which steps run, so that a step that hangs can be left behind when its time is over."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from itertools import count
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar, cast

R = TypeVar("R")


class Call(Generic[R]):
    """A function that runs in a thread of its own, in the context of whoever called it.

    `concurrent.futures` can do more, and costs each step more.
    """

    __slots__ = ("_context", "_ended", "_error", "_function", "_under_way", "_value")

    def __init__(self, function: Callable[[], R]) -> None:
        """Run nothing yet."""
        self._function = function
        self._context = copy_context()
        self._under_way = Lock()
        self._under_way.acquire()
        self._ended = False
        self._value: R | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """It has ended, one way or the other."""
        try:
            self._value = self._context.run(self._function)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to whoever waits
            self._error = error
        finally:
            self._ended = True
            self._under_way.release()

    def done(self) -> bool:
        """Return True once it has ended."""
        return self._ended

    def ends(self, within: float) -> bool:
        """Return True as soon as it has ended; False when it has not, within so many seconds."""
        if not self._under_way.acquire(timeout=within):
            return False
        self._under_way.release()
        return True

    def result(self, timeout: float = -1) -> R:
        """Return what the function returned. Raises: what it raised, BaseExceptions included; TimeoutError after so many seconds."""
        if not self.ends(timeout):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return cast("R", self._value)


class StepThreads:
    """Daemon threads that are kept and used again.

    Kept, because a child process that asks to die with its parent dies with the *thread* that started it (Linux, PR_SET_PDEATHSIG), and what one step
    starts another may use. Daemons, because a step that hangs must not keep the process from ending.
    """

    def __init__(self) -> None:
        """Start no thread yet."""
        self._idle: list[SimpleQueue[Callable[[], None]]] = []
        self._guard = Lock()
        self._numbers = count(1)

    def submit(self, function: Callable[[], R]) -> Call[R]:
        """Run `function` in a thread, in the context of the caller, and return what will come of it, BaseExceptions included."""
        call = Call(function)
        with self._guard:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = SimpleQueue()
            Thread(target=self._serve, args=(inbox,), name=f"step-{next(self._numbers)}", daemon=True).start()
        inbox.put(call.run)
        return call

    def _serve(self, inbox: SimpleQueue[Callable[[], None]]) -> None:
        while True:
            inbox.get()()
            with self._guard:
                self._idle.append(inbox)
