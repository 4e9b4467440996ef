"""Runbooks by name: what a chapter promises, and the types of its request, plan and result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Protocol, TypeVar, cast, get_type_hints, runtime_checkable

from unioneyes.kernel.access import Right
from unioneyes.kernel.problems import NotFound
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.environment import Environment
from unioneyes.runbook.plan import Plan
from unioneyes.runbook.problems import NameTaken
from unioneyes.runbook.steps import current_run

RequestT_contra = TypeVar("RequestT_contra", contravariant=True)
PlanT = TypeVar("PlanT", bound=Plan)
PlanT_contra = TypeVar("PlanT_contra", bound=Plan, contravariant=True)
ResultT_co = TypeVar("ResultT_co", covariant=True)
ChildT = TypeVar("ChildT")
RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT")


class Runbook(Protocol[RequestT_contra, PlanT, ResultT_co]):
    """Two plain functions."""

    def plan(self, env: Environment, request: RequestT_contra) -> PlanT:
        """Only reads. Raises: BadInput, Refused; nothing was changed then."""

    def run(self, env: Environment, plan: PlanT) -> ResultT_co:
        """Carries out the plan, by steps that it names, and nothing else."""


@runtime_checkable
class Accounts(Protocol[PlanT_contra, ResultT_co]):
    """A runbook that has something to show for itself also when it does not reach its end."""

    def account(self, env: Environment, plan: PlanT_contra, *, ends_as: RunStatus) -> ResultT_co | None:
        """Only reads, the run's `story` included. Return what there is to show; None when there is nothing, as where nothing was begun."""


class EndsAs(Protocol):
    """A result that says how its run ended, where that is not simply `done`."""

    @property
    def ends_as(self) -> RunStatus:
        """The run's status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A registered runbook. The engine reads requests, plans and results by their types, so the functions take what the types say."""

    name: str
    """`rollback.traffic`: the chapter's folder, a dot, the option."""
    chapter: str
    """Where in the document it stands: `2. Rollback, option A`."""
    does: str
    """What it is for: the first line of its docstring."""
    module: str
    """Where its code stands: `unioneyes.operations.rollback.release`."""
    promise: timedelta | None
    """How long the document gives it."""
    takes_over: bool
    """True for rollbacks: the service lock is taken from whoever holds it, and that run is superseded."""
    locks: bool
    """True when it needs the service lock."""
    mends: bool
    """True for what changes neither the release nor its schema, and only mends how it runs: a restart, more of the same."""
    right: Right
    """What whoever starts it, decides in it or stops it must be allowed."""
    plan: Callable[[Environment, object], Plan]
    run: Callable[[Environment, Plan], object]
    account: Callable[[Environment, Plan, RunStatus], object | None] | None
    """What a run that did not reach its end has to show: a result, or None; see `Accounts`."""
    request_type: type
    plan_type: type[Plan]
    result_type: type

    @property
    def built_in(self) -> bool:
        """True where it comes with the program; others come and go with their files."""
        return self.module.partition(".")[0] == __name__.partition(".")[0]

    @property
    def can_be_held(self) -> bool:
        """True where a stopped line holds it: everything that changes the service, but for ways back and what only mends it."""
        return self.locks and not self.takes_over and not self.mends

    @property
    def waits_for_nobody(self) -> bool:
        """True where nobody's yes is asked for, whatever the policy says: ways back, and what does not change the service."""
        return self.takes_over or not self.locks


_registry: Mapping[str, Definition] = {}
"""Never changed, only put in the place of another: whoever reads it sees all of a change or nothing."""
_guard = Lock()
_collected: ContextVar[dict[str, Definition] | None] = ContextVar("_collected", default=None)
"""Where what is registered goes while somebody collects it."""


class _Register(Protocol):
    """Registers a class that has `plan` and `run`; the type checker holds the three types to each other."""

    def __call__(self, kind: type[Runbook[RequestT, PlanT, ResultT]], /) -> type[Runbook[RequestT, PlanT, ResultT]]: ...


def runbook(
    *,
    name: str,
    chapter: str,
    promise: timedelta | None = None,
    takes_over: bool = False,
    locks: bool = True,
    mends: bool = False,
    right: Right = Right.OPERATE,
) -> _Register:
    """Register a class that has `plan` and `run` under `name`. Raises: NameTaken."""

    def register(kind: type[Runbook[RequestT, PlanT, ResultT]], /) -> type[Runbook[RequestT, PlanT, ResultT]]:
        made = kind()
        planning, running = get_type_hints(kind.plan), get_type_hints(kind.run)
        made_of_it = Definition(
            name=name,
            chapter=chapter,
            does=(inspect.getdoc(kind) or name).partition("\n")[0],
            module=kind.__module__,
            promise=promise,
            takes_over=takes_over,
            locks=locks,
            mends=mends,
            right=right,
            plan=cast("Callable[[Environment, object], Plan]", made.plan),
            run=cast("Callable[[Environment, Plan], object]", made.run),
            account=_account(made) if isinstance(made, Accounts) else None,
            request_type=planning["request"],
            plan_type=planning["return"],
            result_type=running["return"],
        )
        collected = _collected.get()
        if collected is None:
            replace({name: made_of_it}, before=())
        else:
            _refuse_taken(collected, name)
            collected[name] = made_of_it
        return kind

    return register


def _account(made: Accounts[Plan, object]) -> Callable[[Environment, Plan, RunStatus], object | None]:
    return lambda env, plan, ends_as: made.account(env, plan, ends_as=ends_as)


def collect(load: Callable[[], object]) -> Mapping[str, Definition]:
    """Return what `load` registers, by name; nobody else sees any of it. Raises: NameTaken, and what `load` raises."""
    collected: dict[str, Definition] = {}
    entered = _collected.set(collected)
    try:
        load()
    finally:
        _collected.reset(entered)
    return collected


def replace(those: Mapping[str, Definition], *, before: Collection[str]) -> None:
    """The runbooks called `before` are no more, and `those` are, in one moment. Raises: NameTaken; nothing has changed then."""
    global _registry  # noqa: PLW0603 - see there
    with _guard:
        kept = {name: known for name, known in _registry.items() if name not in before}
        for name in those:
            _refuse_taken(kept, name)
        _registry = {**kept, **those}


def _refuse_taken(known: Mapping[str, Definition], name: str) -> None:
    if name in known:
        raise NameTaken(what=f"there is a runbook called {name} already", remedy="give it another name")


def definition(name: str) -> Definition:
    """Return the runbook called `name`. Raises: UnknownRunbook."""
    registry = _registry
    try:
        return registry[name]
    except KeyError:
        raise UnknownRunbook(what=f"there is no runbook called {name!r}", remedy=f"one of: {', '.join(sorted(registry))}") from None


def takes_over(name: str) -> bool:
    """Return True when the runbook takes the service over. One that is no more, such as an own one whose file was removed, does not."""
    known = _registry.get(name)
    return known is not None and known.takes_over


def right_over(name: str) -> Right:
    """Return what whoever decides in a run of the runbook, or stops it, must be allowed: also of one that is no more, whose runs may still wait."""
    known = _registry.get(name)
    return Right.OPERATE if known is None else known.right


def definitions() -> tuple[Definition, ...]:
    """Return every registered runbook, by name."""
    registry = _registry
    return tuple(registry[name] for name in sorted(registry))


def run_child(runbook: str, request: object, result: type[ChildT]) -> ChildT:
    """Run another chapter's runbook to its end as part of the current run, and return its result.

    Raises: the problem that it ended with.
    """
    returned = current_run.get().child(runbook, request)
    if not isinstance(returned, result):
        message = f"{runbook} returned {type(returned).__name__}, not {result.__name__}"
        raise TypeError(message)
    return returned


class UnknownRunbook(NotFound):
    """No runbook has this name."""
