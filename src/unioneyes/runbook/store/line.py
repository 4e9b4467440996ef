"""Stopping the line: nothing changes a service any more, with a reason, until somebody lets it go on. Rollbacks are not held by it."""

from __future__ import annotations

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from unioneyes.kernel.clock import now
from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.audit.entry import Action, AuditEntry
from unioneyes.runbook.problems import LineNotStopped, LineStopped
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase
from unioneyes.runbook.store.tables import line_stops
from unioneyes.runbook.views import LineStop

_HOLDS = line_stops.c.lifted_at.is_(None)


class StoppedLine:
    """Every question and every change, each in one transaction. Raises: ControlDatabaseUnavailable."""

    def __init__(self, database: ControlDatabase, redactor: Redactor, service: str) -> None:
        """Keep what stops `service` in `database`; who stopped it and who let it go on stands in the audit log. Reasons are redacted by `redactor`."""
        self._database = database
        self._redact = redactor
        self._audit = AuditTrail(redactor)
        self._service = service

    def stop(self, *, reason: str, by: str) -> LineStop:
        """No run changes the service any more, from its next step on. Raises: LineStopped when somebody stopped it before."""
        reason = self._redact(reason)
        made = insert(line_stops).values(service=self._service, reason=reason, stopped_by=by).on_conflict_do_nothing().returning(line_stops)
        with self._database.transaction() as connection:
            while (row := connection.execute(made).one_or_none()) is None:
                standing = connection.execute(select(line_stops).where(line_stops.c.service == self._service, _HOLDS)).one_or_none()
                if standing is not None:  # else it was lifted in between
                    raise LineStopped(what=f"it is stopped already: {_view(standing)}", remedy="ue freeze end --reason WHY lets it go on")
            self._audit.append(connection, AuditEntry(at=now(), actor=by, action=Action.LINE_STOPPED, reason=reason))
            return _view(row)

    def lift(self, *, reason: str, by: str) -> LineStop:
        """Runs go on. Raises: LineNotStopped."""
        reason = self._redact(reason)
        with self._database.transaction() as connection:
            row = connection.execute(
                update(line_stops)
                .where(line_stops.c.service == self._service, _HOLDS)
                .values(lifted_at=func.clock_timestamp(), lifted_by=by, lift_reason=reason)
                .returning(line_stops)
            ).one_or_none()
            if row is None:
                raise LineNotStopped(what="nothing is stopped", remedy="ue freeze list")
            self._audit.append(connection, AuditEntry(at=now(), actor=by, action=Action.LINE_LIFTED, reason=reason))
            return _view(row)

    def stopped(self) -> LineStop | None:
        """Return what stops the service now; None when nothing does."""
        with self._database.transaction() as connection:
            row = connection.execute(select(line_stops).where(line_stops.c.service == self._service, _HOLDS)).one_or_none()
            return None if row is None else _view(row)

    def require_open(self) -> None:
        """Return when nothing is stopped. Raises: LineStopped, with who and why."""
        stopped = self.stopped()
        if stopped is not None:
            raise LineStopped(what=f"the line is stopped: {stopped}; nothing was changed", remedy="wait, or ask them; ue freeze end --reason WHY lets it go on")


def _view(row: Row[tuple[object, ...]]) -> LineStop:
    return LineStop(reason=row.reason, by=row.stopped_by, since=row.stopped_at, lifted_at=row.lifted_at, lifted_by=row.lifted_by)
