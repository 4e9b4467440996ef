"""Steps: the only places where a runbook touches the world.

A step is called like the function that it wraps. The engine that runs the current run decides what a call means: done already and remembered, to be done
now, or not allowed. It is called with the ports first, and with everything that it does as keyword arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Generic, ParamSpec, Protocol, TypeVar, get_type_hints, overload

from pydantic import JsonValue

from unioneyes.runbook.plan import Effect, PlannedStep
from unioneyes.runbook.views import Decision, JournalEntry


class Stop(StrEnum):
    """Why a run stops before its end."""

    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


class RunStopped(BaseException):
    """The run was cancelled, or a rollback took its service over: what is under way ends here. No `except Exception` may swallow it."""

    def __init__(self, why: Stop) -> None:
        """Stop because of `why`."""
        super().__init__(f"the run was {why}")
        self.why = why


P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class RunContext(Protocol):
    """What the engine gives to the run that is under way."""

    def take(self, step: Step[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the step durably, or return what it returned before."""

    def progress(self, message: str, figures: dict[str, JsonValue]) -> None:
        """Write a line of the current step to the journal."""

    def ask(self, question: str, choices: tuple[Decision, ...]) -> Decision | None:
        """Hold the run for a person, and return what was decided; None while nothing is."""

    def pause(self, duration: timedelta) -> None:
        """Sleep. Raises: RunStopped when the run was cancelled or superseded meanwhile."""

    def child(self, runbook: str, request: object) -> object:
        """Run another runbook to its end as part of this run, and return its result."""

    def settle(self, step: Step[P, R]) -> None:
        """From now on `step` is not undone any more."""

    def story(self, run_id: str) -> tuple[JournalEntry, ...]:
        """Return the journal of a run so far, its children's entries included, in order."""

    @property
    def run_id(self) -> str:
        """The run's identifier; idempotency keys start with it."""

    @property
    def took_over_from(self) -> str | None:
        """The run that held the service before this one: the parent of a child, or the run that a rollback superseded. None when it was free."""


current_run: ContextVar[RunContext] = ContextVar("current_run")
"""The run that this thread carries out. Set by the engine only."""


@dataclass(frozen=True, slots=True, eq=False)
class Step(Generic[P, R_co]):
    """A function with an effect, a time limit, retries and an undo."""

    function: Callable[P, R_co]
    name: str
    effect: Effect
    undo: Step[P, object] | None
    """Called with the step's own arguments, so that it also takes back what was killed half-way."""
    time_limit: timedelta
    retries: int
    """How often a retryable problem is tried again."""
    asks: bool = False
    """True when it may hold the run for a person."""
    if_skipped: R_co | None = None
    """What it returned, for what follows, where it failed and a person skips it. None: only what returns nothing can be skipped."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Take the step in the current run. Raises: LookupError outside a run; call `function` there."""
        return current_run.get().take(self, *args, **kwargs)

    @property
    def does(self) -> str:
        """What is true afterwards: the first line of its docstring."""
        return _said(self.function) or self.name

    @property
    def returns(self) -> type[R_co]:
        """The type that the function returns, for keeping its value."""
        returned: type[R_co] = _hints(self.function)["return"]
        return returned

    @property
    def can_be_skipped(self) -> bool:
        """True where nothing that follows needs what it would have returned."""
        return self.if_skipped is not None or self.returns is type(None)

    def planned(
        self,
        *,
        commands: tuple[str, ...] = (),
        undo: tuple[str, ...] = (),
        detail: str = "",
        when: str = "",
        no_return: bool = False,
        lasts: timedelta | None = None,
    ) -> PlannedStep:
        """Return this step as a line of a plan."""
        return PlannedStep(
            step=self.name,
            does=self.does,
            effect=self.effect,
            commands=commands,
            undo=undo,
            detail=detail,
            when=when,
            no_return=no_return,
            lasts=lasts,
        )


@cache
def _said(function: Callable[..., object]) -> str:
    """Return the first line of the function's docstring."""
    return (inspect.getdoc(function) or "").partition("\n")[0]


@cache
def _hints(function: Callable[..., object]) -> dict[str, type]:
    return get_type_hints(function)


class _Wrap(Protocol):
    """Makes a step of any function."""

    def __call__(self, function: Callable[P, R], /) -> Step[P, R]: ...


@overload
def step(*, effect: Effect, undo: None = None, time_limit: timedelta = ..., retries: int = ..., asks: bool = ...) -> _Wrap: ...


@overload
def step(*, effect: Effect, undo: Step[P, object], time_limit: timedelta = ..., retries: int = ...) -> Callable[[Callable[P, R]], Step[P, R]]: ...


@overload
def step(*, effect: Effect, if_skipped: R, time_limit: timedelta = ..., retries: int = ...) -> Callable[[Callable[P, R]], Step[P, R]]: ...


def step(
    *,
    effect: Effect,
    undo: Step[P, object] | None = None,
    time_limit: timedelta = timedelta(seconds=60),
    retries: int = 2,
    asks: bool = False,
    if_skipped: R | None = None,
) -> Callable[[Callable[P, R]], Step[P, R]]:
    """Make a step of a function. Its name is the function's; its docstring's first line says what is true afterwards.

    An undo takes the same arguments as the step: the type checker holds it to that.
    """

    def wrap(function: Callable[P, R]) -> Step[P, R]:
        return Step(
            function=function,
            name=function.__name__,
            effect=effect,
            undo=undo,
            time_limit=time_limit,
            retries=retries,
            asks=asks,
            if_skipped=if_skipped,
        )

    return wrap


def progress(message: str, **figures: JsonValue) -> None:
    """Write a line of the current step to the journal: people see it live. Silent outside a run."""
    run = current_run.get(None)
    if run is not None:
        run.progress(message, figures)


def ask(question: str, choices: tuple[Decision, ...]) -> Decision | None:
    """Return what a person decided; None while nobody has, and the run shows that it is held. For steps that `ask`, again and again.

    The first question of a step is the one that counts; it may be held for days, and by one worker after another.
    """
    return current_run.get().ask(question, choices)


def settle(taken: Step[P, R]) -> None:
    """From now on `taken` is not undone any more, whatever happens: something rests on it that an undo would destroy."""
    current_run.get().settle(taken)


def story(run_id: str) -> tuple[JournalEntry, ...]:
    """Return the journal of a run so far. For steps that write reports; silent (empty) outside a run."""
    run = current_run.get(None)
    return run.story(run_id) if run else ()


def pause(duration: timedelta) -> None:
    """Sleep inside a step that waits or watches; ends at once when the run is cancelled or superseded. No time at all: look, in a step that is at work."""
    current_run.get().pause(duration)
