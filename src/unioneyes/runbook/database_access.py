"""What a person does on the operated database by themselves, outside of any run: it stands in the audit log before it is done."""

from __future__ import annotations

from uuid import uuid4

from pydantic import JsonValue

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.environment import Environment
from unioneyes.ports.plans import Explained
from unioneyes.runbook.audit.entry import Action, AuditEntry
from unioneyes.runbook.reasons import usable
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.views import DatabaseSession


class DatabaseAccess:
    """Statements that a person has carried out, and sessions that a person opens. What they say is kept nowhere: members' data may stand in them."""

    def __init__(self, database: ControlDatabase, audit: AuditTrail, environment: Environment) -> None:
        """Lead to the database of `environment`."""
        self._database = database
        self._audit = audit
        self._environment = environment

    def analyze(self, statement: str, *, query_id: str | None, by: str, reason: str | None) -> Explained:
        """Return how `statement`, which only reads, was carried out; who asked for it and why stands in the audit log.

        Raises: NoReasonGiven in production, UnusableReason, ControlDatabaseUnavailable, and what the ports raise.
        """
        kept = self._reason(reason, asked=self._environment.facts.production)
        self._append(AuditEntry(at=now(), actor=by, action=Action.QUERY_ANALYZED, reason=kept, data={"query_id": query_id}))
        return self._environment.plans.analyze(statement, typed=query_id is None)

    def open(self, *, write: bool, by: str, reason: str | None) -> DatabaseSession:
        """Whoever asks may go in: who, whether to write, and why stands in the audit log. Raises: NoReasonGiven, UnusableReason, ControlDatabaseUnavailable."""
        kept = self._reason(reason, asked=write or self._environment.facts.production)
        session = str(uuid4())
        self._append(AuditEntry(at=now(), actor=by, action=Action.DATABASE_ENTERED, reason=kept, data={"session": session, "write": write}))
        return DatabaseSession(session=session)

    def end(self, session: str, *, seconds: float, exit_code: int, by: str) -> DatabaseSession:
        """That a session ended, after so many seconds, stands in the audit log. Raises: ControlDatabaseUnavailable."""
        data: dict[str, JsonValue] = {"session": session, "seconds": seconds, "exit_code": exit_code}
        self._append(AuditEntry(at=now(), actor=by, action=Action.DATABASE_LEFT, data=data))
        return DatabaseSession(session=session)

    def _append(self, entry: AuditEntry) -> None:
        with self._database.transaction() as connection:
            self._audit.append(connection, entry)

    def _reason(self, reason: str | None, *, asked: bool) -> str | None:
        if reason is None and asked:
            raise NoReasonGiven(what=f"{self._environment.facts.name} is production: say why", remedy='add --reason "..."')
        return None if reason is None else usable(reason)


class NoReasonGiven(BadInput):
    """Why somebody does that is kept, and nobody said it."""
