"""A plan, as a dry run prints it: every step with the exact commands, its undo, and the point of no return."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from pydantic import JsonValue, TypeAdapter, ValidationError

from unioneyes.cli.asked import asked_lines, shown_lines
from unioneyes.cli.migratetexts import migrating_lines
from unioneyes.cli.output import Cell, Ink, facts, table
from unioneyes.kernel.status import Tone
from unioneyes.kernel.units import format_duration
from unioneyes.ports.checklist import ApprovalRule, Gate, GateState, Override
from unioneyes.runbook.plan import Effect, PlannedStep
from unioneyes.runbook.views import PlanView

_PLAIN = Ink(colour=False)
_EFFECT_TONES = {Effect.READ: Tone.QUIET, Effect.CHANGE: Tone.WARN, Effect.DESTROY: Tone.BAD}
_GATE_LOOKS = {
    GateState.PASSED: Cell("✔ passed", Tone.GOOD),
    GateState.FAILED: Cell("✘ failed", Tone.BAD),
    GateState.UNAVAILABLE: Cell("? unavailable", Tone.BAD),
    GateState.WAIVED: Cell("⊘ waived", Tone.WARN),
    GateState.AWAITED: Cell("◇ awaited", Tone.WARN),
    GateState.NOT_APPLICABLE: Cell("· not applicable", Tone.QUIET),
}


def plan_text(ink: Ink, plan: PlanView) -> str:
    """Return the plan of a dry run for people."""
    return "\n".join((*_lines(ink, plan), ink.quiet("\nNothing was changed.")))


def kept_plan_text(ink: Ink, plan: PlanView) -> str:
    """Return the plan that a run carries out for people."""
    return "\n".join(_lines(ink, plan))


def signed_lines(plan: PlanView) -> Iterator[str]:
    """Yield all that a plan's hash covers, line by line, so that two plans can be compared."""
    yield plan.summary
    yield f"type: {plan.confirm or 'nothing'}"
    yield from (f"approval {rule.gate}, {rule.title}: {_asked_of(rule)}, asked again after {rule.escalates_after}" for rule in plan.approvals)
    yield from (f"content {name}: {sha256}" for name, sha256 in plan.content.items())
    for step in plan.steps:
        yield from _step(_PLAIN, step.detail, step, None)
    yield from _leaves("", plan.details)


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
    if plan.refused is not None:
        yield ink.tone(Tone.BAD, f"✘ the start would be refused: {plan.refused['detail']}")
        yield f"  {plan.refused['remedy']}"
    gates = _gates(plan.details)
    if gates:
        yield f"\n{ink.bold('Checklist')}\n{gates_table(ink, gates)}"
        yield from _blocking(ink, blockers(plan))
    if plan.approvals:
        yield f"\n{ink.bold('Approvals')} (each signs this plan's hash; the requester's own does not count)"
        yield facts(ink, ((rule.title, _asked_of(rule)) for rule in plan.approvals), indent="  ")
    if plan.content:
        yield f"\n{ink.bold('Content')} (SHA-256; what is carried out is this, or nothing)"
        yield facts(ink, plan.content.items(), indent="  ")
    if plan.readings:
        yield f"\n{ink.bold('Seen now')} (checked again at the start)"
        yield facts(ink, ((reading.name, reading.value) for reading in plan.readings), indent="  ")
    yield from asked_lines(ink, plan.details)
    yield from migrating_lines(ink, plan.details)
    yield f"\n{ink.bold('Steps')}{_whole(plan)}"
    for number, step in enumerate(plan.steps, start=1):
        yield from _step(ink, f"{number:>3}.", step, plan.expected(step))
    yield from shown_lines(ink, plan.details)


def _asked_of(rule: ApprovalRule) -> str:
    """Return whose yes is needed, and for how long it counts."""
    begins = f"begins within {format_duration(rule.begins_within)}"
    never = "; never overridden" if rule.override is Override.NEVER else ""
    return f"{rule.needed} of {' or '.join(rule.roles)}; counts for {format_duration(rule.lasts)}, {begins}{never}"


def _blocking(ink: Ink, gates: tuple[Gate, ...]) -> Iterator[str]:
    """Yield which gates refuse the start, each with its remedy."""
    if gates:
        yield ink.tone(Tone.BAD, f"✘ {len(gates)} of them {'blocks' if len(gates) == 1 else 'block'}: the start would be refused")
        yield facts(ink, ((gate.title, gate.remedy or gate.detail) for gate in gates), indent="  ")


def _whole(plan: PlanView) -> str:
    """Return how long the steps that are always taken will take together, as far as that is known."""
    known = [plan.expected(step) for step in plan.steps if not step.when]
    times = [time for time in known if time is not None]
    if not times:
        return ""
    return f" (about {format_duration(sum(times, timedelta(0)))}{'' if len(times) == len(known) else ', and what no run took before'})"


def _step(ink: Ink, mark: str, step: PlannedStep, expected: timedelta | None) -> Iterator[str]:
    effect = ink.tone(_EFFECT_TONES[step.effect], step.effect.value)
    condition = f"  {ink.quiet('when')} {step.when}" if step.when else ""
    named = f"{step.step}  {step.detail}" if step.detail else step.step
    time = f"  {ink.quiet(f'about {format_duration(expected)}')}" if expected is not None else ""
    yield f"{mark} {ink.bold(named)}  {effect}{time}{condition}"
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


def _leaves(path: str, value: JsonValue) -> Iterator[str]:
    """Yield every value in `value` as `path: value`."""
    if isinstance(value, dict | list) and value:
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value, start=1):
            yield from _leaves(f"{path}.{name}" if path else str(name), inner)
    else:
        yield f"{path}: {json.dumps(value, ensure_ascii=False)}"


def _gates(details: JsonValue) -> tuple[Gate, ...]:
    """Return the gates of a plan that has some."""
    found = details.get("gates") if isinstance(details, dict) else None
    try:
        return TypeAdapter(tuple[Gate, ...]).validate_python(found) if found else ()
    except ValidationError:
        return ()  # another runbook's gates are shown by its own details
