"""`ue rollback traffic --direct`: break-glass. The same rollback, carried out in this process, while the control plane is gone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from pydantic import JsonValue, TypeAdapter, ValidationError

from unioneyes.cli.client import URL, Answer, login_name
from unioneyes.cli.confirm import confirm_reversible
from unioneyes.cli.launch import Launch, show_run
from unioneyes.cli.options import Format, Output, Where
from unioneyes.cli.output import result, say
from unioneyes.cli.plans import plan_text
from unioneyes.cli.screens import screen_for
from unioneyes.environments import open_directly
from unioneyes.kernel.ids import new_id
from unioneyes.kernel.problems import BadInput, ExitCode, Problem, Refused
from unioneyes.operations.rollback.model import RollBackPlan
from unioneyes.operations.rollback.rules import still_leads
from unioneyes.operations.rollback.runbook import RollBackTraffic
from unioneyes.ports.runs import RollBackTrafficRequest
from unioneyes.runbook.codec import decode, encode
from unioneyes.runbook.definition import definition
from unioneyes.runbook.direct.journal import DirectJournal, JournalDamaged, read_journal
from unioneyes.runbook.direct.run import DirectRun, Order, begin, go_on
from unioneyes.runbook.direct.views import has_ended, plan_of
from unioneyes.runbook.shown import shown_plan
from unioneyes.runbook.views import API_VERSION, JournalEntry, PlanView, RunView

if TYPE_CHECKING:
    from pathlib import Path

    from unioneyes.environments.model import ControlState, DirectEnvironment

T = TypeVar("T")

RUNBOOK = "rollback.traffic"
_WAITS = timedelta(seconds=5)
"""For a worker that looks at the journals."""


def roll_back_directly(request: RollBackTrafficRequest, how: Launch, where: Where, output: Output) -> ExitCode:
    """The members are back, or it is said why not. Raises: ControlPlaneAlive, NeedsServer, SomebodyIsAtIt, JournalNotKept; nothing was changed then."""
    if how.detach or how.park:
        raise NeedsServer(what="--detach and --park leave a run to the server, and --direct does without it", remedy="leave them out")
    if os.environ.get(URL):
        raise NeedsServer(what=f"{URL} names a server, and --direct works on the environment's own machine", remedy=f"unset {URL}, there")
    opened = open_directly(where.env, where.home)
    request = replace(request, reason=opened.redactor(request.reason))
    for problem in opened.missing:
        say(f"‖ {problem}: what needs it will fail")
    state = opened.control()
    if how.dry_run:
        return _show_plan(opened, state, request, output)
    if state.alive:
        raise ControlPlaneAlive(what=f"{state.found}: --direct is for when they don't", remedy='ue rollback traffic --reason "..."')
    say(f"‖ break-glass: {state.found}; the journal of what is done now stands in {opened.break_glass.path}")
    by = login_name()
    with opened.break_glass.alone(by, within=_WAITS):
        left, plan = _planned(opened, request)
        if opened.environment.traffic.view().maintenance:
            say("‖ the members are kept out by maintenance, and this lets them in: if a restore or a migration was under way, look first where it stands")
        confirm_reversible(opened.environment.facts, plan.summary, yes=how.yes)
        ended = _carried_out(opened, plan, left, by=by, order=partial(_order, request=request, plan=plan, state=state, by=by))
    say(f"the audit log gets this journal when the control plane is back: ue env up{where.flags}")
    answer = Answer(_document(ended, RunView), ended)
    code = show_run(answer, (), where, output, following="")
    if output.output is Format.TABLE:
        say(f"next: ue env status{where.flags}")
    return code


def _show_plan(opened: DirectEnvironment, state: ControlState, request: RollBackTrafficRequest, output: Output) -> ExitCode:
    """Show what would be done; say what refuses it now. Nothing is changed."""
    _, plan = _planned(opened, request)
    view = _shown(opened, plan)
    result(output, _document(view, PlanView), lambda ink: plan_text(ink, view))
    say(f"‖ {state.found}{': --direct would be refused' if state.alive else ''}")
    return ExitCode.REFUSED if state.alive else ExitCode.DONE


def _shown(opened: DirectEnvironment, plan: RollBackPlan) -> PlanView:
    return shown_plan(RUNBOOK, encode(plan, RollBackPlan), plan.hash(), redact=opened.redactor, took={})


def _planned(opened: DirectEnvironment, request: RollBackTrafficRequest) -> tuple[Path | None, RollBackPlan]:
    """Return what is to be done: the rest of the newest run, with its journal, where a kill left it and its plan still leads back; else a new one.

    Raises: the plan's own problems.
    """
    for path in opened.break_glass.open_journals()[-1:]:
        try:
            lines = read_journal(path)
            if lines and not has_ended(lines):
                plan = decode(plan_of(lines), RollBackPlan)
                if still_leads(plan, opened.environment.replicas.all()):
                    say(f"‖ going on with {path.stem}, which {lines[0].by} began and did not finish: {lines[0].entry.data.get('reason')}")
                    return path, plan
        except JournalDamaged as problem:
            say(f"‖ {problem.what}; it stays as it is: {path}")
        except (ValidationError, KeyError):
            say(f"‖ {path} holds no plan that this release understands; it stays as it is")
    return None, RollBackTraffic().plan(opened.environment, request)


def _order(run_id: str, *, request: RollBackTrafficRequest, plan: RollBackPlan, state: ControlState, by: str) -> Order:
    asked = encode(request, RollBackTrafficRequest)
    return Order(run_id=run_id, by=by, reason=request.reason, request=asked, plan=plan, control=state.found)


def _carried_out(opened: DirectEnvironment, plan: RollBackPlan, left: Path | None, *, by: str, order: Callable[[str], Order]) -> RunView:
    known = definition(RUNBOOK)
    run_id = left.stem if left else new_id("rollback")
    journal = DirectJournal(left or opened.break_glass.journal_of(run_id))
    try:
        say(f"{run_id}: {plan.summary}")
        with screen_for(run_id, _shown(opened, plan)) as screen:

            def tell(entry: JournalEntry) -> None:
                screen.show((entry,))

            if left is None:
                run = begin(journal, order(run_id), known, redactor=opened.redactor, tell=tell, warn=screen.note)
            else:
                run = go_on(journal, known, by=by, redactor=opened.redactor, tell=tell, warn=screen.note)
            return _watched(run, opened)
    finally:
        journal.close()


def _watched(run: DirectRun, opened: DirectEnvironment) -> RunView:
    """Return the run at its end. Raises: Interrupted when the person ends it before."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a connection that breaks leaves nobody half-way
    try:
        return run.carry_out(opened.environment)
    except KeyboardInterrupt:
        raise Interrupted(
            what=f"{run.run_id} was interrupted, and nobody else goes on with it", remedy='ue rollback traffic --direct --reason "..." goes on where it stands'
        ) from None


def _document(value: T, kind: type[T]) -> JsonValue:
    """Return the value as the API would answer it."""
    return {"api": API_VERSION, **TypeAdapter(kind).dump_python(value, mode="json")}


class ControlPlaneAlive(Refused):
    """The control plane can do it: a run that holds the service is then told to stop, and the audit log knows at once."""


class NeedsServer(BadInput):
    """What was asked for is the server's to do."""


class Interrupted(Problem):
    """The person ended a break-glass run before its end."""
