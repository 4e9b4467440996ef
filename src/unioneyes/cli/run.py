"""`ue run`: what was started, by whom, and where it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter
from pydantic import JsonValue

from unioneyes.cli.client import Answer, Api
from unioneyes.cli.follow import exit_code
from unioneyes.cli.launch import Flag, show_end
from unioneyes.cli.launch import watch as watch_run
from unioneyes.cli.options import HERE, PRINTED, Format, Output, Where
from unioneyes.cli.output import Cell, Ink, facts, put, report, result, say, table
from unioneyes.cli.runs import next_command, request_text, run_text, runs_table
from unioneyes.cli.screens import plain_line
from unioneyes.cli.spoken import require_limit
from unioneyes.kernel.problems import BadInput, ExitCode, ReportedProblem
from unioneyes.kernel.status import RunStatus
from unioneyes.kernel.units import format_duration
from unioneyes.runbook.phases import PhaseView, phases
from unioneyes.runbook.views import Decision, JournalEntry, PlanView, RunView

MOST_RUNS = 500
"""What the API gives in one page."""

Reason = Annotated[str, Parameter(help="Why; it stands in the journal.")]


def list_runs(
    *,
    limit: int = 20,
    before: str | None = None,
    runbook: str | None = None,
    status: RunStatus | None = None,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """List the runs, newest first.

    Args:
        limit: How many at most.
        before: Only those before this run: the next page.
        runbook: Only runs of this runbook, such as `deployment.start`.
        status: Only runs that stand so.
    """
    require_limit(limit, most=MOST_RUNS)
    found = Api(where).get("runs", tuple[RunView, ...], {"limit": limit, "before": before, "runbook": runbook, "status": status})
    result(output, found.document, lambda ink: runs_table(ink, found.value))
    return ExitCode.DONE


def show(run: str, /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Show a run: its plan, where it is, and its result.

    Ends with the exit code that the run's state has: 0 done, 8 still running, 5 undone, ...

    Args:
        run: The run.
    """
    api = Api(where)
    found = api.run(run)
    plan = api.get(f"runs/{run}/plan", PlanView).value
    journal = api.whole_journal(run)
    steps = phases(plan.steps, run, journal, ended=found.value.status.ended)
    result(output, found.document, lambda ink: f"{_asked(ink, found.value)}\n\n{_phases_table(ink, steps)}\n\n{run_text(ink, found.value, journal)}")
    code = exit_code(found.value)
    if found.value.problem:
        report(ReportedProblem.read(found.value.problem), as_json=output.output is not Format.TABLE, code=code, flags=where.flags)
    return code


def watch(run: str, /, *, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Follow a run live until it ends.

    Args:
        run: The run.
    """
    return watch_run(Api(where), run, where, output)


def logs(run: str, /, *, follow: Flag = False, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Print the journal of a run.

    Args:
        run: The run.
        follow: Go on until it ends; the same as `ue run watch` without its result.
    """
    api = Api(where)
    if follow:
        return _follow_logs(api, run)
    pages = _pages(api, run)
    document: list[JsonValue] = [line for page in pages for line in _lines(page.document)]
    result(output, document, lambda _: "\n".join(plain_line(entry) for page in pages for entry in page.value) or "the journal holds nothing of it yet")
    return ExitCode.DONE


def cancel(run: str, /, *, reason: Reason, where: Where = HERE, output: Output = PRINTED) -> ExitCode:
    """Stop a run, in the middle of a step that lasts, and undo what it did.

    A program, a statement or a wait that is under way is ended at once; what is short, and must not be stopped half-way, is finished first: a shift of the
    traffic, a swap of databases. What is being taken back already, or stands behind the point of no return, is not changed by it.

    Args:
        run: The run.
    """
    api = Api(where)
    return told(api, api.post(f"runs/{run}/cancel", {"reason": reason}, RunView), where, output)


def resume(
    run: str,
    /,
    *,
    go: Flag = False,
    retry: Flag = False,
    skip: Flag = False,
    undo: Flag = False,
    leave: Flag = False,
    reason: Reason,
    where: Where = HERE,
    output: Output = PRINTED,
) -> ExitCode:
    """Decide for a parked run: retry what failed, skip it, undo or leave it; or for a held one.

    Args:
        run: The run.
        go: Held: go on.
        retry: Try what failed again, a step or an undo; held: the step before the hold.
        skip: Go on without the failed step or undo; held: without further holds.
        undo: Take back what the run did.
        leave: Where an undo failed: end the run, and leave what is not taken back.
    """
    given = {Decision.GO: go, Decision.RETRY: retry, Decision.SKIP: skip, Decision.UNDO: undo, Decision.LEAVE: leave}
    chosen = [decision for decision, wanted in given.items() if wanted]
    if len(chosen) != 1:
        raise OneChoice(what=f"{len(chosen)} of {', '.join(f'--{decision}' for decision in given)} were given", remedy="give one of them")
    api = Api(where)
    return told(api, api.post(f"runs/{run}/decision", {"decision": chosen[0].value, "reason": reason}, RunView), where, output)


def told(api: Api, answer: Answer[RunView], where: Where, output: Output) -> ExitCode:
    """Show how the run stands after a person's word; it goes on by itself."""
    if answer.value.status.ended:
        return show_end(api, answer, where, output)
    result(output, answer.document, lambda ink: run_text(ink, answer.value))
    say(f"next: {next_command(answer.value, where)}")
    return exit_code(answer.value)


def _asked(ink: Ink, run: RunView) -> str:
    return facts(ink, (("asked for", request_text(run.request)), ("plan", run.plan_hash)))


def _phases_table(ink: Ink, steps: tuple[PhaseView, ...]) -> str:
    rows = [
        (Cell(step.state.look.icon, step.state.look.tone), step.name, format_duration(step.took) if step.took else "", step.message or step.state.look.word)
        for step in steps
    ]
    return table(ink, ("", "step", "took", ""), rows, empty="the plan has no steps")


def _pages(api: Api, run_id: str) -> list[Answer[tuple[JournalEntry, ...]]]:
    """Return the whole journal as the API gives it, page by page."""
    pages = [api.journal(run_id)]
    while pages[-1].value:
        pages.append(api.journal(run_id, after=pages[-1].value[-1].seq))
    return pages


def _lines(document: JsonValue) -> list[JsonValue]:
    return document if isinstance(document, list) else [document]


def _follow_logs(api: Api, run_id: str) -> ExitCode:
    """Print each line as it comes, on stdout."""
    after = 0
    while True:
        entries = api.journal(run_id, after=after, wait=timedelta(seconds=10)).value
        for entry in entries:
            after = entry.seq
            put(plain_line(entry))
        run = api.run(run_id).value
        if run.status.ended and not entries:
            return exit_code(run)


class OneChoice(BadInput):
    """A parked run takes one decision."""
