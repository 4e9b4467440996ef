"""The engine: plans, starts, carries out, shows and stops runs."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import fields, replace
from datetime import timedelta
from functools import partial
from threading import Event
from typing import TypeVar

from pydantic import JsonValue, SecretStr, ValidationError

from unioneyes.kernel.ids import new_id
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.environment import Environment
from unioneyes.runbook.approvals import plan_with_approvals
from unioneyes.runbook.approving import Approving
from unioneyes.runbook.audit.log import AuditLog
from unioneyes.runbook.audit.sealing import Sealing
from unioneyes.runbook.codec import decode, encode, hashed_fields
from unioneyes.runbook.database_access import DatabaseAccess
from unioneyes.runbook.definition import Definition, definition
from unioneyes.runbook.direct.bringing_in import BringingIn
from unioneyes.runbook.direct.folder import DirectFolder
from unioneyes.runbook.durable import Durable
from unioneyes.runbook.execution import EngineClosed, Equipment, may_supersede
from unioneyes.runbook.liveness import Liveness
from unioneyes.runbook.plan import Plan
from unioneyes.runbook.problems import RequestMalformed, UnknownRun
from unioneyes.runbook.reasons import usable
from unioneyes.runbook.rules import refuse_unconfirmed
from unioneyes.runbook.shells import Shells
from unioneyes.runbook.shown import ShownPlans, shown_plan
from unioneyes.runbook.smoke import SmokeTests
from unioneyes.runbook.store.approvals import Approvals
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase, patiently
from unioneyes.runbook.store.journal import Journal
from unioneyes.runbook.store.line import StoppedLine
from unioneyes.runbook.store.links import Links
from unioneyes.runbook.store.runs import NewRun, Runs
from unioneyes.runbook.store.schema import migrate
from unioneyes.runbook.store.sessions import Sessions
from unioneyes.runbook.store.tokens import Tokens
from unioneyes.runbook.sweeper import Sweeper
from unioneyes.runbook.taking_up import take_up
from unioneyes.runbook.views import Decision, JournalEntry, LockView, PlanView, RunView

T = TypeVar("T")

_STEPS_END_WITHIN = timedelta(seconds=5)
"""How long a closing worker waits for the steps that are under way."""
_POLL_SECONDS = 0.1
_RESTART_WITHIN = timedelta(seconds=5)
"""How long whoever only reads waits for a database that restarts."""
_FORGET_AT_ONCE = 500
_LONGEST_NAME = 200
"""Characters of the fields that a request names, and that are told back."""

_logger = logging.getLogger(__name__)


class Engine:
    """Runs of the registered runbooks, in one environment. One engine that works per process."""

    def __init__(
        self,
        *,
        database_url: SecretStr,
        environment: Environment,
        redactor: Redactor,
        worker: bool = True,
        sealing: Sealing | None = None,
        break_glass: DirectFolder | None = None,
        look_again: Callable[[], None] = lambda: None,
        require: Callable[[Definition], None] = lambda _: None,
    ) -> None:
        """Use the control plane's database; with `worker`, also carry runs out. A process without one only writes down what workers then do.

        With `sealing`, also seal the audit log, whoever appended to it. `look_again` looks for runbooks that a run waits for.
        `require` raises a Refused for a runbook that may not be started here, nor begin. What people did without the
        engine is brought in from the folder `break_glass`, before any run goes on.
        """
        self._environment = environment
        self._redactor = redactor
        self._require = require
        self._name = new_id("worker")
        self._database = ControlDatabase(database_url, name=f"ue-{os.getpid()}")
        self._runs = Runs(self._database, redactor)
        self._plans = ShownPlans(redactor)
        trail = AuditTrail(redactor)
        self.tokens = Tokens(self._database, trail)
        """Who may come in."""
        self.sessions = Sessions(self._database, trail)
        """Who is in the console."""
        self.links = Links(self._database, trail)
        """Who is who in the chat."""
        self.smoke_tests = SmokeTests(self._database, trail, environment)
        """Those that a person asks for."""
        self.shells = Shells(self._database, trail, environment)
        """Those that a person goes into a pod by."""
        self.database_access = DatabaseAccess(self._database, trail, environment)
        """What a person does on the operated database by themselves."""
        self.line = StoppedLine(self._database, redactor, environment.facts.service)
        """What holds every change."""
        self.approvals = Approvals(self._database, redactor, self._runs)
        """Whose yes is awaited, and who gave it."""
        self._bring_in = BringingIn(self._database, break_glass, trail=trail, journal=Journal(redactor), service=environment.facts.service)
        self.audit = AuditLog(self._database, sealing, trouble=lambda: self._bring_in.trouble)
        self._durable = Durable(self._database.url, worker=self._name, carry_out=self._carry_out) if worker else None
        self._equipment = (
            None
            if self._durable is None
            else Equipment(
                environment=environment,
                runs=self._runs,
                line=self.line,
                approvals=self.approvals,
                durable=self._durable,
                redactor=redactor,
                look_again=look_again,
                require=require,
                bring_in=self._bring_in,
            )
        )
        self._open: ExitStack | None = None
        self._closed = Event()

    @property
    def name(self) -> str:
        """Which worker it is: in charge of a run, it is the run's executor in DBOS's tables."""
        return self._name

    def launch(self) -> None:
        """The schema is migrated, and a worker shows its life and takes runs: new ones, and those that dead workers left. Safe to repeat.

        Raises: ControlDatabaseUnavailable.
        """
        if self._open is not None:
            return
        with ExitStack() as closing:
            closing.callback(self._database.close)
            migrate(self._database)
            self._bring_in()  # before the first run is taken up
            self.audit.start()
            closing.callback(self.audit.stop)  # when no run appends any more
            if self._durable is not None and self._equipment is not None:
                liveness = Liveness(self._database, worker=self._name)
                closing.callback(liveness.end)
                liveness.start()  # before the first run is taken, or others would take this worker for dead
                closing.callback(self._durable.close)
                self._durable.launch()
                sweeper = Sweeper(runs=self._runs, durable=self._durable, liveness=liveness, bring_in=self._bring_in)
                closing.callback(sweeper.stop)
                sweeper.start()
                approving = Approving(self._environment, self.approvals, self.line, bring_in=self._bring_in)
                closing.callback(approving.stop)
                approving.start()
                closing.callback(self._end_steps, self._durable, self._equipment)
            self._open = closing.pop_all()

    def close(self) -> None:
        """No more runs are taken. Steps under way have had a moment to end; their runs stay pending, for another worker."""
        self._closed.set()
        if self._open is not None:
            self._open.close()
        self._open = None

    def plan(self, runbook: str, request: JsonValue) -> PlanView:
        """Return what a run would do; nothing is changed. Raises: UnknownRunbook, RequestMalformed, and the plan's own problems."""
        chosen = definition(runbook)
        _, plan = self._plan(chosen, request)
        shown = shown_plan(runbook, encode(plan, type(plan)), plan.hash(), redact=self._redactor, took=self._took(runbook))
        try:
            self._require(chosen)
        except Problem as problem:
            return replace(shown, refused=problem.document())
        return shown

    def start(self, runbook: str, request: JsonValue, *, by: str, park: bool = False, confirm: str | None = None, run_id: str | None = None) -> RunView:
        """A run is planned, holds its service, and waits for a worker; or, where the policy says so, first for others to say yes.

        With `park`, a failed step waits for a person instead of being undone at once. With `run_id`, it is called so: where there is a run of this name,
        that one is returned, and no second one begins, whoever asks for it at the same moment.

        `confirm` is what a person typed; a plan that can't be undone asks for the name of what it destroys.
        Raises: UnknownRunbook, RequestMalformed, NotConfirmed, LineStopped with who and why, ServiceLocked with holder and reason, what `require` raises,
        and the plan's own problems.
        """
        chosen = definition(runbook)
        if run_id is not None and (there := self._known(run_id)) is not None:
            return there
        self._require(chosen)
        if chosen.can_be_held:
            self.line.require_open()
        asked, plan = self._plan(chosen, self._without_secrets(request))
        refuse_unconfirmed(plan, confirm)
        if plan.approvals:
            plan.require_open()
        new = NewRun(
            id=run_id or new_id(runbook.partition(".")[0]),
            runbook=runbook,
            summary=self._redactor(plan.summary),
            service=self._environment.facts.service,
            requested_by=by,
            request=encode(asked, chosen.request_type),
            hashed=hashed_fields(chosen.request_type),
            plan=encode(plan, chosen.plan_type),
            plan_hash=plan.hash(),
            parks=park,
            confirmed=confirm if plan.confirm is not None else None,
            awaits=tuple(rule.gate for rule in plan.approvals),
        )
        run = self._runs.create(new, locks=chosen.locks, supersedes=partial(may_supersede, chosen))
        if self._durable is not None and self._open is not None and not new.awaits:
            try:
                self._durable.enqueue(run.view.id, urgent=chosen.takes_over)
                self._runs.mark_enqueued(run.view.id)
            except Exception:  # the run stands in the database, so it is started: a worker's sweep hands it on
                _logger.exception("%s was not handed on at once", run.view.id)
        return run.view

    def run(self, run_id: str) -> RunView:
        """Return the run. Raises: UnknownRun."""
        return self._read(partial(self._runs.get, run_id)).view

    def runs(self, *, limit: int = 50, before: str | None = None, runbook: str | None = None, status: RunStatus | None = None) -> tuple[RunView, ...]:
        """Return runs, newest first; the next page begins `before` the last run of this one. Raises: UnknownRun."""
        return self._read(partial(self._runs.page, limit=limit, before=before, runbook=runbook, status=status))

    def planned_runs(self, *, limit: int, before: str | None, runbook: str) -> tuple[tuple[RunView, PlanView], ...]:
        """Return runs with their plans, as `runs` and `planned` do, at once; without what steps took before. Raises: UnknownRun."""
        found = self._read(partial(self._runs.planned_page, limit=limit, before=before, runbook=runbook))
        return tuple((run.view, self._plans.of(run, took={})) for run in found)

    def planned(self, run_id: str, *, timed: bool = True) -> PlanView:
        """Return the plan that the run carries out; without what its steps took before where that is not `timed`. Raises: UnknownRun."""
        run = self._read(partial(self._runs.get, run_id))
        return self._plans.of(run, took=self._took(run.view.runbook) if timed else {})  # over twenty journals: too much for each line of a list

    def journal(self, run_id: str | None, *, after: int = 0, limit: int = 500, wait: timedelta = timedelta(0)) -> tuple[JournalEntry, ...]:
        """Return lines of a run and its children, or of all runs, from after the line `after` on. With `wait`, until there is one, or the time is up.

        Raises: UnknownRun.
        """
        until = time.monotonic() + wait.total_seconds()
        while True:
            entries = self._read(partial(self._runs.journal, run_id, after=after, limit=limit))
            if entries or time.monotonic() >= until:
                return entries
            time.sleep(_POLL_SECONDS)

    def cancel(self, run_id: str, *, by: str, reason: str) -> RunView:
        """The run stops, in the middle of a step that lasts, and then undoes what it did. Raises: UnusableReason, RunEnded, PartOfAnotherRun, UnknownRun."""
        return self._runs.cancel(run_id, by=by, reason=usable(reason)).view

    def decide(self, run_id: str, decision: Decision, *, by: str, reason: str) -> RunView:
        """The parked run goes on as decided. Raises: UnusableReason, RunNotParked, ChoiceNotOffered, RunEnded, UnknownRun."""
        return self._runs.decide(run_id, decision, by=by, reason=usable(reason)).view

    def lock(self) -> LockView | None:
        """Return who holds the service; None when nobody does."""
        return self._read(partial(self._runs.lock, self._environment.facts.service))

    def prune(self, *, older_than: timedelta) -> int:
        """Runs that ended longer ago than that are forgotten, with everything that was kept of them; return how many."""
        forgotten = 0
        while run_ids := self._runs.ended_before(older_than=older_than, limit=_FORGET_AT_ONCE):
            if self._durable is not None and self._open is not None:
                self._durable.forget(run_ids)
            self._runs.forget(run_ids)
            forgotten += len(run_ids)
        return forgotten

    def _known(self, run_id: str) -> RunView | None:
        try:
            return self.run(run_id)
        except UnknownRun:
            return None

    def _read(self, call: Callable[[], T]) -> T:
        """Return what `call` reads; a database that restarts is waited for."""
        return patiently(call, give_up=self._closed, within=_RESTART_WITHIN)

    def _without_secrets(self, request: JsonValue) -> JsonValue:
        """Return the request with its reason redacted, for that is written freely, and kept. The rest is what is asked for, and carried out as it is."""
        reason = request.get("reason") if isinstance(request, dict) else None
        return {**request, "reason": self._redactor(reason)} if isinstance(request, dict) and isinstance(reason, str) else request

    def _plan(self, chosen: Definition, request: JsonValue) -> tuple[object, Plan]:
        try:
            asked: object = decode(request, chosen.request_type)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))[:_LONGEST_NAME] or 'request'}: {each['msg']}" for each in error.errors(include_input=False))
            raise _malformed(chosen, wrong) from None
        if isinstance(request, dict) and (strange := request.keys() - {known.name for known in fields(chosen.request_type)}):
            raise _malformed(chosen, f"it knows no {', '.join(sorted(strange))[:_LONGEST_NAME]}")
        return asked, plan_with_approvals(chosen, self._environment, asked)

    def _took(self, runbook: str) -> Mapping[str, timedelta]:
        """Return what the runbook's steps took before. Raises: ControlDatabaseUnavailable."""
        return self._read(partial(self._runs.step_times, runbook))

    def _carry_out(self, run_id: str) -> None:
        """The run has ended. Raises: EngineClosed, and the run stays pending for another worker."""
        if self._equipment is None or self._equipment.closing.is_set():
            raise EngineClosed
        execution = take_up(self._equipment, run_id, self._name)
        if execution is not None:
            execution.carry_out()

    @staticmethod
    def _end_steps(durable: Durable, equipment: Equipment) -> None:
        """No step is begun any more, and none is waited for."""
        equipment.closing.set()
        until = time.monotonic() + _STEPS_END_WITHIN.total_seconds()
        while durable.active and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        equipment.abandoned.set()
        while durable.active and time.monotonic() < until + 1:
            time.sleep(_POLL_SECONDS)


def _malformed(chosen: Definition, wrong: str) -> RequestMalformed:
    return RequestMalformed(what=f"this is no request for {chosen.name}: {wrong}", remedy="see what the command's --help says")
