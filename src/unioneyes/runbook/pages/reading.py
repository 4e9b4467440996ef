"""What a runbook does, read from its own code without running it: the steps that its plan names, and from where on one of them is not undone any more.

A run takes no step that its plan does not name, so the text of the plan is the one place that knows them all: `step.planned(...)`, in the order of the text.
The functions of the same chapter that it calls are followed.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import FunctionType
from typing import TypeVar

from unioneyes.runbook.definition import Definition, run_child
from unioneyes.runbook.plan import PlannedStep
from unioneyes.runbook.steps import Step, settle

AnyStep = Step[..., object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A step that a plan names."""

    step: AnyStep | str
    """The name alone where it is another runbook."""
    always: bool
    """False where the plan says under which condition it is taken."""

    @property
    def name(self) -> str:
        """The step's name, or the other runbook's."""
        return self.step if isinstance(self.step, str) else self.step.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """From here on something is not undone any more."""

    begins: str
    """The step that is taken next."""
    steps: tuple[str, ...]
    """What stays, whatever happens."""


def named_steps(known: Definition) -> tuple[Named, ...]:
    """Return the steps that the runbook's plan names, in the order of its text, each once."""
    found: dict[str, Named] = {}
    for seen in _read(_function(known.plan), _planned, within=_chapter(known)):
        before = found.get(seen.name)
        found[seen.name] = seen if before is None else replace(before, always=before.always or seen.always)
    return tuple(found.values())


def taken_steps(known: Definition) -> tuple[str, ...]:
    """Return the names of the steps that the text of the runbook's run takes, each once; those of another runbook count as one, by its name."""
    return tuple(dict.fromkeys(seen for seen in _run_of(known) if isinstance(seen, str)))


def settled_steps(known: Definition) -> tuple[Settled, ...]:
    """Return from where on which steps are not undone any more, in the order of the run's text."""
    found: list[Settled] = []
    stays: list[str] = []
    for seen in _run_of(known):
        if not isinstance(seen, str):
            stays.append(seen.name)
        elif stays:
            found.append(Settled(begins=seen, steps=tuple(stays)))
            stays = []
    return tuple(found)


def source_of(step: AnyStep) -> str:
    """Return where in the document the step stands, as its docstring says; empty where the document has nothing of the kind."""
    found = re.search(r"Source: (.+?)(?:\n\n|\Z)", inspect.getdoc(step.function) or "", re.DOTALL)
    return " ".join(found[1].split()).rstrip(".") if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in a function's text something stands."""

    names: Mapping[str, object]
    """What the function's module knows by which name."""
    always: bool
    loops: Mapping[str, tuple[ast.expr, ...]]
    """What the variable of a loop stands for, where the loop lists it."""

    def steps(self, node: ast.expr) -> tuple[AnyStep, ...]:
        """Return the steps that an expression means; none where it means something else."""
        if not isinstance(node, ast.Name):
            return ()
        if node.id in self.loops:
            return tuple(step for each in self.loops[node.id] for step in self.steps(each))
        known = self.names.get(node.id)
        return (known,) if isinstance(known, Step) else ()


def _planned(call: ast.Call, place: _Place) -> Iterator[Named]:
    """Yield the step that a call plans: `step.planned(...)`, or another runbook's line of the plan."""
    told = {each.arg: each.value for each in call.keywords}
    always = place.always and "when" not in told
    if isinstance(call.func, ast.Attribute) and call.func.attr == "planned":
        yield from (Named(step=step, always=always) for step in place.steps(call.func.value))
    elif isinstance(call.func, ast.Name) and place.names.get(call.func.id) is PlannedStep and isinstance(name := told.get("step"), ast.Constant):
        yield Named(step=str(name.value), always=always)


def _taken(call: ast.Call, place: _Place) -> Iterator[str | AnyStep]:
    """Yield the name of a step that a call takes, or of the runbook that it runs; and, as itself, a step that it settles."""
    yield from (step.name for step in place.steps(call.func))
    called = place.names.get(call.func.id) if isinstance(call.func, ast.Name) else None
    if called is settle:
        yield from place.steps(call.args[0])
    elif called is run_child and isinstance(call.args[0], ast.Constant):
        yield str(call.args[0].value)


def _run_of(known: Definition) -> Iterator[str | AnyStep]:
    return _read(_function(known.run), _taken, within=_chapter(known))


def _chapter(known: Definition) -> str:
    return known.module.rpartition(".")[0]


def _function(method: object) -> FunctionType:
    """Return the function behind a runbook's method."""
    function = inspect.unwrap(getattr(method, "__func__", method))  # type: ignore[arg-type]  # whatever it is, what comes of it is looked at
    if not isinstance(function, FunctionType):
        message = f"{method!r} has no text"
        raise TypeError(message)
    return function


def _read(
    function: FunctionType, pick: Callable[[ast.Call, _Place], Iterable[T]], *, within: str, always: bool = True, under_way: tuple[FunctionType, ...] = ()
) -> Iterator[T]:
    """Yield what `pick` finds in the function's text, in its order, and in that of the functions of `within` that it calls."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    yield from _look(tree, pick, _Place(names=function.__globals__, always=always, loops={}), within=within, under_way=(*under_way, function))


def _look(node: ast.AST, pick: Callable[[ast.Call, _Place], Iterable[T]], place: _Place, *, within: str, under_way: tuple[FunctionType, ...]) -> Iterator[T]:
    if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and isinstance(node.iter, ast.Tuple):
        place = replace(place, loops={**place.loops, node.target.id: tuple(node.iter.elts)})
    for child in ast.iter_child_nodes(node):
        yield from _look(child, pick, replace(place, always=place.always and not _is_choice(node, child)), within=within, under_way=under_way)
    if isinstance(node, ast.Call):
        yield from pick(node, place)
        called = place.names.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if isinstance(called, FunctionType) and called not in under_way and f"{called.__module__}.".startswith(f"{within}."):
            yield from _read(called, pick, within=within, always=place.always, under_way=under_way)


def _is_choice(node: ast.AST, child: ast.AST) -> bool:
    """Return whether `child` is one of the ways that the text may go on at `node`."""
    return isinstance(node, ast.If | ast.IfExp | ast.ExceptHandler | ast.match_case) and child is not getattr(node, "test", None)
