"""A plan, as a dry run prints it: every step with the exact commands, its undo, and the point of no return."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue, TypeAdapter, ValidationError

from unioneyes.cli.asked import asked_lines, shown_lines
from unioneyes.cli.output import Cell, Ink, facts, table
from unioneyes.kernel.status import Tone
from unioneyes.ports.checklist import Gate, GateState
from unioneyes.runbook.plan import Effect, PlannedStep
from unioneyes.runbook.views import PlanView

_EFFECT_TONES = {Effect.READ: Tone.QUIET, Effect.CHANGE: Tone.WARN, Effect.DESTROY: Tone.BAD}
_GATE_LOOKS = {
    GateState.PASSED: Cell("✔ passed", Tone.GOOD),
    GateState.FAILED: Cell("✘ failed", Tone.BAD),
    GateState.UNAVAILABLE: Cell("? unavailable", Tone.BAD),
    GateState.WAIVED: Cell("⊘ waived", Tone.WARN),
    GateState.NOT_APPLICABLE: Cell("· not applicable", Tone.QUIET),
}


def plan_text(ink: Ink, plan: PlanView) -> str:
    """Return the plan for people."""
    return "\n".join(_lines(ink, plan))


def gates_table(ink: Ink, gates: tuple[Gate, ...]) -> str:
    """Return a checklist, answered."""
    return table(ink, ("gate", "state", "detail"), [(gate.title, _GATE_LOOKS[gate.state], gate.detail) for gate in gates], empty="no gates")


def blockers(plan: PlanView) -> tuple[Gate, ...]:
    """Return the gates of the plan that refuse its start."""
    return tuple(gate for gate in _gates(plan.details) if gate.state.blocks)


def _lines(ink: Ink, plan: PlanView) -> Iterator[str]:
    yield ink.bold(plan.summary)
    asks = f"{plan.confirm} (this can't be brought back: --confirm {plan.confirm})" if plan.confirm else ""
    yield facts(ink, (("runbook", plan.runbook), ("plan", plan.hash), ("type", asks)))
    gates = _gates(plan.details)
    if gates:
        yield f"\n{ink.bold('Checklist')}\n{gates_table(ink, gates)}"
        yield from _blocking(ink, blockers(plan))
    if plan.readings:
        yield f"\n{ink.bold('Seen now')} (checked again at the start)"
        yield facts(ink, ((reading.name, reading.value) for reading in plan.readings), indent="  ")
    yield from asked_lines(ink, plan.details)
    yield f"\n{ink.bold('Steps')}"
    for number, step in enumerate(plan.steps, start=1):
        yield from _step(ink, number, step)
    yield from shown_lines(ink, plan.details)
    yield ink.quiet("\nNothing was changed.")


def _blocking(ink: Ink, gates: tuple[Gate, ...]) -> Iterator[str]:
    """Yield which gates refuse the start, each with its remedy."""
    if gates:
        yield ink.tone(Tone.BAD, f"✘ {len(gates)} of them {'blocks' if len(gates) == 1 else 'block'}: the start would be refused")
        yield facts(ink, ((gate.title, gate.remedy or gate.detail) for gate in gates), indent="  ")


def _step(ink: Ink, number: int, step: PlannedStep) -> Iterator[str]:
    effect = ink.tone(_EFFECT_TONES[step.effect], step.effect.value)
    condition = f"  {ink.quiet('when')} {step.when}" if step.when else ""
    named = f"{step.step}  {step.detail}" if step.detail else step.step
    yield f"{number:>3}. {ink.bold(named)}  {effect}{condition}"
    yield f"     {step.does}"
    for command in step.commands:
        yield _command(ink, "$", command)
    for command in step.undo:
        yield _command(ink, "undo $", command)
    if step.no_return:
        yield f"     {ink.tone(Tone.BAD, '‼ point of no return: after this step the run is not undone')}"


def _command(ink: Ink, prompt: str, command: str) -> str:
    first, *rest = command.splitlines() or [""]
    return "\n".join([f"     {ink.quiet(prompt)} {first}", *(f"       {line}" for line in rest)])


def _gates(details: JsonValue) -> tuple[Gate, ...]:
    """Return the gates of a plan that has some."""
    found = details.get("gates") if isinstance(details, dict) else None
    try:
        return TypeAdapter(tuple[Gate, ...]).validate_python(found) if found else ()
    except ValidationError:
        return ()  # another runbook's gates are shown by its own details
