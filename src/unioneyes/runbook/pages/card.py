"""One runbook on its page: what it is for, who may start it, and every step that its plan names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unioneyes.kernel.access import RIGHTS, Role, listed
from unioneyes.kernel.units import format_duration
from unioneyes.runbook.definition import Definition, definition
from unioneyes.runbook.pages.markdown import table
from unioneyes.runbook.pages.reading import Named, named_steps, settled_steps, source_of
from unioneyes.runbook.plan import Effect

SOMETIMES = "◇"
"""Marks a step that the plan takes under a condition."""


def heading(name: str) -> str:
    """Return the heading under which the runbook stands."""
    return f"##### Runbook `{name}`"


def card(known: Definition, command: str) -> Iterator[str]:
    """Yield the lines of the runbook, with its steps; `command` is what a person types."""
    yield from introduced(known, command)
    yield from table(
        ("step", "effect", "what is true afterwards", "ends within", "undone by", "in the document"),
        [_step(each) for each in named_steps(known)],
    )
    yield ""
    if any(not each.always for each in named_steps(known)):
        yield f"{SOMETIMES} is taken only where the plan says so: `--dry-run` shows when, and the exact command of each step.\n"
    yield f"**Point of no return:** {'; '.join(_no_return(known))}.\n"


def introduced(known: Definition, command: str) -> Iterator[str]:
    """Yield the lines of the runbook without its steps."""
    yield f"{heading(known.name)}\n"
    yield f"{known.does}\n"
    yield from table(("", ""), _facts(known, command))
    yield ""


def _facts(known: Definition, command: str) -> Iterator[tuple[str, str]]:
    yield "command", f"`{command}`"
    yield "in the document", known.chapter
    roles = listed(role for role in Role if known.right in RIGHTS[role])
    yield "who may start it", f"{roles} (the right to {known.right})"
    if known.promise is not None:
        yield "the document gives it", format_duration(known.promise)
    if known.takes_over:
        yield "the service", "is taken over from whoever holds it; that run ends"
    elif known.locks:
        yield "the service", "is held: no other run changes it meanwhile"
    else:
        yield "the service", "is not held: it waits for nobody, and nobody for it"
    yield "a freeze", "holds it: nothing is begun, and what is under way waits before its next change" if known.can_be_held else "does not hold it"


def _step(named: Named) -> tuple[str, ...]:
    taken = f"`{named.name}`" if named.always else f"`{named.name}` {SOMETIMES}"
    if isinstance(named.step, str):
        other = definition(named.step)
        limit = f"{format_duration(other.promise)}, as promised" if other.promise is not None else "-"
        return taken, "a runbook of its own", other.does, limit, "-", other.chapter
    step = named.step
    undo = "-" if step.undo is None else f"`{step.undo.name}`: {step.undo.does}"
    does = f"{step.does} Waits for a person." if step.asks else step.does
    return taken, step.effect.value, does, format_duration(step.time_limit), undo, source_of(step) or "-"


def _no_return(known: Definition) -> Iterator[str]:
    """Yield from where on there is no way back, or why there is one from everywhere."""
    steps = [each.step for each in named_steps(known) if not isinstance(each.step, str)]
    settled = [f"from `{each.begins}` on, what {_listed(each.steps)} did stays" for each in settled_steps(known)]
    destroying = [step.name for step in steps if step.effect is Effect.DESTROY]
    yield from settled
    if destroying:
        yield f"{_listed(destroying)} may destroy: where something would be lost, the plan asks for its name, and `--yes` never suffices"
    if settled or destroying:
        return
    if all(step.effect is Effect.READ for step in steps):
        yield "none, it changes nothing"
    elif any(step.undo is not None for step in steps):
        yield "none, what was changed is undone when a step fails"
    else:
        yield "none, no step is undone: one that fails is tried again, and then a person is needed"


def _listed(steps: Sequence[str]) -> str:
    return " and ".join(f"`{step}`" for step in steps)
