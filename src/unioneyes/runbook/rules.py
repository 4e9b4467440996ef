"""The engine's decisions, as pure rules: what is undone and in which order, how a run ends, how long to wait before the next try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto

from unioneyes.kernel.problems import Problem, Refused
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.plan import Effect, Plan
from unioneyes.runbook.problems import NotAsked, NotConfirmed
from unioneyes.runbook.steps import Step, Stop

FIRST_PAUSE = timedelta(milliseconds=200)
LONGEST_PAUSE = timedelta(seconds=5)
UNDO_TRIES = 3
"""How often an undo is tried at least, whatever it fails with: there is nothing else left to do."""
UNDO_PATIENCE = timedelta(minutes=5)
"""For how long an undo is tried again that meets what is out of reach: half-way is the worst place to be."""


def pause_before(retry: int) -> timedelta:
    """Return how long to wait before the `retry`-th try (1-based): doubling, to a limit."""
    return min(FIRST_PAUSE * (1 << min(retry - 1, 10)), LONGEST_PAUSE)


def gives_up(problem: Problem, *, attempt: int, tries: int, after: timedelta, undoes: bool) -> bool:
    """Return whether what failed with `problem` at its `attempt`-th time (1-based), so long `after` its beginning, is not tried again."""
    if undoes:
        return attempt >= tries and not (problem.retryable and after < UNDO_PATIENCE)
    return attempt >= tries or not problem.retryable


def refuse_unconfirmed(plan: Plan, typed: str | None) -> None:
    """Return when nothing irreversible is planned, or its name was typed. Raises: NotConfirmed."""
    if plan.confirm is None or typed == plan.confirm:
        return
    said = "nobody confirmed it" if typed is None else f"{typed!r} is not its name"
    raise NotConfirmed(what=f"{plan.summary}: this can't be brought back, and {said}; nothing was changed", remedy=f"add --confirm {plan.confirm}")


def refuse_unasked(part: Plan) -> None:
    """Return when nobody must say yes to what would be a part of another run. Raises: NotAsked."""
    if part.approvals:
        gates = ", ".join(rule.gate for rule in part.approvals)
        raise NotAsked(what=f"{part.summary}: others must say yes to this ({gates}), so it is no part of another run", remedy="start it by itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """A step that was taken, and the call that takes it back."""

    taken: str
    """The step's name."""
    undo: Step[..., object]
    call: Callable[[], object]


@dataclass(slots=True)
class Taken:
    """The changes that a run has made so far, as far as they matter for taking them back."""

    plan: Plan
    changed: bool = False
    """True once a step that changes something was begun."""
    no_return: bool = False
    """True once the plan's point of no return was reached: from there on nothing is undone."""
    _undos: list[Undo] = field(default_factory=list)

    def names(self, step: str) -> bool:
        """Return True when the plan names `step`."""
        return any(planned.step == step for planned in self.plan.steps)

    def note(self, step: Step[..., object], call: Callable[[], object] | None) -> None:
        """`step` was begun, whatever came of it; `call` is its undo with its own arguments, None where it has none."""
        if step.effect is Effect.READ:
            return
        self.changed = True
        self.no_return = self.no_return or any(planned.step == step.name and planned.no_return for planned in self.plan.steps)
        if step.undo is not None and call is not None:
            self._undos.append(Undo(taken=step.name, undo=step.undo, call=call))

    def settle(self, step: str) -> None:
        """`step` is not undone any more."""
        self._undos = [undo for undo in self._undos if undo.taken != step]

    def to_undo(self) -> tuple[Undo, ...]:
        """Return what must be taken back, in that order: the last change first."""
        return () if self.no_return else tuple(reversed(self._undos))


class Undoing(Enum):
    """What came of taking the changes back."""

    NOTHING_TO_DO = auto()
    DONE = auto()
    FAILED = auto()


def ends_as(failure: Problem | Stop, *, changed: bool, undoing: Undoing) -> RunStatus:
    """Return the status of a run that did not reach its end."""
    if failure is Stop.SUPERSEDED:
        return RunStatus.SUPERSEDED
    if undoing is Undoing.FAILED:
        return RunStatus.UNDO_FAILED
    if failure is Stop.CANCELLED:
        return RunStatus.CANCELLED
    if undoing is Undoing.DONE:
        return RunStatus.UNDONE
    return RunStatus.REFUSED if isinstance(failure, Refused) and not changed else RunStatus.FAILED
