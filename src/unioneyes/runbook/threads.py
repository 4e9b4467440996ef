"""Threads in which steps run, so that a step that hangs can be left behind when its time is over."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from itertools import count
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TypeVar

R = TypeVar("R")


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

    def submit(self, function: Callable[[], R]) -> Future[R]:
        """Run `function` in a thread, in the context of the caller, and return what will come of it, BaseExceptions included."""
        future: Future[R] = Future()
        context = copy_context()

        def work() -> None:
            try:
                future.set_result(context.run(function))
            except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to whoever waits
                future.set_exception(error)

        with self._guard:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = SimpleQueue()
            Thread(target=self._serve, args=(inbox,), name=f"step-{next(self._numbers)}", daemon=True).start()
        inbox.put(work)
        return future

    def _serve(self, inbox: SimpleQueue[Callable[[], None]]) -> None:
        while True:
            inbox.get()()
            with self._guard:
                self._idle.append(inbox)
