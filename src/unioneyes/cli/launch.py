"""Starts a run: plans it, asks, starts it, follows it, and shows what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from cyclopts import Parameter
from pydantic import JsonValue, TypeAdapter

from unioneyes.cli.client import Answer, Api
from unioneyes.cli.confirm import confirm_irreversible, confirm_reversible
from unioneyes.cli.follow import detached, exit_code, follow, patiently
from unioneyes.cli.options import Format, Output, Where
from unioneyes.cli.output import report, result, say
from unioneyes.cli.plans import blockers, plan_text
from unioneyes.cli.runs import next_command, run_text
from unioneyes.cli.screens import screen_for
from unioneyes.kernel.clock import rfc3339
from unioneyes.kernel.problems import ExitCode, ReportedProblem
from unioneyes.ports.environment import Facts
from unioneyes.runbook.views import JournalEntry, PlanView, RunView

Flag = Annotated[bool, Parameter(negative=(), show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a run is started."""

    dry_run: Flag = False
    """Print the plan, and change nothing."""
    yes: Flag = False
    """Don't ask, where a question would be asked."""
    detach: Flag = False
    """Start the run and leave it alone; `ue run watch` follows it later."""
    park: Flag = False
    """When a step fails, wait for a person's decision, where the run would undo by itself."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Sure:
    """What a person types before something is done that can't be brought back; --yes never suffices."""

    confirm: str | None = None
    """The name that the plan asks for, where it can't be undone: the database's, or the environment's; asked for when not given."""


LAUNCH = Launch()
SURE = Sure()


def launch(runbook: str, request: object, how: Launch, where: Where, output: Output, *, sure: Sure | None = None) -> ExitCode:
    """The run has ended, or was left alone; the exit code says how it stands. Give `sure` for a runbook whose plan may be irreversible."""
    api = Api(where)
    asked: JsonValue = request if isinstance(request, dict) else TypeAdapter(type(request)).dump_python(request, mode="json")
    if how.dry_run:
        return show_plan(api, runbook, asked, output)
    started = api.start(runbook, asked, park=how.park, confirm=_confirmed(api, runbook, asked, how, sure))
    if how.detach:
        result(output, started.document, lambda ink: run_text(ink, started.value))
        say(f"next: ue run watch {started.value.id}{where.flags}")
        return ExitCode.PENDING
    say(f"{started.value.id}: {started.value.summary}")
    return watch(api, started.value.id, where, output)


def _confirmed(api: Api, runbook: str, asked: JsonValue, how: Launch, sure: Sure | None) -> str | None:
    """Return what the person typed, where the plan asks for a name; the person wants the change. Raises: NotConfirmed."""
    facts = api.get("environment", Facts).value
    if sure is None and (how.yes or not facts.production):
        return None
    plan = api.plan(runbook, asked).value
    if plan.confirm is not None:
        return confirm_irreversible(facts, plan, plan.confirm, typed=sure.confirm if sure else None)
    confirm_reversible(facts, plan.summary, yes=how.yes)
    return None


def show_plan(api: Api, runbook: str, asked: JsonValue, output: Output) -> ExitCode:
    """Show what a run would do; say what refuses its start now. Nothing is changed."""
    plan = api.plan(runbook, asked)
    held = api.lock()
    result(output, plan.document, lambda ink: plan_text(ink, plan.value))
    if held:
        say(f"‖ {held.service} is held by {held.run_id} since {rfc3339(held.since)}: {held.reason}; until it ends, no other run changes it")
    return ExitCode.REFUSED if blockers(plan.value) or plan.value.refused else ExitCode.DONE


def watch(api: Api, run_id: str, where: Where, output: Output) -> ExitCode:
    """Follow the run to its end and show what came of it; Ctrl-C leaves it alone."""
    try:
        plan = patiently(partial(api.get, f"runs/{run_id}/plan", PlanView), say, run_id)
        with screen_for(run_id, plan.value) as screen:
            ended = follow(api, run_id, screen)
    except KeyboardInterrupt:
        return detached(run_id, where)
    return show_end(api, ended, where, output)


def show_end(api: Api, ended: Answer[RunView], where: Where, output: Output) -> ExitCode:
    """The person sees the result on stdout, a problem on stderr, and the next command."""
    run = ended.value
    journal = patiently(partial(api.whole_journal, run.id), say, run.id) if output.output is Format.TABLE else ()
    return show_run(ended, journal, where, output, following=next_command(run, where))


def show_run(ended: Answer[RunView], journal: Sequence[JournalEntry], where: Where, output: Output, *, following: str) -> ExitCode:
    """The person sees the result on stdout, a problem on stderr, and the command that follows."""
    run = ended.value
    result(output, ended.document, lambda ink: run_text(ink, run, journal))
    if run.problem:
        report(ReportedProblem.read(run.problem), as_json=output.output is not Format.TABLE, code=exit_code(run), flags=where.flags)
    if following and output.output is Format.TABLE:
        say(f"next: {following}")
    return exit_code(run)
