"""Carrying out one run: its steps one by one, each kept as it is done, and what it changed taken back when it fails.

A run that is taken over is executed again from its first line, with what its steps came to before. So everything here between two durable steps depends
on nothing but what durable steps returned. Child runs are carried out inside their parent's durable workflow: one kill, one takeover, one order of steps.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import count
from threading import Event
from time import monotonic
from typing import TypeVar, cast

from pydantic import JsonValue

from unioneyes.kernel.cancelling import look_at_run, seldom
from unioneyes.kernel.fencing import fencing_token
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.environment import Environment
from unioneyes.runbook.approvals import plan_with_approvals
from unioneyes.runbook.approving import require_still_approved
from unioneyes.runbook.codec import decode, encode, hashed_fields, keep_problem, problem_json, recall_problem, redacted
from unioneyes.runbook.definition import Definition, definition, takes_over
from unioneyes.runbook.durable import DurabilityLost, Durable
from unioneyes.runbook.outcome import Decided, Outcome, Raised, Returned, Stopped, keep, recall
from unioneyes.runbook.plan import Effect
from unioneyes.runbook.problems import (
    ControlDatabaseUnavailable,
    LineStopped,
    RunCancelled,
    RunSuperseded,
    StepTimedOut,
    UndoFailed,
    UnexpectedFailure,
    UnplannedStep,
)
from unioneyes.runbook.rules import UNDO_TRIES, Taken, Undo, Undoing, ends_as, gives_up, pause_before, refuse_unasked, refuse_unconfirmed
from unioneyes.runbook.steps import P, R, RunStopped, Step, Stop, current_run
from unioneyes.runbook.store.approvals import Approvals
from unioneyes.runbook.store.database import patiently
from unioneyes.runbook.store.journal import NUMBER, Line
from unioneyes.runbook.store.line import StoppedLine
from unioneyes.runbook.store.runs import Claim, Ending, Entered, NewRun, Runs, StoredRun
from unioneyes.runbook.threads import StepThreads
from unioneyes.runbook.views import Decision, EntryKind, JournalEntry

T = TypeVar("T")

LOOK_SECONDS = 0.2
"""How often a wait looks whether the run must stop."""
PLAN_WITHIN = timedelta(seconds=60)
REPLAN_SECONDS = 1.0
"""How often a run that was approved is planned again while something that its plan looks at is away."""
ACCOUNT_WITHIN = timedelta(seconds=3)
"""Less than a rollback waits for the run that it interrupts."""
HANDOVER_WITHIN = timedelta(seconds=5)
"""How long a rollback waits for the step that it interrupts; members are waiting too."""
LEAVE_SECONDS = 0.5
"""How long a step that nobody waits for any more may take to end the program or the statement that it has under way."""
STORY_PAGE = 5000

_logger = logging.getLogger(__name__)


class EngineClosed(BaseException):
    """This worker ends; the run stays pending, for another one. No `except Exception` may swallow it."""


class _UndoDecided(BaseException):
    """A person decided to undo: no `except Problem` of the runbook may decide otherwise."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What every execution of this process shares."""

    environment: Environment
    runs: Runs
    line: StoppedLine
    approvals: Approvals
    durable: Durable
    redactor: Redactor
    look_again: Callable[[], None]
    """Looks where runbooks come from, and knows afterwards those that are there."""
    require: Callable[[Definition], None]
    """Raises a Refused for a runbook that may not begin here."""
    bring_in: Callable[[], bool]
    """Brings in what people did without the engine; False while somebody is still at it. See `direct.bringing_in`."""
    threads: StepThreads = field(default_factory=StepThreads)
    closing: Event = field(default_factory=Event)
    """Set: no step is begun, and no wait goes on."""
    abandoned: Event = field(default_factory=Event)
    """Set: steps that are still under way are left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """The step that a thread is in."""

    step: str
    parking: int | None = None
    """The number under which it may hold the run for a person; None where it may not."""
    asked: Event = field(default_factory=Event)
    """Set once the run was held."""
    over: Event = field(default_factory=Event)
    """Set when its time is over and nobody waits for it any more."""


_scope: ContextVar[_Scope] = ContextVar("_scope")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manner:
    """How a step is taken: forwards, or to take another one back."""

    started: EntryKind
    done: EntryKind
    failed: EntryKind
    tries: int
    undoes: bool
    number: int | None = None
    """Which of its run's steps it is, in the order in which they are taken, the same for each worker; None where one is taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a person is asked about a step that failed, or whose undo did."""

    step: str
    choices: tuple[Decision, ...]
    goes_on: RunStatus
    """How the run stands once it was decided."""
    skipped: EntryKind
    """What the journal says where it is skipped."""


class Execution:
    """One run, carried out by this process. It is what a runbook's steps know as the current run."""

    def __init__(self, equipment: Equipment, run: StoredRun, claim: Claim, *, cancellable: bool = True) -> None:
        """Carry `run` out under `claim`."""
        self._equipment = equipment
        self._runs = equipment.runs
        self._run = run
        self._claim = claim
        self._definition = definition(run.view.runbook)
        plan = decode(run.plan, self._definition.plan_type)
        self._taken = Taken(plan)
        # A rollback that was begun as part of another run is finished, whoever cancels: half-way is the worst place to be.
        self._cancellable = cancellable
        self._children = count(1)
        self._parkings = count(1)
        self._numbers = count(1)

    @property
    def run_id(self) -> str:
        """The run's identifier."""
        return self._run.view.id

    @property
    def took_over_from(self) -> str | None:
        """The run that held the service before."""
        return self._run.took_over_from

    @property
    def changed(self) -> bool:
        """True once something was changed."""
        return self._taken.changed

    def carry_out(self) -> Returned | Raised | Stopped:
        """The run has ended; return what came of it."""
        refused = self._refusal()
        if refused is None:
            self._repeatably("begin", self._begin)
        entered = current_run.set(self)
        try:
            ending, outcome = self._work(refused)
            self._repeatably("end", partial(self._end, ending))
        finally:
            current_run.reset(entered)
        return outcome

    # What a runbook and its steps ask of their run

    def take(self, step: Step[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the step durably, or return what it returned before."""
        self._refuse_unplanned(step.name)
        call = partial(step.function, *args, **kwargs)
        undo = None if step.undo is None else partial(step.undo.function, *args, **kwargs)
        manner = _Manner(
            started=EntryKind.STEP_STARTED,
            done=EntryKind.STEP_DONE,
            failed=EntryKind.STEP_FAILED,
            tries=step.retries + 1,
            undoes=False,
            number=next(self._numbers),
        )
        noted = False
        while True:
            parking = next(self._parkings) if step.asks else None
            outcome = self._durably(step.name, partial(self._attempt, step, step.name, call, manner, parking))
            if not noted and _may_have_changed(outcome):
                self._taken.note(step, undo)
                noted = True
            match outcome:
                case Returned(value=value):
                    return decode(value, step.returns)
                case Stopped(why=why):
                    raise RunStopped(why)
                case Raised(problem=kept):
                    if self._after(step, recall_problem(kept)) is Decision.SKIP:
                        return cast("R", step.if_skipped)  # offered only where that is what it returns
                case Decided():
                    raise AssertionError(outcome)

    def progress(self, message: str, figures: dict[str, JsonValue]) -> None:
        """Write a line of the current step to the journal. Best effort: a step never waits for the control plane's database to say where it is."""
        scope = _scope.get(None)
        if scope is None or scope.over.is_set():
            return
        try:
            self._runs.note(self._claim, self.run_id, Line(kind=EntryKind.STEP_PROGRESS, step=scope.step, message=message, data={**figures}))
        except ControlDatabaseUnavailable as problem:
            _logger.warning("%s: a line was not written (%s): %s", self.run_id, problem.what, message)

    def ask(self, question: str, choices: tuple[Decision, ...]) -> Decision | None:
        """Hold the run for a person, and return what was decided; None while nothing is, or while the control plane's database is silent."""
        scope = _scope.get()
        if scope.parking is None:
            message = f"{scope.step} may not hold the run: it is no step that asks"
            raise TypeError(message)
        offered: list[JsonValue] = [choice.value for choice in choices]
        line = Line(kind=EntryKind.HELD, step=scope.step, message=f"{question}; decide: {', '.join(choices)}", data={"choices": offered})
        try:
            decided = self._runs.decision(self.run_id, scope.parking)
            if decided is None and not scope.asked.is_set():
                self._runs.park(self._claim, self.run_id, status=RunStatus.HELD, parking=scope.parking, choices=choices, line=line)
                scope.asked.set()
        except ControlDatabaseUnavailable as problem:
            _logger.warning("%s: nobody could be asked (%s): %s", self.run_id, problem.what, question)
            return None
        return decided

    def pause(self, duration: timedelta) -> None:
        """Sleep. Raises: RunStopped when the run was cancelled or superseded meanwhile, EngineClosed when this worker ends.

        A pause of no time at all is a look, by a step that is at work: like every other step, it has a few seconds to end when its worker does.
        """
        scope = _scope.get()
        until = monotonic() + duration.total_seconds()
        while True:
            if scope.over.is_set():
                raise RunStopped(Stop.CANCELLED)
            self._stop_if_told(ends=self._equipment.closing if duration else self._equipment.abandoned)
            left = until - monotonic()
            if left <= 0:
                return
            self._equipment.closing.wait(min(left, LOOK_SECONDS))

    def child(self, runbook: str, request: object) -> object:
        """Run another runbook to its end as part of this run, and return its result."""
        self._refuse_unplanned(runbook)
        child_id = f"{self.run_id}.{next(self._children)}"
        theirs = definition(runbook)
        match self._durably(f"{runbook}: plan", partial(self._plan_child, theirs, child_id, request)):
            case Stopped(why=why):
                raise RunStopped(why)
            case Raised(problem=kept):
                raise recall_problem(kept)
        run = self._patiently(partial(self._runs.get, child_id))
        execution = Execution(self._equipment, run, self._claim, cancellable=self._cancellable and not theirs.takes_over)
        outcome = execution.carry_out()
        self._taken.changed = self._taken.changed or execution.changed
        self._durably(f"{runbook}: end", partial(self._note_child, runbook, child_id, outcome))
        match outcome:
            case Returned(value=value):
                return decode(value, theirs.result_type)
            case Stopped(why=why):
                raise RunStopped(why)
            case Raised(problem=kept):
                raise recall_problem(kept)

    def settle(self, step: Step[P, R]) -> None:
        """From now on `step` is not undone any more."""
        self._taken.settle(step.name)

    def story(self, run_id: str) -> tuple[JournalEntry, ...]:
        """Return the journal of a run so far, its children's entries included, in order."""
        entries: list[JournalEntry] = []
        while True:
            after = entries[-1].seq if entries else 0
            page = self._patiently(partial(self._runs.journal, run_id, after=after, limit=STORY_PAGE))
            entries += page
            if len(page) < STORY_PAGE:
                return tuple(entries)

    # The run as a whole

    def _begin(self) -> None:
        self._patiently(partial(self._runs.begin, self._claim, self.run_id))
        interrupted = self._run.took_over_from
        if interrupted is not None and self._run.view.parent is None:
            until = monotonic() + HANDOVER_WITHIN.total_seconds()
            while not self._patiently(partial(self._runs.get, interrupted)).view.status.ended:
                if monotonic() >= until:
                    message = f"{interrupted} is still in its step; going on without waiting for it"
                    self._note(Line(kind=EntryKind.STEP_PROGRESS, message=message))
                    break
                if self._equipment.closing.wait(LOOK_SECONDS):
                    raise EngineClosed

    def _refusal(self) -> Problem | None:
        """Return why the run does not begin; None where it does, or has. A part is not asked: its code counts as its whole's."""
        if self._run.view.parent is not None or self._run.view.started_at is not None:
            return None
        try:
            self._equipment.require(self._definition)
        except Problem as problem:
            return problem
        return None

    def _work(self, refused: Problem | None) -> tuple[Ending, Returned | Raised | Stopped]:
        if refused is not None:
            return self._fail(refused)
        try:
            self._require_approved()
            result = self._definition.run(self._equipment.environment, self._taken.plan)
            kept = encode(result, self._definition.result_type)
        except RunStopped as stopped:
            return self._fail(stopped.why)
        except _UndoDecided as decided:
            return self._fail(decided.problem)
        except Problem as problem:
            return self._fail(problem)
        except Exception as error:  # noqa: BLE001 - whatever a runbook raises is undone
            return self._fail(self._unexpected(error, "run"))
        status = getattr(result, "ends_as", RunStatus.DONE)
        shown = redacted(kept, self._equipment.redactor)
        return Ending(status=status, message=f"{self._run.view.summary}: {status.look.word}", result=shown), Returned(value=kept)

    def _require_approved(self) -> None:
        """Return when nobody had to say yes, or when those who did, did so lately, and to what would be done now. Raises: ApprovalVoid, ApprovalsExpired."""
        if self._taken.plan.approvals and self._run.view.parent is None:
            match self._durably("look at the approvals", self._look_at_approvals):
                case Raised(problem=kept):
                    raise recall_problem(kept)
                case Stopped(why=why):
                    raise RunStopped(why)

    def _look_at_approvals(self) -> Outcome:
        equipment = self._equipment
        given = self._patiently(partial(equipment.approvals.of, self.run_id))
        call = partial(require_still_approved, self._definition, equipment.environment, self._taken.plan, given)
        told = ""
        while True:
            try:
                self._in_thread("approvals", call, within=PLAN_WITHIN)
            except Problem as problem:
                if not problem.retryable:
                    return Raised(problem=keep_problem(problem, equipment.redactor), refused=isinstance(problem, Refused))
                if problem.what != told:  # tried again, until it was approved for too long
                    self._note(Line(kind=EntryKind.STEP_PROGRESS, message=f"{problem.what}; it begins when it can be planned again"))
                    told = problem.what
            except Exception as error:  # noqa: BLE001 - whatever a plan raises is the run's problem, not the engine's
                return Raised(problem=keep_problem(self._unexpected(error, "approvals"), equipment.redactor), refused=False)
            else:
                return Returned(value=None)
            why = self._wait(timedelta(seconds=REPLAN_SECONDS))
            if why is not None:
                return Stopped(why=why, begun=False)

    def _fail(self, failure: Problem | Stop) -> tuple[Ending, Raised | Stopped]:
        """Take back what was changed, and return how the run ends."""
        self._cancellable = False  # it is being taken back already
        undoing, trouble = (Undoing.NOTHING_TO_DO, None) if failure is Stop.SUPERSEDED else self._take_back()
        if isinstance(trouble, Stop):
            failure = trouble
        status = ends_as(failure, changed=self._taken.changed, undoing=undoing)
        problem = self._stopped_by(failure) if isinstance(failure, Stop) else failure
        if isinstance(trouble, Problem):
            problem = UndoFailed(what=f"{problem.what}; then an undo failed: {trouble.what}", remedy=trouble.remedy)
        kept = keep_problem(problem, self._equipment.redactor)
        ending = Ending(status=status, message=kept.reported["detail"], problem=kept.reported)
        if isinstance(failure, Stop) and not isinstance(trouble, Problem):
            return ending, Stopped(why=failure, begun=self._taken.changed)
        return ending, Raised(problem=kept, refused=status is RunStatus.REFUSED)

    def _take_back(self) -> tuple[Undoing, Problem | Stop | None]:
        """Undo what was changed, the last change first; the first undo that fails is the last, for what stands below may rest on what stands above."""
        undos = self._taken.to_undo()
        if not undos:
            return Undoing.NOTHING_TO_DO, None
        self._durably("undo", self._begin_undoing)
        for undo in undos:
            trouble = self._undone(undo)
            if trouble is not None:
                return Undoing.FAILED, trouble
        return Undoing.DONE, None

    def _undone(self, undo: Undo) -> Problem | Stop | None:
        """Return None when what was changed is taken back, or a person who was asked leaves it; else why it is not."""
        name = f"undo {undo.taken}"
        while True:
            match self._durably(name, partial(self._attempt_undo, undo)):
                case Returned():
                    return None
                case Stopped(why=why):
                    return why
                case Raised(problem=kept):
                    problem = recall_problem(kept)
                case other:
                    raise AssertionError(other)
            if not self._run.parks:
                return problem
            asked = _Asked(step=undo.taken, choices=(Decision.RETRY, Decision.SKIP, Decision.LEAVE), goes_on=RunStatus.UNDOING, skipped=EntryKind.UNDO_SKIPPED)
            match self._decided(name, asked, problem):
                case Decision.SKIP:
                    return None
                case Decision.LEAVE:
                    return problem
                case Stop() as why:
                    return why

    def _begin_undoing(self) -> Outcome:
        self._patiently(partial(self._runs.set_status, self._claim, self.run_id, RunStatus.UNDOING))
        return Returned(value=None)

    def _end(self, ending: Ending) -> None:
        if ending.problem is not None and not self._patiently(partial(self._runs.get, self.run_id)).view.status.ended:
            ending = replace(ending, result=self._account(ending.status))
        self._patiently(partial(self._runs.end, self._claim, self.run_id, ending))

    def _account(self, status: RunStatus) -> JsonValue:
        """Return what a run that did not reach its end has to show; None when there is nothing, or when it can't be said now: no run waits for it to end."""
        account = self._definition.account
        if account is None:
            return None
        call = partial(account, self._equipment.environment, self._taken.plan, status)
        try:
            found = self._in_thread("account", call, within=ACCOUNT_WITHIN)
            kept = None if found is None else encode(found, self._definition.result_type)
        except Exception:  # how the run ended is known, and is what people wait for
            _logger.exception("%s: what it has to show could not be made", self.run_id)
            return None
        return redacted(kept, self._equipment.redactor)

    def _stopped_by(self, why: Stop) -> Problem:
        return stopped_by(self._patiently(partial(self._runs.get, self._claim.root)), why)

    # One step

    def _attempt(self, step: Step[..., object], name: str, call: Callable[[], object], manner: _Manner, parking: int | None = None) -> Outcome:
        """Take a step, again where that may help, and return what came of it. The journal tells all of it."""
        entered = self._enter(step, name, manner)
        if isinstance(entered, Stop):
            return Stopped(why=entered, begun=self._was_begun(manner))
        began = monotonic()
        attempt, token = 0, entered.token
        while True:
            attempt += 1
            came = self._once(step, name, call, parking, token=token)
            if isinstance(came, StepTimedOut) and token is not None:  # its thread was left behind, and may still write
                token = self._patiently(partial(self._runs.renew, self._claim, self.run_id))
            if parking is not None:  # whatever came of it, nobody is asked any more
                self._patiently(partial(self._runs.set_status, self._claim, self.run_id, RunStatus.RUNNING))
            took: dict[str, JsonValue] = {"took_s": monotonic() - began}
            if isinstance(came, Returned):
                self._note(Line(kind=manner.done, step=name, message=step.does, data={**took, "result": came.value}))
                return came
            if isinstance(came, Stop):
                self._note(Line(kind=manner.failed, step=name, message=f"stopped: the run was {came}", data=took))
                return Stopped(why=came, begun=True)
            kept = keep_problem(came, self._equipment.redactor)
            told: dict[str, JsonValue] = {**took, "problem": kept.document}
            if gives_up(came, attempt=attempt, tries=manner.tries, after=timedelta(seconds=monotonic() - began), undoes=manner.undoes):
                self._note(Line(kind=manner.failed, step=name, message=came.what, data=told))
                return Raised(problem=kept, refused=isinstance(came, Refused))
            pause = pause_before(attempt)
            self._note(Line(kind=EntryKind.STEP_RETRIED, step=name, message=came.what, data={**told, "attempt": attempt, "pause_s": pause.total_seconds()}))
            why = self._wait(pause)
            if why is None and self._heeds_line(step, manner):
                why = self._await_open_line(name)
            if why is not None:
                return Stopped(why=why, begun=True)

    def _enter(self, step: Step[..., object], name: str, manner: _Manner) -> Stop | Entered:
        """The run is in the step, and the journal says so; or return why it must stop. A stopped line holds what would change something, and no undo."""
        if self._equipment.closing.is_set():
            raise EngineClosed
        heeds_line = self._heeds_line(step, manner)
        numbered: dict[str, JsonValue] = {} if manner.number is None else {NUMBER: manner.number}
        started = Line(kind=manner.started, step=name, message=step.does, data={"effect": step.effect.value, **numbered})
        begin = partial(self._runs.begin_step, self._claim, self.run_id, started, cancellable=self._cancellable, heeds_line=heeds_line)
        self._await_nobody_else()
        while True:
            with suppress(LineStopped):
                return self._patiently(begin)
            why = self._await_open_line(name)
            if why is not None:
                return why

    def _was_begun(self, manner: _Manner) -> bool:
        """Return whether a worker before this one was in the step, and died there: it may have changed something."""
        return manner.number is not None and self._patiently(partial(self._runs.was_begun, self.run_id, manner.number))

    def _heeds_line(self, step: Step[..., object], manner: _Manner) -> bool:
        """Return whether a stopped line holds the step."""
        return manner.started is EntryKind.STEP_STARTED and step.effect is not Effect.READ and self._definition.can_be_held

    def _await_open_line(self, step: str) -> Stop | None:
        """Return when nobody stops the line; while somebody does, the run shows that it is held. Return why the run must stop, when it must."""
        held = False
        while (stopped := self._patiently(self._equipment.line.stopped)) is not None:
            if not held:
                self._patiently(partial(self._runs.set_status, self._claim, self.run_id, RunStatus.HELD))
                who: dict[str, JsonValue] = {"by": stopped.by, "reason": stopped.reason}
                self._note(Line(kind=EntryKind.LINE_HELD, step=step, message=f"the line is stopped {stopped}", data=who))
                held = True
            why = self._wait(timedelta(seconds=LOOK_SECONDS))
            if why is not None:
                return why
        if held:
            self._patiently(partial(self._runs.set_status, self._claim, self.run_id, RunStatus.RUNNING))
            self._note(Line(kind=EntryKind.LINE_OPEN, step=step, message="the line is open again; the run goes on"))
        return None

    def _once(self, step: Step[..., object], name: str, call: Callable[[], object], parking: int | None, *, token: int | None) -> Returned | Problem | Stop:
        outside, unseen = fencing_token.set(token), look_at_run.set(seldom(partial(self.pause, timedelta(0))))
        try:
            return Returned(value=encode(self._in_thread(name, call, within=step.time_limit, parking=parking), step.returns))
        except RunStopped as stopped:
            return stopped.why
        except Problem as problem:
            return problem
        except Exception as error:  # noqa: BLE001 - whatever a step raises is the run's problem, not the engine's
            return self._unexpected(error, name)
        finally:
            look_at_run.reset(unseen)
            fencing_token.reset(outside)

    def _attempt_undo(self, undo: Undo) -> Outcome:
        manner = _Manner(
            started=EntryKind.UNDO_STARTED,
            done=EntryKind.UNDO_DONE,
            failed=EntryKind.UNDO_FAILED,
            tries=max(UNDO_TRIES, undo.undo.retries + 1),
            undoes=True,
        )
        return self._attempt(undo.undo, undo.taken, undo.call, manner)

    def _in_thread(self, name: str, call: Callable[[], T], *, within: timedelta, parking: int | None = None) -> T:
        """Return what `call` returns, made in a thread of its own. Raises: StepTimedOut, and whatever `call` raises."""
        scope = _Scope(step=name, parking=parking)
        entered = _scope.set(scope)
        try:
            called = self._equipment.threads.submit(call)
        finally:
            _scope.reset(entered)
        until = monotonic() + within.total_seconds()
        while not called.ends(within=max(0.0, min(LOOK_SECONDS, until - monotonic()))):
            if self._equipment.abandoned.is_set():
                scope.over.set()
                called.ends(within=LEAVE_SECONDS)
                raise EngineClosed
            if monotonic() >= until:
                scope.over.set()
                called.ends(within=LEAVE_SECONDS)
                raise StepTimedOut(what=f"{name} took longer than {within}", remedy="whether it took effect is not known: look, then start the run anew")
        return called.result()

    def _after(self, step: Step[..., object], problem: Problem) -> Decision:
        """Return how a run that parks goes on after a failed step: RETRY or SKIP. Raises: the problem, RunStopped."""
        if not self._run.parks:
            raise problem
        choices = (Decision.RETRY, *((Decision.SKIP,) if step.can_be_skipped else ()), Decision.UNDO)
        match self._decided(step.name, _Asked(step=step.name, choices=choices, goes_on=RunStatus.RUNNING, skipped=EntryKind.STEP_SKIPPED), problem):
            case Stop() as why:
                raise RunStopped(why)
            case Decision.UNDO:
                raise _UndoDecided(problem)
            case decision:
                return decision

    def _decided(self, name: str, asked: _Asked, problem: Problem) -> Decision | Stop:
        """Return what a person decides about what failed, or why the run must stop instead."""
        parking = next(self._parkings)
        match self._durably(f"{name}: decision {parking}", partial(self._await_decision, asked, problem, parking)):
            case Decided(decision=decision):
                return decision
            case Stopped(why=why):
                return why
            case other:
                raise AssertionError(other)

    def _await_decision(self, asked: _Asked, problem: Problem, parking: int) -> Outcome:
        line = Line(
            kind=EntryKind.PARKED,
            step=asked.step,
            message=f"{problem.what}; decide: {', '.join(asked.choices)}",
            data={"choices": [choice.value for choice in asked.choices], "problem": problem_json(problem.document())},
        )
        park = partial(self._runs.park, self._claim, self.run_id, status=RunStatus.PARKED, parking=parking, choices=asked.choices, line=line)
        self._patiently(park)
        while True:
            why = self._wait(timedelta(seconds=LOOK_SECONDS))
            if why is not None:
                return Stopped(why=why, begun=True)
            decision = self._patiently(partial(self._runs.decision, self.run_id, parking))
            if decision is not None:
                self._patiently(partial(self._runs.set_status, self._claim, self.run_id, asked.goes_on))
                if decision is Decision.SKIP:
                    self._note(Line(kind=asked.skipped, step=asked.step, message=f"skipped: {problem.what}"))
                return Decided(decision=decision)

    # Child runs

    def _plan_child(self, theirs: Definition, child_id: str, request: object) -> Outcome:
        self._await_nobody_else()
        started = Line(kind=EntryKind.STEP_STARTED, step=theirs.name, message=f"{child_id} begins", data={"run": child_id})
        entered = self._patiently(partial(self._runs.begin_step, self._claim, self.run_id, started, cancellable=self._cancellable, heeds_line=False))
        if isinstance(entered, Stop):
            return Stopped(why=entered, begun=False)
        try:
            plan = self._in_thread(theirs.name, partial(plan_with_approvals, theirs, self._equipment.environment, request), within=PLAN_WITHIN)
            refuse_unconfirmed(plan, None)  # what can't be brought back is never a part of something else: a person starts it
            refuse_unasked(plan)  # nor is what others must say yes to
            new = NewRun(
                id=child_id,
                runbook=theirs.name,
                summary=self._equipment.redactor(plan.summary),
                service=self._run.service,
                requested_by=self._run.view.requested_by,
                request=encode(request, theirs.request_type),
                hashed=hashed_fields(theirs.request_type),
                plan=encode(plan, theirs.plan_type),
                plan_hash=plan.hash(),
                parks=self._run.parks,
                parent=self.run_id,
            )
            create = partial(self._runs.create_child, self._claim, new, locks=theirs.locks, supersedes=partial(may_supersede, theirs))
            self._patiently(create)
        except Problem as raised:
            problem = raised
        except Exception as error:  # noqa: BLE001 - whatever a plan raises is the run's problem, not the engine's
            problem = self._unexpected(error, theirs.name)
        else:
            return Returned(value=None)
        kept = keep_problem(problem, self._equipment.redactor)
        self._note(Line(kind=EntryKind.STEP_FAILED, step=theirs.name, message=problem.what, data={"problem": kept.document}))
        return Raised(problem=kept, refused=isinstance(problem, Refused))

    def _note_child(self, runbook: str, child_id: str, outcome: Returned | Raised | Stopped) -> Outcome:
        view = self._patiently(partial(self._runs.get, child_id)).view
        took = view.ended_at - view.created_at if view.ended_at else timedelta(0)
        data: dict[str, JsonValue] = {"run": child_id, "took_s": took.total_seconds()}
        if isinstance(outcome, Returned):
            self._note(Line(kind=EntryKind.STEP_DONE, step=runbook, message=view.summary, data={**data, "result": view.result}))
        else:
            problem: JsonValue = None if view.problem is None else problem_json(view.problem)
            self._note(Line(kind=EntryKind.STEP_FAILED, step=runbook, message=view.status.look.word, data={**data, "problem": problem}))
        return Returned(value=None)

    # What all of it stands on

    def _durably(self, name: str, function: Callable[[], Outcome]) -> Returned | Raised | Stopped | Decided:
        return recall(self._equipment.durable.step(name, lambda: keep(function())))

    def _repeatably(self, name: str, function: Callable[[], None]) -> None:
        """What `function` does is done. It is done again each time the run is carried out again, and changes nothing then: so nobody has to remember it."""
        try:
            function()
        except Exception as trouble:
            raise DurabilityLost(f"{name} could not be kept") from trouble

    def _patiently(self, call: Callable[[], T]) -> T:
        """Return what `call` returns, when the database answers again. Raises: EngineClosed."""
        try:
            return patiently(call, give_up=self._equipment.abandoned)
        except ControlDatabaseUnavailable:
            raise EngineClosed from None

    def _note(self, line: Line) -> None:
        self._patiently(partial(self._runs.note, self._claim, self.run_id, line))

    def _wait(self, duration: timedelta) -> Stop | None:
        """Sleep between steps; return why the run must stop, when it must. Raises: EngineClosed."""
        if self._equipment.closing.wait(duration.total_seconds()):
            raise EngineClosed
        self._await_nobody_else()
        return self._patiently(partial(self._runs.stop, self._claim, self.run_id, cancellable=self._cancellable))

    def _await_nobody_else(self) -> None:
        """Return when no person is at work without the engine, and what was done so is known here: it may have ended this run. Raises: EngineClosed."""
        while not self._patiently(self._equipment.bring_in):
            if self._equipment.closing.wait(LOOK_SECONDS):
                raise EngineClosed

    def _stop_if_told(self, *, ends: Event) -> None:
        """Raises: RunStopped, EngineClosed once `ends` is set. Silence of the control plane's database stops nothing."""
        if ends.is_set():
            raise EngineClosed
        try:
            why = self._runs.stop(self._claim, self.run_id, cancellable=self._cancellable)
        except ControlDatabaseUnavailable:
            return
        if why is not None:
            raise RunStopped(why)

    def _refuse_unplanned(self, name: str) -> None:
        if not self._taken.names(name):
            raise UnplannedStep(
                what=f"{self._definition.name} wanted to take {name}, which its plan does not name", remedy="report it: the runbook's plan and run disagree"
            )

    def _unexpected(self, error: Exception, where: str) -> UnexpectedFailure:
        _logger.error("%s: %s failed unexpectedly", self.run_id, where, exc_info=error)
        said = self._equipment.redactor(f"{type(error).__name__}: {error}")
        return UnexpectedFailure(what=f"{where} failed unexpectedly: {said}", remedy="the worker's log has the traceback; report it")


def stopped_by(root: StoredRun, why: Stop) -> Problem:
    """Return the problem that a run ends with that was stopped."""
    if why is Stop.SUPERSEDED:
        return RunSuperseded(what=f"{root.superseded_by} took {root.service} over", remedy=f"ue run show {root.superseded_by}")
    return RunCancelled(what=f"cancelled by {root.cancelled_by}: {root.cancel_reason}", remedy="start it anew when the reason is gone")


def may_supersede(theirs: Definition, holder: str) -> bool:
    """Return True when a run of `theirs` may take the service from a run of the runbook called `holder`. A rollback under way is left to its end."""
    return theirs.takes_over and not takes_over(holder)


def _may_have_changed(outcome: Outcome) -> bool:
    """Return False when the step was not begun, or says itself that it changed nothing."""
    match outcome:
        case Stopped(begun=begun):
            return begun
        case Raised(refused=refused):
            return not refused
        case _:
            return True
