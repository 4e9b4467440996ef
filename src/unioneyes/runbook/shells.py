"""Shells in pods that a person asks for, outside of any run."""

from __future__ import annotations

from unioneyes.kernel.clock import now
from unioneyes.ports.environment import Environment
from unioneyes.ports.pods import NoSuchPod, ShellWay
from unioneyes.runbook.audit.entry import Action, AuditEntry
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase


class Shells:
    """Ways into the environment's pods. Nobody is told one who did not say why, and before that stands in the audit log."""

    def __init__(self, database: ControlDatabase, audit: AuditTrail, environment: Environment) -> None:
        """Lead into the pods of `environment`."""
        self._database = database
        self._audit = audit
        self._environment = environment

    def open(self, pod: str | None, *, terminal: bool, by: str, reason: str) -> ShellWay:
        """Return the way into `pod`, or into a ready one of the colour that serves; who asked for it and why stands in the audit log.

        Raises: NoSuchPod, PodNotRunning, ControlDatabaseUnavailable, and what the ports raise.
        """
        way = self._environment.pods.shell(self._serving() if pod is None else pod, terminal=terminal)
        with self._database.transaction() as connection:
            entry = AuditEntry(at=now(), actor=by, action=Action.SHELL_OPENED, reason=reason, data={"pod": way.pod, "terminal": terminal})
            self._audit.append(connection, entry)
        return way

    def _serving(self) -> str:
        live = self._environment.traffic.view().weights.live
        ready = sorted((pod for pod in self._environment.pods.all() if pod.ready), key=lambda pod: pod.colour is not live)
        if not ready:
            raise NoSuchPod(what="no pod is ready", remedy="ue app pods shows those that there are; name one")
        return ready[0].name
