"""Who said yes or no to a run before it began; and a run that was approved, on its way to the workers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue, ValidationError
from sqlalchemy import ColumnElement, Connection, Row, false, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from unioneyes.kernel.access import NotAllowed, Person, Right
from unioneyes.kernel.clock import now
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.checklist import ApprovalRule, Override
from unioneyes.runbook.approvals import OVERRIDES_NEEDED, approved_since, counted, overdue, require_answerable, require_one_person, require_same_plan
from unioneyes.runbook.audit.entry import ENGINE, Action, AuditEntry
from unioneyes.runbook.codec import decode
from unioneyes.runbook.problems import AnsweredAlready, ApprovalRefused, ApprovalsExpired, NeverOverridden, NotAwaited, UnknownGate
from unioneyes.runbook.store import lock
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.journal import Journal, Line
from unioneyes.runbook.store.runs import Ending, Runs, StoredRun, open_row, stored
from unioneyes.runbook.store.tables import approvals, runs
from unioneyes.runbook.views import Answer, ApprovalView, EntryKind, GateAsked, Verdict

TOLD_OF_OVERRIDE = 3
"""How often people were told once they know that two would not wait; once or twice before, they were asked."""
_logger = logging.getLogger(__name__)
_ACTIONS = {
    Verdict.GRANTED: Action.APPROVAL_GRANTED,
    Verdict.REFUSED: Action.APPROVAL_REFUSED,
    Verdict.OVERRIDDEN: Action.APPROVAL_OVERRIDDEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A run that waits for others to say yes."""

    view: ApprovalView
    rules: tuple[ApprovalRule, ...]
    asked: int
    """How often people were told that it waits for them."""


class Approvals:
    """Every question and every change, each in one transaction, its audit entry included. Raises: ControlDatabaseUnavailable."""

    def __init__(self, database: ControlDatabase, redactor: Redactor, kept: Runs) -> None:
        """Keep answers beside the runs that are `kept` in `database`."""
        self._database = database
        self._redact = redactor
        self._journal = Journal(redactor)
        self._audit = AuditTrail(redactor)
        self._runs = kept

    def answer(self, run_id: str, gate: str | None, verdict: Verdict, *, by: Person, note: str, plan: str | None = None) -> ApprovalView:
        """`by` said yes or no for the gate; which one may be left open where only one is theirs to answer. A no ends the run.

        `plan` is the hash of what they read, where that was shown somewhere that does not change by itself.
        Raises: NotAwaited, UnknownGate, AnotherPlan, OwnRequest, NotAllowed, AnsweredAlready, RunEnded, UnknownRun.
        """
        require_one_person(by)
        with self._database.transaction() as connection:
            row = self._awaiting(connection, run_id)
            require_same_plan(run_id, plan or row.plan_hash, row.plan_hash)
            rules = rules_of(row.plan)
            rule = _rule(run_id, rules, gate, by)
            require_answerable(run_id, rule.gate, rule.roles, requested_by=row.requested_by, by=by)
            note = self._redact(note)
            self._keep(connection, row, rule.gate, verdict, by=by, note=note)
            if verdict is Verdict.REFUSED:
                problem = ApprovalRefused(what=f"{by.name} refuses {rule.gate}: {note}", remedy="mend what they found, and start it anew")
                self._runs.end_unbegun(connection, run_id, Ending(status=RunStatus.REFUSED, message=problem.what, problem=problem.document()), by=by.name)
            return self._view(connection, run_id)

    def override(self, run_id: str, *, by: Person, reason: str) -> ApprovalView:
        """`by` said that the run can't wait for those who should be asked. What the policy lets nobody override stays needed.

        Raises: NotAwaited, NotAllowed, NeverOverridden, AnsweredAlready, RunEnded, UnknownRun.
        """
        by.require(Right.OPERATE)
        require_one_person(by)
        with self._database.transaction() as connection:
            row = self._awaiting(connection, run_id)
            rules = rules_of(row.plan)
            if all(rule.override is Override.NEVER for rule in rules):
                named = ", ".join(rule.gate for rule in rules)
                raise NeverOverridden(what=f"{run_id} needs {named}, which nobody may override", remedy=f"ask those whose yes it is: ue approval show {run_id}")
            self._keep(connection, row, "", Verdict.OVERRIDDEN, by=by, note=self._redact(reason))
            return self._view(connection, run_id)

    def of(self, run_id: str) -> ApprovalView:
        """Return what the run needs or needed, and what was answered. Raises: UnknownRun."""
        with self._database.transaction() as connection:
            return self._view(connection, run_id)

    def awaited(self) -> tuple[ApprovalView, ...]:
        """Return the runs that wait for others to say yes, oldest first."""
        return tuple(waiting.view for waiting in self.waiting())

    def waiting(self) -> tuple[Waiting, ...]:
        """Return the same, each with its rules."""
        with self._database.transaction() as connection:
            awaiting = runs.c.status == RunStatus.AWAITING_APPROVAL.value
            wanted = select(runs.c.id, runs.c.plan, runs.c.asked).where(awaiting, runs.c.ended_at.is_(None)).order_by(runs.c.number)
            return tuple(waiting for row in connection.execute(wanted).all() if (waiting := self._waiting(connection, row.id, row.plan, row.asked)))

    def overridden_untold(self) -> tuple[Waiting, ...]:
        """Return the runs that two people would not let wait, and of which nobody was told, as they stand by now."""
        forced = select(approvals.c.run_id).where(approvals.c.verdict == Verdict.OVERRIDDEN.value)
        enough = forced.group_by(approvals.c.run_id).having(func.count() >= OVERRIDES_NEEDED)
        wanted = select(runs.c.id, runs.c.plan, runs.c.asked).where(runs.c.id.in_(enough), runs.c.asked < TOLD_OF_OVERRIDE)
        with self._database.transaction() as connection:
            return tuple(waiting for row in connection.execute(wanted).all() if (waiting := self._waiting(connection, row.id, row.plan, row.asked)))

    def _waiting(self, connection: Connection, run_id: str, plan: JsonValue, asked: int) -> Waiting | None:
        """Return the run; None when this release can't read what it waits for: another one does, or a person cancels it."""
        try:
            return Waiting(view=self._view(connection, run_id), rules=rules_of(plan), asked=asked)
        except ValidationError:
            _logger.warning("what %s waits for can't be read by this release; cancel it, and start it anew", run_id)
            return None

    def release(self, run_id: str) -> bool:
        """The run that was approved holds its service, and workers may take it; return False where a yes has run out since.

        Raises: NotAwaited, RunEnded, UnknownRun, ServiceLocked.
        """
        with self._database.transaction() as connection:
            row = self._awaiting(connection, run_id)
            if approved_since(rules_of(row.plan), answers_of(connection, run_id), now()) is None:
                return False
            lock.obtain(connection, service=row.service, run_id=run_id, reason=row.summary, supersedes=_nobody)
            connection.execute(update(runs).where(runs.c.id == run_id).values(status=RunStatus.PENDING.value))
            return True

    def mark_asked(self, run_id: str, times: int) -> None:
        """People were told that often."""
        with self._database.transaction() as connection:
            connection.execute(update(runs).where(runs.c.id == run_id, runs.c.asked < times).values(asked=times))

    def expire(self, run_id: str) -> None:
        """The run has ended before it began, if nobody is to be waited for any more. Raises: NotAwaited, RunEnded, UnknownRun."""
        with self._database.transaction() as connection:
            row = self._awaiting(connection, run_id)
            why = overdue(rules_of(row.plan), answers_of(connection, run_id), asked=row.created_at, at=now())
            if why is not None:
                problem = ApprovalsExpired(what=f"{run_id}: {why}; nothing was changed", remedy="start it anew, and ask in time")
                ending = Ending(status=RunStatus.REFUSED, message=problem.what, problem=problem.document())
                self._runs.end_unbegun(connection, run_id, ending, by=ENGINE)

    def _awaiting(self, connection: Connection, run_id: str) -> Row[tuple[object, ...]]:
        row = open_row(connection, run_id)
        if row.status != RunStatus.AWAITING_APPROVAL.value:
            raise NotAwaited(what=f"{run_id} is {row.status}, and waits for nobody's approval", remedy=f"ue run show {run_id}")
        return row

    def _keep(self, connection: Connection, row: Row[tuple[object, ...]], gate: str, verdict: Verdict, *, by: Person, note: str) -> None:
        keep = insert(approvals).values(run_id=row.id, gate=gate, verdict=verdict.value, by=by.name, note=note)
        renewed = {"verdict": keep.excluded.verdict, "note": keep.excluded.note, "at": func.clock_timestamp()}
        keep = keep.on_conflict_do_update(constraint="approvals_run_id_gate_by_key", set_=renewed, where=_may_change(row, gate, verdict))
        if connection.execute(keep.returning(approvals.c.id)).one_or_none() is None:
            what = f"{by.name} has answered for {gate or 'all gates'} of {row.id} before"
            raise AnsweredAlready(what=what, remedy="ue approval list shows what is still awaited")
        data: dict[str, JsonValue] = {"gate": gate or None, "plan_hash": row.plan_hash, "roles": [role.value for role in sorted(by.roles)]}
        self._audit.append(connection, AuditEntry(at=now(), actor=by.name, action=_ACTIONS[verdict], run=row.id, reason=note, data=data))
        said = "says that it can't wait" if verdict is Verdict.OVERRIDDEN else f"{'approves' if verdict is Verdict.GRANTED else 'refuses'} {gate}"
        line = Line(kind=EntryKind.ANSWERED, message=f"{by.name} {said}: {note}", data={"by": by.name, "gate": gate, "verdict": verdict.value})
        self._journal.write(connection, row.id, line)

    def _view(self, connection: Connection, run_id: str) -> ApprovalView:
        kept = stored(connection, run_id)
        rules, answers, at = rules_of(kept.plan), answers_of(connection, run_id), now()
        asked = tuple(
            GateAsked(
                gate=rule.gate,
                title=rule.title,
                roles=rule.roles,
                needed=rule.needed,
                granted=len(counted(rule, answers, at)),
                override=rule.override,
            )
            for rule in rules
        )
        approved = approved_since(rules, answers, at) is not None
        return ApprovalView(run=kept.view, gates=asked, answers=answers, until=_until(kept, rules, answers, at), approved=approved)


def _may_change(row: Row[tuple[object, ...]], gate: str, verdict: Verdict) -> ColumnElement[bool]:
    """Return whether an answer may take the place of an earlier one by the same person: a no that of a yes, and a yes that of one that counts no more."""
    if verdict is Verdict.REFUSED:
        return true()
    lasts = next((rule.lasts for rule in rules_of(row.plan) if rule.gate == gate), None)
    return false() if lasts is None else approvals.c.at < func.clock_timestamp() - lasts


def rules_of(plan: JsonValue) -> tuple[ApprovalRule, ...]:
    """Return whose yes a kept plan needs."""
    asked = plan.get("approvals", []) if isinstance(plan, dict) else []
    return decode(asked, tuple[ApprovalRule, ...])


def answers_of(connection: Connection, run_id: str) -> tuple[Answer, ...]:
    """Return what was answered for the run, oldest first."""
    rows = connection.execute(select(approvals).where(approvals.c.run_id == run_id).order_by(approvals.c.id))
    return tuple(Answer(gate=row.gate, verdict=Verdict(row.verdict), by=row.by, note=row.note, at=row.at) for row in rows)


def _until(kept: StoredRun, rules: tuple[ApprovalRule, ...], answers: tuple[Answer, ...], at: datetime) -> datetime:
    since = approved_since(rules, answers, at)
    if since is not None:
        return since + min(rule.begins_within for rule in rules)
    return kept.view.created_at + max(rule.lasts for rule in rules) if rules else kept.view.created_at


def _rule(run_id: str, rules: tuple[ApprovalRule, ...], gate: str | None, by: Person) -> ApprovalRule:
    """Return the gate's rule; without a gate, the one that is theirs to answer."""
    mine = [rule for rule in rules if (gate is None and by.roles.intersection(rule.roles)) or rule.gate == gate]
    if len(mine) == 1:
        return mine[0]
    named = ", ".join(rule.gate for rule in (mine or rules))
    if gate is not None:
        raise UnknownGate(what=f"{run_id} needs no approval called {gate!r}", remedy=f"one of: {named}")
    if mine:
        raise UnknownGate(what=f"{by.name} may answer for more than one gate of {run_id}: {named}", remedy="say which: --gate NAME")
    raise NotAllowed(what=f"nothing of {run_id} is {by.name}'s to answer: it needs {named}", remedy="ue approval list shows who may")


def _nobody(_holder: str) -> bool:
    return False
