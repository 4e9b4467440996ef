"""Smoke tests that a person asks for, outside of any run."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.environment import Environment
from unioneyes.ports.service import SmokeReport
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.audit.entry import Action, AuditEntry
from unioneyes.runbook.store.audit import AuditTrail
from unioneyes.runbook.store.database import ControlDatabase

_DEFAULT_PORTS = {"https": 443, "http": 80}


class SmokeTests:
    """Of the environment's service, at its own addresses: they act as a member, whose session no other address is to be shown."""

    def __init__(self, database: ControlDatabase, audit: AuditTrail, environment: Environment) -> None:
        """Test the service of `environment`; who asked for it stands in the audit log."""
        self._database = database
        self._audit = audit
        self._environment = environment

    def run(self, url: str | None, *, by: str, within: timedelta) -> SmokeReport:
        """Return how the end-to-end flows went at `url`, or where members come in. Failures are results.

        Raises: NotTheService, SmokeUnavailable, ControlDatabaseUnavailable.
        """
        service = self._environment.service
        known = dict.fromkeys((service.url(), *(service.url(colour) for colour in Colour)))
        chosen = service.url() if url is None else next((each for each in known if _place(each) == _place(url)), None)
        if chosen is None:
            raise NotTheService(what=f"{url} is no address of this environment's service", remedy=f"ask for {' or '.join(known)}")
        with self._database.transaction() as connection:
            self._audit.append(connection, AuditEntry(at=now(), actor=by, action=Action.SMOKE_TESTED, data={"url": chosen}))
        return service.smoke(url=chosen, within=within)


def _place(url: str) -> tuple[object, ...]:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    port = _DEFAULT_PORTS.get(scheme) if parts.port is None else parts.port
    return scheme, parts.username, parts.password, parts.hostname, port, parts.path.rstrip("/"), parts.query, parts.fragment


class NotTheService(BadInput):
    """Smoke tests were asked for somewhere else."""
