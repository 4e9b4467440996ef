"""Runs that wait for others to say yes: people are asked, those that were approved go to the workers, and those that nobody answered end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Thread

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem
from unioneyes.ports.checklist import Override
from unioneyes.ports.environment import Environment
from unioneyes.ports.notifier import Announcement, Question
from unioneyes.runbook.approvals import approved_since, drift, escalates, overdue, overrides, plan_with_approvals
from unioneyes.runbook.codec import decode
from unioneyes.runbook.definition import Definition
from unioneyes.runbook.plan import Plan
from unioneyes.runbook.problems import ApprovalsExpired, ApprovalVoid, NotAwaited, RunEnded, ServiceLocked
from unioneyes.runbook.store.approvals import TOLD_OF_OVERRIDE, Approvals, Waiting
from unioneyes.runbook.store.line import StoppedLine
from unioneyes.runbook.telling import Teller
from unioneyes.runbook.views import ApprovalView

_EVERY_SECONDS = 0.5
_ASKED, _ESCALATED = 1, 2
"""How often people were told."""

_logger = logging.getLogger(__name__)


def require_still_approved(chosen: Definition, env: Environment, then: Plan, given: ApprovalView) -> None:
    """Return when what was approved is what would be done now, and was approved lately. Raises: ApprovalVoid, ApprovalsExpired, and the plan's own problems."""
    at = now()
    late = overdue(then.approvals, given.answers, asked=given.run.created_at, at=at)
    if late is None and approved_since(then.approvals, given.answers, at) is None:
        late = "a yes that it needs is missing, or ran out before it began"
    if late is not None:
        raise ApprovalsExpired(what=f"{late}; nothing was changed", remedy="start it anew, and ask in time")
    request: object = decode(given.run.request, chosen.request_type)
    drifted = drift(then, plan_with_approvals(chosen, env, request))
    if drifted is not None:
        raise ApprovalVoid(
            what=f"what was approved is not what would be done now: {drifted}; nothing was changed",
            remedy=f"ue plan diff {given.run.id} shows all of it; start it anew, and ask again",
        )


class Approving:
    """A thread of its own, because a chat may be slow: whoever takes over from dead workers must not wait for it. Safe beside others that do the same."""

    def __init__(self, environment: Environment, approvals: Approvals, line: StoppedLine, *, bring_in: Callable[[], bool]) -> None:
        """Move runs of `environment`, while `bring_in` says that nobody is at them without the engine."""
        self._environment = environment
        self._approvals = approvals
        self._line = line
        self._bring_in = bring_in
        self._teller = Teller(environment.notifier)
        self._stopping = Event()
        self._thread = Thread(target=self._look_on, name="approving", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing is looked at any more; an announcement under way is not waited for."""
        self._stopping.set()
        self._thread.join(_EVERY_SECONDS)

    def _look_on(self) -> None:
        while not self._stopping.wait(_EVERY_SECONDS):
            try:
                if self._bring_in():
                    self._look()
            except Problem as problem:
                _logger.warning("approvals: %s", problem)
            except Exception:  # whatever it is, the next look may go well
                _logger.exception("a look at the approvals failed, and is tried again")

    def _look(self) -> None:
        for waiting in self._approvals.waiting():
            try:
                self._move(waiting)
            except (NotAwaited, RunEnded):
                continue  # somebody else moved it
            except ServiceLocked as problem:
                _logger.info("%s is approved, and waits: %s", waiting.view.run.id, problem.what)
        for forced in self._approvals.overridden_untold():
            if self._teller.tell(self._warning(forced)):
                self._approvals.mark_asked(forced.view.run.id, TOLD_OF_OVERRIDE)

    def _move(self, waiting: Waiting) -> None:
        run, answers, at = waiting.view.run, waiting.view.answers, now()
        if overdue(waiting.rules, answers, asked=run.created_at, at=at) is not None:
            self._approvals.expire(run.id)
        elif approved_since(waiting.rules, answers, at) is not None:
            if self._line.stopped() is None:
                self._approvals.release(run.id)
        elif waiting.asked < _ASKED:
            self._ask(waiting, _ASKED, tuple((gate.gate, gate.title) for gate in waiting.view.gates))
        elif waiting.asked < _ESCALATED and (late := escalates(waiting.rules, answers, asked=run.created_at, at=at)):
            self._ask(waiting, _ESCALATED, tuple((rule.gate, rule.title) for rule in late))

    def _ask(self, waiting: Waiting, times: int, gates: tuple[tuple[str, str], ...]) -> None:
        if self._teller.tell(self._question(waiting, gates, again=times > _ASKED)):
            self._approvals.mark_asked(waiting.view.run.id, times)

    def _question(self, waiting: Waiting, gates: tuple[tuple[str, str], ...], *, again: bool) -> Announcement:
        run, asked, facts = waiting.view.run, dict(gates), self._environment.facts
        return Announcement(
            channel=facts.incidents_channel,
            title=f"{'STILL ' if again else ''}AWAITING APPROVAL: {run.summary}",
            facts=(
                ("Run", run.id),
                ("Requested by", run.requested_by),
                ("Needs", "; ".join(f"{gate.title} ({' or '.join(gate.roles)})" for gate in waiting.view.gates if gate.gate in asked)),
                ("Plan", run.plan_hash[:12]),
                ("Look", f"ue plan show {run.id}"),
                ("Answer", f"ue approval grant {run.id} --note WHY"),
            ),
            key=f"{run.id}-{'escalated' if again else 'asked'}",
            question=Question(run=run.id, plan=run.plan_hash, gates=gates, page=f"{facts.console}/runs/{run.id}#approval" if facts.console else None),
        )

    def _warning(self, waiting: Waiting) -> Announcement:
        run, forced = waiting.view.run, overrides(waiting.view.answers)
        missing = [gate for gate in waiting.view.gates if gate.granted < gate.needed]
        passed_over = "; ".join(gate.title for gate in missing if gate.override is not Override.NEVER)
        still = "; ".join(gate.title for gate in missing if gate.override is Override.NEVER)
        return Announcement(
            channel=self._environment.facts.incidents_channel,
            title=f"APPROVALS OVERRIDDEN: {run.summary}",
            facts=(
                ("Run", run.id),
                ("By", ", ".join(each.by for each in forced)),
                ("Because", "; ".join(each.note for each in forced)),
                ("Not waited for", passed_over or "nobody"),
                *([("Still waits for", still)] if still else []),
            ),
            key=f"{run.id}-overridden",
        )
