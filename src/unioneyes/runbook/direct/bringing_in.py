"""Bringing break-glass runs in: what people did while the control plane was away stands in the audit log, and no run goes on as if nothing had happened."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from pydantic import JsonValue
from sqlalchemy import Connection, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.audit.entry import ENGINE, Action, AuditEntry, Origin
from unioneyes.runbook.codec import problem_json
from unioneyes.runbook.definition import takes_over
from unioneyes.runbook.direct.folder import DirectFolder, SomebodyIsAtIt
from unioneyes.runbook.direct.journal import DirectLine, JournalDamaged, JournalNotKept, read_journal
from unioneyes.runbook.direct.views import direct_run, plan_of
from unioneyes.runbook.problems import CannotBeKept, ServiceLocked
from unioneyes.runbook.store import audit, lock
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.journal import Journal
from unioneyes.runbook.store.tables import runs, service_locks
from unioneyes.runbook.views import EntryKind

_TURN = 0x7565_0004
"""Key of the advisory lock under which one process at a time brings something in."""
_TOLD = ("uid", "host", "control", "runbook", "request", "plan_hash", "from", "effect", "took_s", "attempt", "status")
"""What the audit log keeps of a line's data; results and plans stand with the run."""

_logger = logging.getLogger(__name__)


class BringingIn:
    """Looks for journals in a folder, and brings each in once. For any thread."""

    def __init__(self, database: ControlDatabase, folder: DirectFolder | None, *, trail: AuditTrail, journal: Journal, service: str) -> None:
        """Bring into `database` what stands in `folder`; nothing without one."""
        self._database = database
        self._folder = folder
        self._trail = trail
        self._journal = journal
        self._service = service
        self._one = Lock()
        self._damaged: dict[Path, str] = {}
        """Journals that are reported, with the SHA-256 of what stood in them."""
        self.trouble: str | None = None
        """Why something is not brought in; None while nothing waits."""

    def __call__(self) -> bool:
        """Return whether a run may go on: nothing waits to be brought in, or it was now. False while a person is at it. Raises: ControlDatabaseUnavailable."""
        if self._folder is None:
            return True
        try:
            if not self._folder.open_journals():
                self.trouble, self._damaged = None, {}
                return True
            with self._one:
                return self._bring_all_in(self._folder)
        except (OSError, JournalNotKept) as error:
            self._report(f"its journals can't be looked at: {error}")
            return False

    def _bring_all_in(self, folder: DirectFolder) -> bool:
        with self._database.transaction() as connection:  # a database that is away must not be waited for with the folder in hand: a person may need it
            connection.execute(select(literal(1)))
        try:
            with folder.alone("the control plane"):
                troubles = [found for path in folder.open_journals() if (found := self._bring_in(folder, path))]
        except SomebodyIsAtIt as problem:
            self.trouble = problem.what
            return False
        self.trouble = "; ".join(troubles) or None
        return True

    def _bring_in(self, folder: DirectFolder, path: Path) -> str | None:
        """The journal is in the audit log, and set aside; or return what is wrong with it: then it stays where it is, and the log says so."""
        try:
            lines = read_journal(path)
            if lines:
                with self._database.transaction() as connection:
                    connection.execute(select(func.pg_advisory_xact_lock(_TURN)))
                    self._append(connection, lines)
        except (JournalDamaged, CannotBeKept) as problem:
            return self._note_damaged(path, problem)
        except (KeyError, ValueError) as error:
            return self._note_damaged(path, JournalDamaged(what=f"{path.name} tells of no run that can be read ({error!r})", remedy="keep the file"))
        try:
            folder.set_aside(path)
        except OSError as error:  # it stands in the log, so no run need wait for this
            self._report(f"{path} was brought in, and can't be set aside: {error.strerror}")
            return self.trouble
        _logger.warning("the break-glass journal %s was brought into the audit log", path.name)
        return None

    def _append(self, connection: Connection, lines: tuple[DirectLine, ...]) -> None:
        """What is not in the audit log yet is, and the run is among the runs. Killed after this and before the file is set aside: nothing is appended twice."""
        run_id = lines[0].entry.run_id
        known = audit.imported(connection, run_id)
        for line in lines:
            if _identity(line) not in known:
                self._trail.append(connection, _audited(lines[0], line))
        if self._keep_run(connection, lines):
            self._supersede(connection, run_id, until=lines[-1].entry.at, reason=lines[0].entry.message, by=lines[0].by)
            self._journal.bring_in(connection, [line.entry for line in lines])

    def _keep_run(self, connection: Connection, lines: tuple[DirectLine, ...]) -> bool:
        """The run stands among the others, ended; return whether it does only now."""
        run = direct_run(lines)
        values = {
            "id": run.id,
            "runbook": run.runbook,
            "summary": run.summary,
            "status": run.status.value if run.status.ended else RunStatus.FAILED.value,
            "service": self._service,
            "requested_by": run.requested_by,
            "request": run.request,
            "plan": plan_of(lines),
            "plan_hash": run.plan_hash,
            "parks": False,
            "created_at": run.created_at,
            "enqueued_at": run.created_at,
            "started_at": run.started_at,
            "ended_at": run.ended_at or lines[-1].entry.at,
            "step": run.step,
            "result": run.result,
            "problem": run.problem if run.status.ended else problem_json(_unfinished(run.id).document()),
        }
        return connection.execute(insert(runs).values(values).on_conflict_do_nothing().returning(runs.c.id)).one_or_none() is not None

    def _supersede(self, connection: Connection, run_id: str, *, until: datetime, reason: str, by: str) -> None:
        """The run that held the service meanwhile stops where it is, as under any rollback; one that is a rollback itself is left to its end."""
        before = select(runs.c.id).join(service_locks, service_locks.c.run_id == runs.c.id).where(service_locks.c.service == self._service)
        if connection.execute(before.where(runs.c.created_at <= until)).one_or_none() is None:
            return
        try:
            held = lock.obtain(connection, service=self._service, run_id=run_id, reason=reason, supersedes=lambda runbook: not takes_over(runbook))
        except ServiceLocked:
            return
        lock.release(connection, service=self._service, run_id=run_id)
        if held.superseded is not None:
            connection.execute(update(runs).where(runs.c.id == run_id).values(took_over_from=held.superseded))
            entry = AuditEntry(at=now(), actor=by, action=Action.RUN_SUPERSEDED, run=held.superseded, reason=reason, data={"superseded_by": run_id})
            self._trail.append(connection, entry)

    def _note_damaged(self, path: Path, problem: Problem) -> str:
        """The audit log says once that this file is not what was written. A run that was under way then does not go on: something was changed."""
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError:
            found, at = "unreadable", now()
        if self._damaged.get(path) != found:
            run_id = path.stem
            data: dict[str, JsonValue] = {"entry": f"{run_id}/{found}", "kind": "damaged", "message": problem.what, "file": path.name, "sha256": found}
            with self._database.transaction() as connection:
                connection.execute(select(func.pg_advisory_xact_lock(_TURN)))
                if data["entry"] not in audit.imported(connection, run_id):
                    entry = AuditEntry(at=now(), actor=ENGINE, action=Action.BREAK_GLASS, run=run_id, origin=Origin.LOCAL_JOURNAL, data=data)
                    self._trail.append(connection, entry)
                    self._supersede(connection, run_id, until=at, reason=problem.what, by=ENGINE)
            self._report(f"{problem}; it stays where it is: {path}")
            self._damaged[path] = found
        return f"{problem.what}; look at it, and move it away: {path}"

    def _report(self, what: str) -> None:
        if what != self.trouble:  # it is tried again several times a second
            _logger.critical("break-glass: %s", what)
        self.trouble = what


def _identity(line: DirectLine) -> str:
    return f"{line.entry.run_id}/{line.entry.seq}"


def _audited(first: DirectLine, line: DirectLine) -> AuditEntry:
    """Return what the audit log keeps of one line."""
    entry = line.entry
    problem = entry.data.get("problem")
    said: dict[str, JsonValue] = {name: entry.data[name] for name in _TOLD if name in entry.data}
    if isinstance(problem, dict):
        said["problem"] = problem.get("detail")
    return AuditEntry(
        at=entry.at,
        actor=line.by,
        action=Action.BREAK_GLASS,
        run=entry.run_id,
        reason=str(first.entry.data["reason"]) if entry.kind is EntryKind.RUN_STARTED else None,
        origin=Origin.LOCAL_JOURNAL,
        data={"entry": _identity(line), "kind": entry.kind.value, "step": entry.step, "message": entry.message, **said},
    )


def _unfinished(run_id: str) -> LeftInTheMiddle:
    return LeftInTheMiddle(what=f"{run_id} was begun while the control plane was away, and not finished", remedy="ue deploy status says who serves")


class LeftInTheMiddle(Problem):
    """A break-glass run was killed, and nobody went on with it."""
