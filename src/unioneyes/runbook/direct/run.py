"""Carrying out a run without the engine: the same runbook and the same steps, one by one, in this process, kept in a local journal."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from time import monotonic

from pydantic import JsonValue

from unioneyes.kernel.clock import now
from unioneyes.kernel.fencing import OVER_ALL, fencing_token
from unioneyes.kernel.problems import Problem, Refused
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.environment import Environment
from unioneyes.runbook.codec import decode, encode, problem_json, redacted_fields
from unioneyes.runbook.definition import Definition
from unioneyes.runbook.direct.journal import DirectJournal, DirectLine, JournalNotKept
from unioneyes.runbook.direct.views import direct_run
from unioneyes.runbook.plan import Plan
from unioneyes.runbook.problems import StepTimedOut, UnexpectedFailure, UnplannedStep
from unioneyes.runbook.rules import Taken, Undoing, ends_as, pause_before
from unioneyes.runbook.steps import P, R, Step, current_run
from unioneyes.runbook.threads import StepThreads
from unioneyes.runbook.views import Decision, EntryKind, JournalEntry, RunView

Tell = Callable[[JournalEntry], None]
"""Shows a line to the person, as it is written."""
Warn = Callable[[str], None]
"""Tells the person what is no line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked for: all that a new journal begins with."""

    run_id: str
    by: str
    reason: str
    request: JsonValue
    plan: Plan
    control: str
    """How the control plane was found."""


@dataclass(slots=True, kw_only=True)
class DirectRun:
    """One run, carried out by this process. It is what a runbook's steps know as the current run."""

    journal: DirectJournal
    by: str
    definition: Definition
    plan: Plan
    redactor: Redactor
    tell: Tell
    warn: Warn
    _taken: Taken = field(init=False)
    _remembered: list[JournalEntry] = field(init=False)
    """Steps that were done before this process went on with the run, in order."""
    _threads: StepThreads = field(init=False, default_factory=StepThreads)
    _told: list[DirectLine] = field(init=False)
    """Every line, those too that could not be written."""

    def __post_init__(self) -> None:
        """Remember what the journal says was done."""
        self._taken = Taken(self.plan)
        self._told = list(self.journal.lines)
        self._remembered = [line.entry for line in self._told if line.entry.kind is EntryKind.STEP_DONE]

    @property
    def run_id(self) -> str:
        """The run's identifier: the journal's file is called by it."""
        return self.journal.path.stem

    @property
    def took_over_from(self) -> str | None:
        """Nobody knows which run held the service: that stands in the database that is gone."""
        return None

    def carry_out(self, env: Environment) -> RunView:
        """The run has ended; return it. What a kill left of it before is gone on with. Raises: JournalNotKept (nothing was changed)."""
        entered, outside = current_run.set(self), fencing_token.set(OVER_ALL)
        try:
            status, message, data = self._work(env)
        finally:
            fencing_token.reset(outside)
            current_run.reset(entered)
        self._write(EntryKind.RUN_ENDED, message, data={"status": status.value, **data})
        return direct_run(self._told)

    def take(self, step: Step[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the step, or return what it returned before this run was gone on with."""
        if not self._taken.names(step.name):
            raise UnplannedStep(
                what=f"{self.definition.name} wanted to take {step.name}, which its plan does not name", remedy="report it: the runbook's plan and run disagree"
            )
        if self._remembered and self._remembered[0].step == step.name:
            self._taken.note(step, None)
            return decode(self._remembered.pop(0).data["result"], step.returns)
        self._remembered.clear()
        self._write(EntryKind.STEP_STARTED, step.does, step=step.name, data={"effect": step.effect.value})
        return self._attempt(step, partial(step.function, *args, **kwargs))

    def progress(self, message: str, figures: dict[str, JsonValue]) -> None:
        """Write a line of the current step to the journal."""
        self._write(EntryKind.STEP_PROGRESS, message, data={**figures})

    def ask(self, question: str, choices: tuple[Decision, ...]) -> Decision | None:
        """Refuse: the one person who is here has decided. Raises: NotDirectly."""
        del choices
        raise NotDirectly(what=f"{self.definition.name} asks {question!r}", remedy="bring the control plane back: only its runs can be held")

    def pause(self, duration: timedelta) -> None:
        """Sleep. Nobody stops this run but the person at the keyboard."""
        time.sleep(duration.total_seconds())

    def child(self, runbook: str, request: object) -> object:
        """Refuse: one runbook at a time. Raises: NotDirectly."""
        del request
        raise NotDirectly(what=f"{self.definition.name} starts {runbook}", remedy="bring the control plane back: only its runs have parts")

    def settle(self, step: Step[P, R]) -> None:
        """Nothing is undone here, so there is nothing to settle."""

    def story(self, run_id: str) -> tuple[JournalEntry, ...]:
        """Return this run's journal so far; of any other run nothing is known here."""
        return tuple(line.entry for line in self._told) if run_id == self.run_id else ()

    def _work(self, env: Environment) -> tuple[RunStatus, str, dict[str, JsonValue]]:
        try:
            result = encode(self.definition.run(env, self.plan), self.definition.result_type)
        except Problem as problem:
            failure = problem
        except Exception as error:  # noqa: BLE001 - whatever it is, the journal says how the run ended
            failure = self._unexpected(error, "run")
        else:
            return RunStatus.DONE, f"{self.plan.summary}: {RunStatus.DONE.look.word}", {"result": result}
        status = ends_as(failure, changed=self._taken.changed, undoing=Undoing.NOTHING_TO_DO)
        return status, failure.what, {"result": None, "problem": problem_json(failure.document())}

    def _attempt(self, step: Step[..., R], call: Callable[[], R]) -> R:
        began = monotonic()
        attempt = 0
        while True:
            attempt += 1
            try:
                value = self._in_thread(step, call)
                kept = encode(value, step.returns)
            except Problem as raised:
                problem: Problem = raised
            except Exception as error:  # noqa: BLE001 - as the engine: a step's failure is the run's
                problem = self._unexpected(error, step.name)
            else:
                self._taken.note(step, None)
                self._write(EntryKind.STEP_DONE, step.does, step=step.name, data={"took_s": monotonic() - began, "result": kept})
                return value
            if not isinstance(problem, Refused):
                self._taken.note(step, None)
            told: dict[str, JsonValue] = {"took_s": monotonic() - began, "problem": problem_json(problem.document())}
            if attempt > step.retries or not problem.retryable:
                self._write(EntryKind.STEP_FAILED, problem.what, step=step.name, data=told)
                raise problem
            pause = pause_before(attempt)
            self._write(EntryKind.STEP_RETRIED, problem.what, step=step.name, data={**told, "attempt": attempt, "pause_s": pause.total_seconds()})
            self.pause(pause)

    def _in_thread(self, step: Step[..., R], call: Callable[[], R]) -> R:
        """Return what `call` returns, made in a thread of its own, which is left behind when its time is over. Raises: StepTimedOut, and what it raises."""
        done = self._threads.submit(call)
        try:
            return done.result(timeout=step.time_limit.total_seconds())
        except TimeoutError:
            if done.done():
                raise
            raise StepTimedOut(what=f"{step.name} took longer than {step.time_limit}", remedy="whether it took effect is not known: look") from None

    def _write(self, kind: EntryKind, message: str, *, data: dict[str, JsonValue], step: str | None = None) -> None:
        """The journal ends with the line, and the person has seen it. Once something was changed, a disk that is full holds up no way back."""
        number = len(self.journal.lines) + 1
        entry = JournalEntry(
            seq=number,
            run_id=self.run_id,
            at=now(),
            kind=kind,
            step=step,
            message=self.redactor(message),
            data=redacted_fields(data, self.redactor),
        )
        line = DirectLine(by=self.by, entry=entry)
        try:
            self.journal.append(line)
        except JournalNotKept as problem:
            if not self._taken.changed:
                raise
            with suppress(OSError):
                self.warn(f"‖ {problem.what}: this line stands on the screen only, so keep it")
        self._told.append(line)
        with suppress(OSError):  # a terminal that is gone holds up no way back
            self.tell(entry)

    def _unexpected(self, error: Exception, where: str) -> UnexpectedFailure:
        return UnexpectedFailure(what=f"{where} failed unexpectedly: {self.redactor(f'{type(error).__name__}: {error}')}", remedy="report it")


def begin(journal: DirectJournal, order: Order, definition: Definition, *, redactor: Redactor, tell: Tell, warn: Warn) -> DirectRun:
    """Return a new run, whose journal says who wants what and why. Raises: JournalNotKept; nothing was changed."""
    run = DirectRun(journal=journal, by=order.by, definition=definition, plan=order.plan, redactor=redactor, tell=tell, warn=warn)
    run._write(  # noqa: SLF001 - this module's own
        EntryKind.RUN_STARTED,
        order.plan.summary,
        data={
            "by": order.by,
            "uid": os.getuid(),
            "host": platform.node(),
            "reason": order.reason,
            "control": order.control,
            "runbook": definition.name,
            "request": order.request,
            "plan": encode(order.plan, definition.plan_type),
            "plan_hash": order.plan.hash(),
        },
    )
    return run


def go_on(journal: DirectJournal, definition: Definition, *, by: str, redactor: Redactor, tell: Tell, warn: Warn) -> DirectRun:
    """Return the run that a kill left in the middle, as `by` goes on with it. Raises: JournalNotKept; pydantic.ValidationError where its plan is no plan."""
    first = journal.lines[0]
    plan = decode(first.entry.data["plan"], definition.plan_type)
    run = DirectRun(journal=journal, by=by, definition=definition, plan=plan, redactor=redactor, tell=tell, warn=warn)
    run._write(  # noqa: SLF001 - this module's own
        EntryKind.TAKEN_OVER,
        f"{by} goes on with what {first.by} began",
        data={"from": first.by, "to": by, "uid": os.getuid(), "host": platform.node()},
    )
    return run


class NotDirectly(Refused):
    """What the runbook needs is there only with the control plane."""
