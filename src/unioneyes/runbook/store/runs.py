"""The runs: what was asked for and planned, where each is, and who carries it out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files

from pydantic import JsonValue
from sqlalchemy import Connection, FromClause, Row, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import ProblemDocument
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.audit.entry import ENGINE, Action, AuditEntry
from unioneyes.runbook.codec import problem_json
from unioneyes.runbook.problems import ChoiceNotOffered, LineStopped, PartOfAnotherRun, RunCancelled, RunEnded, RunNotParked, UnknownRun
from unioneyes.runbook.steps import Stop
from unioneyes.runbook.store import lock
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.family import family
from unioneyes.runbook.store.journal import Journal, Line
from unioneyes.runbook.store.tables import approvals, decisions, runs
from unioneyes.runbook.views import Decision, EntryKind, JournalEntry, LockView, RunView

_LOOK, _ENTER, _NOTE, _ENQUEUED = (files(__package__).joinpath(f"{name}.sql").read_text() for name in ("look", "enter", "note", "enqueued"))
_ROW = select(runs).where(runs.c.id == bindparam("run_id"))
_ATTEMPT = select(runs.c.attempt).where(runs.c.id == bindparam("run_id")).with_for_update(key_share=True)
_CREATED = insert(runs).inline().on_conflict_do_nothing(index_elements=[runs.c.id])
_TAKEN_UP = update(runs).where(runs.c.id == bindparam("run_id")).values(attempt=runs.c.attempt + 1, worker=bindparam("by")).returning(runs.c.attempt)
_PARTS_TAKEN_UP = update(runs).where(runs.c.parent == bindparam("run_id"), runs.c.ended_at.is_(None)).values(worker=bindparam("by"))
_BEGUN = update(runs).where(runs.c.id == bindparam("run_id")).values(status=RunStatus.RUNNING.value, started_at=func.clock_timestamp())
_ENDED = (
    update(runs)
    .where(runs.c.id == bindparam("run_id"))
    .values(status=bindparam("ends_as"), ended_at=func.clock_timestamp(), result=bindparam("came"), problem=bindparam("went_wrong"), choices=[])
)
_SAID = select(approvals.c.gate, approvals.c.by).where(approvals.c.run_id == bindparam("run_id")).order_by(approvals.c.id)
"""Statements of every run, made once: making one costs as much as carrying it out."""
_RELAXED = text("SET LOCAL synchronous_commit TO off")
_SHOWN = select(*(column for column in runs.c if column.name != "plan")).subquery("shown")
_LAST_RUNS = 20
"""Of a runbook, that say how long its steps take."""
_WAITING = {RunStatus.PARKED.value, RunStatus.HELD.value}
"""How a run stands that waits for a person."""


class ExecutionLost(BaseException):
    """This execution is not in charge of its run any more, and must leave everything as it is. No `except Exception` may swallow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run that was planned."""

    id: str
    runbook: str
    summary: str
    service: str
    requested_by: str
    request: JsonValue
    plan: JsonValue
    plan_hash: str
    parks: bool
    hashed: frozenset[str] = frozenset()
    """Fields of the request of which the audit log keeps the hash."""
    parent: str | None = None
    confirmed: str | None = None
    """What a person typed, of a plan that asks for it."""
    awaits: tuple[str, ...] = ()
    """Gates for which others must say yes before it begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run as it is kept."""

    view: RunView
    plan: JsonValue
    service: str
    parks: bool
    took_over_from: str | None
    superseded_by: str | None
    cancelled_by: str | None
    cancel_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to carry a run out, its children included. It ends when another worker takes the run up."""

    root: str
    service: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """The run is in a step."""

    token: int | None
    """By which it holds its service, and which its writes carry; None where it holds none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended."""

    status: RunStatus
    message: str
    result: JsonValue = None
    problem: ProblemDocument | None = None


class Runs:
    """Every question and every change, each in one transaction, its audit entry included. What an execution writes is fenced by its claim."""

    def __init__(self, database: ControlDatabase, redactor: Redactor) -> None:
        """Keep runs in `database`; the journal and the audit log are redacted by `redactor`."""
        self._database = database
        self._redact = redactor
        self._journal = Journal(redactor)
        self._audit = AuditTrail(redactor)

    # What people and the API ask for

    def create(self, new: NewRun, *, locks: bool, supersedes: Callable[[str], bool]) -> StoredRun:
        """The run stands in the database, and holds its service when it `locks`; one that must be approved first holds nothing.

        Where there is a run of its name, nothing changes, and that one is returned. Raises: ServiceLocked.
        """
        with self._database.transaction() as connection:
            if connection.execute(_CREATED, _columns(new)).rowcount == 0:
                return _stored(_row(connection, new.id))
            self._append(connection, Action.RUN_REQUESTED, new.id, by=new.requested_by, reason=_reason(new.request), data=_asked(new))
            if new.awaits:
                line = Line(kind=EntryKind.AWAITED, message=f"it begins when others said yes: {', '.join(new.awaits)}", data={"by": new.requested_by})
                self._journal.write(connection, new.id, line)
            elif locks:
                obtained = lock.obtain(connection, service=new.service, run_id=new.id, reason=new.summary, supersedes=supersedes)
                connection.execute(update(runs).where(runs.c.id == new.id).values(took_over_from=obtained.superseded))
                self._superseded(connection, obtained.superseded, new)
            return _stored(_row(connection, new.id))

    def get(self, run_id: str) -> StoredRun:
        """Return the run. Raises: UnknownRun."""
        with self._database.transaction() as connection:
            return _stored(_row(connection, run_id))

    def family(self, run_id: str) -> tuple[StoredRun, ...]:
        """Return the run's parts, and the run."""
        with self._database.transaction() as connection:
            return tuple(_stored(row) for row in _family(connection, run_id))

    def page(self, *, limit: int, before: str | None, runbook: str | None, status: RunStatus | None) -> tuple[RunView, ...]:
        """Return the newest runs first, from before the run `before` on. Raises: UnknownRun."""
        return tuple(map(_view, self._page(_SHOWN, limit=limit, before=before, runbook=runbook, status=status)))

    def planned_page(self, *, limit: int, before: str | None, runbook: str) -> tuple[StoredRun, ...]:
        """Return the same with their plans, which are most of what is kept of a run. Raises: UnknownRun."""
        return tuple(map(_stored, self._page(runs, limit=limit, before=before, runbook=runbook, status=None)))

    def _page(self, of: FromClause, *, limit: int, before: str | None, runbook: str | None, status: RunStatus | None) -> Sequence[Row[tuple[object, ...]]]:
        wanted = select(of).order_by(of.c.number.desc()).limit(limit)
        if runbook is not None:
            wanted = wanted.where(of.c.runbook == runbook)
        if status is not None:
            wanted = wanted.where(of.c.status == status.value)
        with self._database.transaction() as connection:
            if before is not None:
                wanted = wanted.where(of.c.number < _row(connection, before).number)
            return connection.execute(wanted).all()

    def journal(self, run_id: str | None, *, after: int, limit: int) -> tuple[JournalEntry, ...]:
        """Return lines of the journal, oldest first. Raises: UnknownRun."""
        with self._database.transaction() as connection:
            if run_id is not None:
                _row(connection, run_id)
            return self._journal.read(connection, run_id, after=after, limit=limit)

    def was_begun(self, run_id: str, number: int) -> bool:
        """Return whether the run was ever in this one of its steps, whoever carried it out."""
        with self._database.transaction() as connection:
            return self._journal.was_begun(connection, run_id, number)

    def step_times(self, runbook: str) -> dict[str, timedelta]:
        """Return how long each step took in the last runs of `runbook` that were done: the median."""
        last = select(runs.c.id).where(runs.c.runbook == runbook, runs.c.status == RunStatus.DONE.value).order_by(runs.c.number.desc()).limit(_LAST_RUNS)
        with self._database.transaction() as connection:
            return self._journal.step_times(connection, last)

    def lock(self, service: str) -> LockView | None:
        """Return who holds the service."""
        with self._database.transaction() as connection:
            return lock.view(connection, service)

    def cancel(self, run_id: str, *, by: str, reason: str) -> StoredRun:
        """The run is told to stop. Told already: nothing changes. Raises: RunEnded, PartOfAnotherRun, UnknownRun."""
        reason = self._redact(reason)
        with self._database.transaction() as connection:
            row = open_row(connection, run_id)
            if row.parent is not None:
                raise PartOfAnotherRun(what=f"{run_id} is a part of {row.parent}", remedy=f"ue run cancel {row.parent}")
            if row.cancelled_by is None:
                connection.execute(update(runs).where(runs.c.id == run_id).values(cancelled_by=by, cancel_reason=reason))
                self._append(connection, Action.RUN_CANCELLED, run_id, by=by, reason=reason)
                self._journal.write(connection, run_id, Line(kind=EntryKind.DECIDED, message=f"{by} cancels: {reason}", data={"by": by, "reason": reason}))
                if row.status == RunStatus.AWAITING_APPROVAL.value:  # no worker has it
                    problem = RunCancelled(what=f"cancelled by {by}: {reason}", remedy="start it anew when the reason is gone")
                    self._end(connection, run_id, Ending(status=RunStatus.CANCELLED, message=problem.what, problem=problem.document()), by=by)
            return _stored(_row(connection, run_id))

    def decide(self, run_id: str, decision: Decision, *, by: str, reason: str) -> StoredRun:
        """The run that waits for a person goes on as decided; the first decision counts.

        Raises: RunNotParked, ChoiceNotOffered, RunEnded, UnknownRun.
        """
        reason = self._redact(reason)
        with self._database.transaction() as connection:
            row = open_row(connection, run_id)
            if row.status not in _WAITING:
                raise RunNotParked(what=f"{run_id} is {row.status}, and waits for no decision", remedy=f"ue run watch {run_id}")
            if not row.choices:
                raise RunNotParked(what=f"{run_id} is held by the stopped line, and waits for no decision", remedy="ue freeze list says by whom and why")
            if decision.value not in row.choices:
                raise ChoiceNotOffered(what=f"{row.step} can't be decided by {decision.value}", remedy=f"one of: {', '.join(row.choices)}")
            made = connection.execute(
                insert(decisions)
                .values(run_id=run_id, parking=row.parking, decision=decision.value, decided_by=by, reason=reason)
                .on_conflict_do_nothing()
                .returning(decisions.c.id)
            ).one_or_none()
            if made is None:
                raise RunNotParked(what=f"{run_id} was decided a moment ago", remedy=f"ue run show {run_id}")
            going_on = {"status": RunStatus.RUNNING.value, "choices": []}  # who follows it now must not take it for held
            connection.execute(update(runs).where(runs.c.id == run_id).values(going_on))
            chosen: dict[str, JsonValue] = {"decision": decision.value, "step": row.step}
            self._append(connection, Action.RUN_DECIDED, run_id, by=by, reason=reason, data=chosen)
            line = Line(
                kind=EntryKind.DECIDED,
                step=row.step,
                message=f"{by} decides {decision.value}: {reason}",
                data={"by": by, "decision": decision.value, "reason": reason},
            )
            self._journal.write(connection, run_id, line)
            return _stored(_row(connection, run_id))

    def end_unbegun(self, connection: Connection, run_id: str, ending: Ending, *, by: str) -> None:
        """A run that no worker has, has ended, in the caller's transaction."""
        self._end(connection, run_id, ending, by=by)

    # What an execution writes

    def take_up(self, run_id: str, worker: str) -> tuple[StoredRun, Claim]:
        """`worker` is in charge of the run; whoever was before is not. The journal tells when the run changed hands."""
        with self._database.transaction() as connection:
            before = _row(connection, run_id)
            if before.worker is not None and before.ended_at is None:  # the lock before the run, as in `_fenced`
                lock.renew(connection, service=before.service, run_ids=[each.id for each in _family(connection, run_id)])
            attempt: int = connection.execute(_TAKEN_UP, {"run_id": run_id, "by": worker}).scalar_one()
            connection.execute(_PARTS_TAKEN_UP, {"run_id": run_id, "by": worker})
            if before.worker is not None and before.ended_at is None:
                data: dict[str, JsonValue] = {"from": before.worker, "to": worker, "attempt": attempt}
                self._append(connection, Action.RUN_TAKEN_OVER, run_id, by=worker, data=data)
                line = Line(kind=EntryKind.TAKEN_OVER, message=f"{worker} takes over from {before.worker}", data=data)
                self._journal.write(connection, run_id, line)
            return _stored(_row(connection, run_id)), Claim(root=run_id, service=before.service, attempt=attempt)

    def begin(self, claim: Claim, run_id: str) -> None:
        """The run is running. Raises: ExecutionLost."""
        with self._fenced(claim, relaxed=True) as connection:
            row = _row(connection, run_id)
            if row.started_at is None:
                connection.execute(_BEGUN, {"run_id": run_id})
                self._append(connection, Action.RUN_BEGUN, run_id, by=row.worker or ENGINE, approval=approved_by(connection, run_id))
                self._journal.write(connection, run_id, Line(kind=EntryKind.RUN_STARTED, message=row.summary, data={"by": row.requested_by}))

    def stop(self, claim: Claim, run_id: str, *, cancellable: bool) -> Stop | None:
        """Return why the run must stop; None when it may go on. Raises: ExecutionLost."""
        (why,) = self._database.ask(_LOOK, {**_of(claim), "part": run_id, "cancellable": cancellable})
        return _stop(why)

    def begin_step(self, claim: Claim, run_id: str, line: Line, *, cancellable: bool, heeds_line: bool) -> Stop | Entered:
        """The run is in `line.step`, and the journal says so, unless the run must stop: then why is returned.

        Raises: ExecutionLost; LineStopped where the step `heeds_line` and somebody stopped it.
        """
        asked = {"part": run_id, "cancellable": cancellable, "heeds_line": heeds_line}
        shown = {
            "shows": line.kind is EntryKind.STEP_STARTED,  # while a run is taken back, it still shows the step that failed
            "status": RunStatus.RUNNING.value,  # also where the line held it, and was opened while nobody carried it out
        }
        why, token = self._database.ask(_ENTER, {**_of(claim), **asked, **shown, **self._journal.written(line)})
        return _stop(why) or Entered(token=None if token is None else int(str(token)))

    def note(self, claim: Claim, run_id: str, line: Line) -> None:
        """The journal ends with `line`. Raises: ExecutionLost."""
        (claimed,) = self._database.ask(_NOTE, {**_of(claim), "run": run_id, **self._journal.written(line)})
        if not claimed:
            raise ExecutionLost

    def renew(self, claim: Claim, run_id: str) -> int | None:
        """The run holds its service by a new token, which is returned: what an earlier one still writes is refused from its next write on.

        None where it holds none. Raises: ExecutionLost.
        """
        with self._fenced(claim, hands_lock_on=True) as connection:
            return lock.renew(connection, service=claim.service, run_ids=[run_id])

    def set_status(self, claim: Claim, run_id: str, status: RunStatus) -> None:
        """The run has `status`. Raises: ExecutionLost."""
        with self._fenced(claim) as connection:
            connection.execute(update(runs).where(runs.c.id == run_id).values(status=status.value))

    def park(self, claim: Claim, run_id: str, *, status: RunStatus, parking: int, choices: tuple[Decision, ...], line: Line) -> None:
        """The run waits for a person for the `parking`-th time, and shows so by `status`. Raises: ExecutionLost."""
        with self._fenced(claim) as connection:
            row = _row(connection, run_id)
            connection.execute(
                update(runs)
                .where(runs.c.id == run_id)
                .values(status=status.value, parking=parking, step=line.step, choices=[choice.value for choice in choices])
            )
            if row.parking < parking:
                self._journal.write(connection, run_id, line)

    def decision(self, run_id: str, parking: int) -> Decision | None:
        """Return what was decided for the `parking`-th time that the run was parked."""
        with self._database.transaction() as connection:
            made = connection.execute(select(decisions.c.decision).where(decisions.c.run_id == run_id, decisions.c.parking == parking)).scalar_one_or_none()
            return None if made is None else Decision(made)

    def create_child(self, claim: Claim, new: NewRun, *, locks: bool, supersedes: Callable[[str], bool]) -> None:
        """The child run stands in the database, and holds what its parent held. Made already: nothing changes.

        Raises: ServiceLocked, ExecutionLost.
        """
        with self._fenced(claim, hands_lock_on=True) as connection:
            columns = {**_columns(new), "took_over_from": new.parent, "worker": _row(connection, claim.root).worker}
            made = connection.execute(insert(runs).values(**columns).on_conflict_do_nothing().returning(runs.c.id)).one_or_none()
            if made is None or new.parent is None:
                return
            self._append(connection, Action.RUN_REQUESTED, new.id, by=new.requested_by, reason=_reason(new.request), data=_asked(new))
            if locks and lock.pass_on(connection, service=new.service, giver=new.parent, taker=new.id, reason=new.summary) is None:
                obtained = lock.obtain(connection, service=new.service, run_id=new.id, reason=new.summary, supersedes=supersedes)
                self._superseded(connection, obtained.superseded, new)

    def end(self, claim: Claim, run_id: str, ending: Ending) -> None:
        """The run has ended, and its service is free, or its parent's again. Ended already: nothing changes. Raises: ExecutionLost."""
        with self._fenced(claim, hands_lock_on=True, relaxed=True) as connection:
            self._end(connection, run_id, ending)

    def end_family(self, claim: Claim, ending: Ending) -> None:
        """The run and its parts have ended, those left out that had before, and the service is free. Raises: ExecutionLost."""
        with self._fenced(claim, hands_lock_on=True) as connection:
            for row in _family(connection, claim.root):
                self._end(connection, row.id, ending)

    # What keeps runs moving

    def not_enqueued(self) -> tuple[tuple[str, str], ...]:
        """Return (id, runbook) of the runs that were created and not handed to any worker."""
        with self._database.transaction() as connection:
            waiting = runs.c.status == RunStatus.AWAITING_APPROVAL.value
            wanted = select(runs.c.id, runs.c.runbook).where(runs.c.enqueued_at.is_(None), runs.c.parent.is_(None), runs.c.ended_at.is_(None), ~waiting)
            return tuple((row.id, row.runbook) for row in connection.execute(wanted))

    def mark_enqueued(self, run_id: str) -> None:
        """The run was handed to the workers."""
        self._database.ask(_ENQUEUED, {"run": run_id})

    def unended(self) -> tuple[str, ...]:
        """Return the runs that were handed to the workers and have not ended, children left out."""
        with self._database.transaction() as connection:
            wanted = select(runs.c.id).where(runs.c.ended_at.is_(None), runs.c.parent.is_(None), runs.c.enqueued_at.is_not(None))
            return tuple(connection.execute(wanted).scalars())

    def give_up(self, run_id: str, problem: ProblemDocument) -> None:
        """The run and its children have ended, because nobody will carry them on."""
        with self._database.transaction() as connection:
            family = _family(connection, run_id)
            lock.await_others(connection, family[0].service)
            connection.execute(update(runs).where(runs.c.id == run_id).values(attempt=runs.c.attempt + 1))  # an execution that still lives is fenced off
            for row in family:
                status = RunStatus.FAILED if row.started_at is None else RunStatus.UNDO_FAILED
                self._end(connection, row.id, Ending(status=status, message=problem["detail"], problem=problem), by=ENGINE)

    def ended_before(self, *, older_than: timedelta, limit: int) -> tuple[str, ...]:
        """Return runs that ended longer ago than `older_than`, children left out."""
        with self._database.transaction() as connection:
            wanted = select(runs.c.id).where(runs.c.ended_at < func.clock_timestamp() - older_than, runs.c.parent.is_(None)).limit(limit)
            return tuple(connection.execute(wanted).scalars())

    def forget(self, run_ids: tuple[str, ...]) -> None:
        """Nothing is left of these runs but their audit entries: their children, decisions and journal go with them."""
        with self._database.transaction() as connection:
            gone = connection.execute(delete(runs).where(runs.c.id.in_(family(run_ids))).returning(runs.c.id)).scalars().all()
            for run_id in sorted(gone):
                self._append(connection, Action.RUN_FORGOTTEN, run_id, by=ENGINE)

    @contextmanager
    def _fenced(self, claim: Claim, *, hands_lock_on: bool = False, relaxed: bool = False) -> Iterator[Connection]:
        """Give a transaction in which nobody else can take the run up. Raises: ExecutionLost when somebody did before.

        `relaxed`: where PostgreSQL crashes before any later strict transaction was kept, it is lost. For what is done again then, because what the durable
        engine keeps afterwards is lost as well. The journal's turn is handed on without waiting for the disk.
        """
        with self._database.transaction() as connection:
            if relaxed:
                connection.execute(_RELAXED)
            if hands_lock_on:  # the lock before the run, as whoever takes it over does: the other way round, the two could wait for each other
                lock.await_others(connection, claim.service)
            attempt = connection.execute(_ATTEMPT, {"run_id": claim.root}).scalar_one_or_none()
            if attempt != claim.attempt:
                raise ExecutionLost
            yield connection

    def _append(
        self,
        connection: Connection,
        action: Action,
        run_id: str,
        *,
        by: str,
        reason: str | None = None,
        approval: str | None = None,
        data: dict[str, JsonValue] | None = None,
    ) -> None:
        """Before the journal's line, for which other writers wait until the transaction ends."""
        self._audit.append(connection, AuditEntry(at=now(), actor=by, action=action, run=run_id, reason=reason, approval=approval, data=data or {}))

    def _superseded(self, connection: Connection, run_id: str | None, by: NewRun) -> None:
        if run_id is not None:
            self._append(connection, Action.RUN_SUPERSEDED, run_id, by=by.requested_by, reason=by.summary, data={"superseded_by": by.id})

    def _end(self, connection: Connection, run_id: str, ending: Ending, *, by: str | None = None) -> None:
        """The run has ended; the audit log says by whom, which is its worker where nobody else is named."""
        row = _row(connection, run_id)
        if row.ended_at is not None:
            return
        connection.execute(_ENDED, {"run_id": run_id, "ends_as": ending.status.value, "came": ending.result, "went_wrong": ending.problem})
        parent = None if row.parent is None else _row(connection, row.parent)
        if parent is not None and parent.token is not None:
            lock.pass_on(connection, service=row.service, giver=run_id, taker=row.parent, reason=parent.summary)
        else:
            lock.release(connection, service=row.service, run_id=run_id)
        data: dict[str, JsonValue] = {"status": ending.status.value, "result": ending.result}
        if ending.problem is not None:
            data["problem"] = problem_json(ending.problem)
        outcome: dict[str, JsonValue] = {"status": ending.status.value, "message": ending.message}
        self._append(connection, Action.RUN_ENDED, run_id, by=by or row.worker or ENGINE, data=outcome)
        self._journal.write(connection, run_id, Line(kind=EntryKind.RUN_ENDED, message=ending.message, data=data))


def _of(claim: Claim) -> dict[str, object]:
    """Return the claim as the statements take it."""
    return {"root": claim.root, "attempt": claim.attempt}


def _stop(why: object) -> Stop | None:
    """Return why the run must stop, from the word that a statement says: it lost the service, or somebody cancelled it.

    Raises: ExecutionLost; LineStopped where the run heeds the line and may go on otherwise.
    """
    match why:
        case "lost":
            raise ExecutionLost
        case "line-stopped":
            raise LineStopped(what="the line is stopped", remedy="ue freeze list says by whom and why")
        case str():
            return Stop(why)
        case _:
            return None


def _asked(new: NewRun) -> dict[str, JsonValue]:
    """Return what the audit log keeps of a run that was asked for."""
    return {
        "runbook": new.runbook,
        "service": new.service,
        "summary": new.summary,
        "request": _audited(new.request, new.hashed),
        "plan_hash": new.plan_hash,
        "parent": new.parent,
        "confirmed": new.confirmed,
    }


def _audited(request: JsonValue, hashed: frozenset[str]) -> JsonValue:
    """Return the request with the SHA-256 of each of the `hashed` texts in its place."""
    if not isinstance(request, dict):
        return request
    return {
        name: f"sha256:{hashlib.sha256(value.encode()).hexdigest()}" if name in hashed and isinstance(value, str) else value for name, value in request.items()
    }


def _reason(request: JsonValue) -> str | None:
    """Return the reason that a request gives; None where it gives none."""
    reason = request.get("reason") if isinstance(request, dict) else None
    return reason if isinstance(reason, str) else None


def _columns(new: NewRun) -> dict[str, object]:
    return {
        "id": new.id,
        "runbook": new.runbook,
        "summary": new.summary,
        "status": (RunStatus.AWAITING_APPROVAL if new.awaits else RunStatus.PENDING).value,
        "service": new.service,
        "requested_by": new.requested_by,
        "request": new.request,
        "plan": new.plan,
        "plan_hash": new.plan_hash,
        "parks": new.parks,
        "parent": new.parent,
    }


def _row(connection: Connection, run_id: str) -> Row[tuple[object, ...]]:
    row = connection.execute(_ROW, {"run_id": run_id}).one_or_none()
    if row is None:
        raise UnknownRun(what=f"there is no run {run_id}", remedy="ue run list")
    return row


def stored(connection: Connection, run_id: str) -> StoredRun:
    """Return the run, in the caller's transaction. Raises: UnknownRun."""
    return _stored(_row(connection, run_id))


def approved_by(connection: Connection, run_id: str) -> str | None:
    """Return who said yes to the run, as the audit log keeps it; None where nobody had to."""
    said = connection.execute(_SAID, {"run_id": run_id}).all()
    return ", ".join(f"{each.gate or 'override'} by {each.by}" for each in said) or None


def _family(connection: Connection, run_id: str) -> Sequence[Row[tuple[object, ...]]]:
    """Return the rows of the run and of all its parts, each part before what it is a part of."""
    wanted = select(runs).where(runs.c.id.in_(family([run_id])))
    return connection.execute(wanted.order_by(func.length(runs.c.id).desc())).all()  # a part is called like its whole, and by a number


def open_row(connection: Connection, run_id: str) -> Row[tuple[object, ...]]:
    """Return the run's row, locked until the transaction ends. Raises: RunEnded, UnknownRun."""
    row = connection.execute(select(runs).where(runs.c.id == run_id).with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise UnknownRun(what=f"there is no run {run_id}", remedy="ue run list")
    if row.ended_at is not None:
        raise RunEnded(what=f"{run_id} has ended: {row.status}", remedy=f"ue run show {run_id}")
    return row


def _view(row: Row[tuple[object, ...]]) -> RunView:
    return RunView(
        id=row.id,
        runbook=row.runbook,
        summary=row.summary,
        status=RunStatus(row.status),
        requested_by=row.requested_by,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        step=row.step,
        choices=tuple(map(Decision, row.choices)),
        worker=row.worker,
        parent=row.parent,
        request=row.request,
        plan_hash=row.plan_hash,
        result=row.result,
        problem=row.problem,
    )


def _stored(row: Row[tuple[object, ...]]) -> StoredRun:
    return StoredRun(
        view=_view(row),
        plan=row.plan,
        service=row.service,
        parks=row.parks,
        took_over_from=row.took_over_from,
        superseded_by=row.superseded_by,
        cancelled_by=row.cancelled_by,
        cancel_reason=row.cancel_reason,
    )
