"""`ue plan`: what a run was to do, and what the same request would do now."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff

from pydantic import JsonValue

from unioneyes.cli.client import Api
from unioneyes.cli.options import HERE, PRINTED, Output, Where
from unioneyes.cli.output import Ink, result
from unioneyes.cli.plans import kept_plan_text, signed_lines
from unioneyes.kernel.problems import ExitCode
from unioneyes.kernel.status import Tone
from unioneyes.runbook.views import PlanView


def show(run: str, /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show what a run was to do: every step, its exact command, its undo, and how long it takes.

    Args:
        run: The run.
    """
    found = Api(where).get(f"runs/{run}/plan", PlanView)
    result(output, found.document, lambda ink: kept_plan_text(ink, found.value))
    return ExitCode.DONE


def diff(run: str, /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Plan a run's request once more, and show what would be different now.

    Nothing is changed. Ends with 0 when the plans are the same, and with 1 when they differ.

    Args:
        run: The run.
    """
    api = Api(where)
    asked = api.run(run).value
    then = api.get(f"runs/{run}/plan", PlanView).value
    now = api.plan(asked.runbook, asked.request).value
    lines = differences(then, now)
    document: JsonValue = {"run": run, "then": then.hash, "now": now.hash, "same": then.hash == now.hash, "differences": list(lines)}
    result(output, document, lambda ink: _text(ink, run, then, now, lines))
    return ExitCode.DONE if then.hash == now.hash else ExitCode.FAILED


def differences(then: PlanView, now: PlanView) -> tuple[str, ...]:
    """Return what the two hashes cover and is not the same, as a unified diff."""
    return tuple(unified_diff(tuple(signed_lines(then)), tuple(signed_lines(now)), f"then {then.hash[:12]}", f"now {now.hash[:12]}", lineterm="", n=1))


def _text(ink: Ink, run: str, then: PlanView, now: PlanView, lines: Sequence[str]) -> str:
    if then.hash == now.hash:
        return f"{run}: the same request has the same plan now: {now.hash}"
    tones = {"+": Tone.GOOD, "-": Tone.BAD}
    return "\n".join(ink.tone(tones[line[0]], line) if line[:1] in tones else ink.quiet(line) for line in lines)
