"""What the API and the pages stand on: one engine, one environment, one sampler."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Annotated

from fastapi import Depends, Request
from pydantic import SecretStr

from unioneyes.console.backup_watch import BackupWatch
from unioneyes.console.deployments import DEPLOYMENT, ROLLBACKS, deployment_view, step_times
from unioneyes.console.journals import Journals
from unioneyes.console.limits import Limits
from unioneyes.console.pod_sampler import PodSampler
from unioneyes.console.sampler import Sampler
from unioneyes.environments.sign_in import SignIn
from unioneyes.kernel.clock import now
from unioneyes.kernel.problems import Problem
from unioneyes.kernel.redaction import Redactor
from unioneyes.kernel.status import RunStatus
from unioneyes.operations.deployment.status import ColourStatus, DeploymentStatus, DeploymentView
from unioneyes.operations.rollback.model import Measured
from unioneyes.ports.chat import Chat
from unioneyes.ports.environment import Environment
from unioneyes.ports.replicas import Replica, incumbent, versions_on
from unioneyes.ports.traffic import Colour, TrafficView
from unioneyes.runbook.engine import Engine
from unioneyes.runbook.freshness import Drills
from unioneyes.runbook.own import OwnRunbooks
from unioneyes.runbook.store.sessions import Session
from unioneyes.runbook.views import RunView

_SESSION = b"session"
_DEPLOYMENTS = 20
"""How many of the last deployments are looked through for what they took."""
_ROLLBACKS = 20
"""How many of the last rollbacks are looked through for the one that ended a deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The server's parts."""

    engine: Engine
    environment: Environment
    journals: Journals
    sampler: Sampler
    pods: PodSampler
    watch: BackupWatch
    own: OwnRunbooks
    drills: Drills
    token: SecretStr
    """Opens the API and the console."""
    redactor: Redactor
    """Knows every secret of the environment."""
    hosts: frozenset[str]
    """Host names under which the server may be reached; others are a rebound DNS name."""
    sign_in: SignIn | None
    """How people sign in, beside by tokens."""
    chat: Chat
    """In which people answer."""
    limits: Limits = field(default_factory=Limits)
    stopping: Event = field(default_factory=Event)
    """Set when the server was told to end: those who wait are answered at once."""

    def trusts(self, issuer: str | None) -> bool:
        """Return whether this provider may still say who somebody is: one that was taken out of the settings may not. None: it was none."""
        return issuer is None or (self.sign_in is not None and issuer == self.sign_in.provider.issuer)

    def holds(self, session: Session) -> bool:
        """Return whether what the session was begun with still lets anybody in: its provider, or the environment's own token."""
        same = session.own_token is not None and hmac.compare_digest(session.own_token, self.own_token)
        return self.trusts(session.issuer) and (session.token != 0 or same)

    @property
    def own_token(self) -> bytes:
        """What a session that was begun with the environment's own token keeps of it: it tells it from the next one, and nothing of what it is."""
        return hmac.digest(self.token.get_secret_value().encode(), _SESSION, "sha256")

    def deployment(self, run: RunView) -> DeploymentView:
        """Return the deployment that `run` is."""
        rollbacks = self._rollbacks(_ROLLBACKS)
        return deployment_view(run, self.engine.planned(run.id, timed=False), self.journals.of(run.id), rollbacks)

    def deployments(self, *, limit: int, before: str | None) -> tuple[DeploymentView, ...]:
        """Return deployments, newest first, without their phases."""
        rollbacks = self._rollbacks(limit)
        planned = self.engine.planned_runs(runbook=DEPLOYMENT, limit=limit, before=before)
        return tuple(deployment_view(run, plan, (), rollbacks) for run, plan in planned)

    def status(self) -> DeploymentStatus:
        """Return what is deployed and what is being deployed; what can't be read is named, and left empty."""
        unavailable: list[str] = []
        view, replicas = None, None
        with ThreadPoolExecutor(max_workers=2) as reading:
            asked_view, asked_replicas = reading.submit(self.environment.traffic.view), reading.submit(self.environment.replicas.all)
            try:
                view = asked_view.result()
            except Problem as problem:
                unavailable.append(problem.what)
            try:
                replicas = asked_replicas.result()
            except Problem as problem:
                unavailable.append(problem.what)
        colours = tuple(self._colour(colour, view, replicas) for colour in Colour)
        serving = incumbent(view.weights, replicas or ()) if view else None
        newest = self.engine.runs(runbook=DEPLOYMENT, limit=_DEPLOYMENTS)  # one that waits for approval hides none that is under way
        last = next((run for run in newest if run.status is not RunStatus.AWAITING_APPROVAL), next(iter(newest), None))
        return DeploymentStatus(
            environment=self.environment.facts.name,
            service=self.environment.facts.service,
            at=now(),
            serving=next((each.version for each in colours if each.colour is serving), None),
            maintenance=view.maintenance if view else None,
            colours=colours,
            current=self.deployment(last) if last else None,
            lock=self.engine.lock(),
            unavailable=tuple(unavailable),
            ended=self.pods.ends(),
        )

    def measured(self) -> Measured:
        """Return what earlier runs took, for the ways back: from the deployment that brought what serves, and from the last rehearsal of a migration."""
        live = self.environment.traffic.view().weights.live
        serving = next((replica.version for replica in self.environment.replicas.all() if replica.colour is live), None)
        done = self.engine.runs(runbook=DEPLOYMENT, limit=_DEPLOYMENTS, status=RunStatus.DONE)
        brought = next((run for run in done if isinstance(run.request, dict) and run.request.get("version") == serving), None)
        took = step_times(self.journals.of(brought.id)) if brought else {}
        rehearsals = (step_times(self.journals.of(run.id)).get("rehearse_migrations") for run in done)
        start, smoke = took.get("start_replicas"), took.get("smoke_test")
        return Measured(
            start=start + smoke if start is not None and smoke is not None else None,
            roll=took.get("roll_replicas"),
            rehearsal=next((rehearsal for rehearsal in rehearsals if rehearsal is not None), None),
            migrated="apply_migrations" in took,
        )

    def _rollbacks(self, limit: int) -> tuple[RunView, ...]:
        return tuple(run for runbook in ROLLBACKS for run in self.engine.runs(runbook=runbook, limit=limit))

    def _colour(self, colour: Colour, view: TrafficView | None, replicas: Sequence[Replica] | None) -> ColourStatus:
        own = None if replicas is None else [replica for replica in replicas if replica.colour is colour]
        rates = self.sampler.recent(colour)
        return replace(
            ColourStatus.of(colour, replicas=own, weight=view.weights.of(colour) if view else None, pods=self.pods.pods(colour)),
            version=versions_on(colour, own or ()),
            requests_per_s=rates.requests_per_s if rates else None,
            error_rate=rates.error_rate if rates else None,
            p99_ms=rates.p99_ms if rates else None,
        )


def control_of(request: Request) -> Control:
    """Return the parts of the server that answers `request`."""
    control: Control = request.app.state.control
    return control


Parts = Annotated[Control, Depends(control_of)]
"""The server's parts, as a route asks for them."""
