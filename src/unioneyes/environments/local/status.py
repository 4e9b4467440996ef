"""What runs of the embedded stack now, as `ue env status` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from unioneyes.adapters.postgres.bootstrap import REPLICATION
from unioneyes.adapters.postgres.replication import replication_status
from unioneyes.adapters.processes.spec import ProcessState, ProcessStatus
from unioneyes.environments.local.audit import audit_status
from unioneyes.environments.local.control import control_state
from unioneyes.environments.local.elsewhere import databases_elsewhere
from unioneyes.environments.local.parts import build_serving, build_supervisor
from unioneyes.environments.local.stack import Stack, open_stack
from unioneyes.kernel.problems import Problem, Refused, Unavailable
from unioneyes.ports.database import DatabaseUnavailable
from unioneyes.ports.replicas import Replica, versions_on
from unioneyes.ports.secrets import SecretUnresolved
from unioneyes.ports.traffic import Colour, TrafficUnavailable, TrafficView
from unioneyes.runbook.audit.views import AuditStatus


class StackState(StrEnum):
    """Whether the stack can be used."""

    UP = "up"
    PARTLY = "partly"
    """Something is missing; `ue env up` completes it."""
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessView:
    """One process."""

    name: str
    pid: int | None
    """None while it does not run."""
    state: str
    restarts: int
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourView:
    """One colour."""

    colour: Colour
    version: str | None
    """None when nothing runs there."""
    replicas: int
    """Replicas that answer."""
    traffic: int | None
    """Share of the members' requests, in percent; None when the data plane does not answer."""
    restarts: int = 0
    """How often its replicas were started again after they ended by themselves, together."""
    ended: str | None = None
    """How one of them ended by itself the last time, in words; None where none did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationView:
    """The database's replica."""

    connected: bool
    lag_bytes: int | None
    receiver: str
    slots_lost: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackStatus:
    """The whole stack. Part of the command line's contract."""

    environment: str
    home: Path
    state: StackState
    service_url: str
    preview_url: str
    control_url: str
    login: str
    """What a person types into a shell to open the console, signed in; the token itself is not shown."""
    database_url: str
    """Without its password, which stands in the home's `secrets/`."""
    processes: tuple[ProcessView, ...]
    colours: tuple[ColourView, ...]
    maintenance: bool | None
    """None when the data plane does not answer."""
    replication: ReplicationView | None
    """None when the primary does not answer."""
    audit: AuditStatus | None
    """None when the server does not answer."""
    elsewhere: bool = False
    """True where its databases are others': then nothing but its server is started here."""


def stack_status(home: Path) -> StackStatus:
    """Return what runs now. Raises: NeverStarted, SettingsRefused, ForeignFolder."""
    stack = open_stack(home)
    if stack.settings.elsewhere:
        return _elsewhere(stack)
    supervisor = build_supervisor(stack.layout)
    supervised = supervisor.running()
    processes = supervisor.status() if supervised is not None else ()
    replicas, view = _serving(stack) if supervised is not None else ((), None)
    return StackStatus(
        environment=stack.settings.name,
        home=home,
        state=judge(processes, view, replicas, parts=stack.parts),
        service_url=stack.service_url,
        preview_url=stack.preview_url,
        control_url=stack.control_url,
        login=stack.login,
        database_url=stack.shown_database_url,
        processes=(*((_supervisor(supervised),) if supervised is not None else ()), *(_process(each) for each in processes)),
        colours=tuple(_colour(colour, replicas, view) for colour in Colour),
        maintenance=view.maintenance if view else None,
        replication=_replication(stack) if supervised is not None else None,
        audit=audit_status(stack) if supervised is not None else None,
    )


def _elsewhere(stack: Stack) -> StackStatus:
    """Return what answers of an environment whose databases are others'."""
    try:
        replicas, view = _serving(stack)
    except Refused:  # no way to it is found, or it is another one; the doctor says why
        replicas, view = (), None
    server = control_state(stack, away_for=timedelta(0)).alive
    seen = (("server", server), ("cluster", view is not None), *((name, not isinstance(said, Problem)) for name, said in databases_elsewhere(stack)))
    ready, answering = [is_there for _, is_there in seen], {replica.colour for replica in replicas if replica.ready}
    serves = view is not None and all(colour in answering for colour in Colour if view.weights.of(colour))
    return StackStatus(
        environment=stack.settings.name,
        home=stack.layout.home,
        state=StackState.UP if all(ready) and serves else StackState.PARTLY if any(ready) else StackState.DOWN,
        service_url=stack.service_url,
        preview_url=stack.preview_url,
        control_url=stack.control_url,
        login=stack.login,
        database_url=stack.shown_database_url,
        processes=tuple(ProcessView(name=name, pid=None, state=ProcessState.READY if ok else "away", restarts=0, since=None) for name, ok in seen),
        colours=tuple(_colour(colour, replicas, view) for colour in Colour),
        maintenance=view.maintenance if view else None,
        replication=_replication(stack) if stack.settings.secrets.ue_replication else None,
        audit=audit_status(stack) if server else None,
        elsewhere=True,
    )


def _serving(stack: Stack) -> tuple[tuple[Replica, ...], TrafficView | None]:
    """Return what runs of the service, and what the routes say; nothing of what does not answer."""
    serving = build_serving(stack)
    try:
        replicas = serving.replicas.all()
    except Unavailable:  # the cluster is away; the rest is shown
        return (), None
    try:
        return replicas, serving.traffic.view()
    except TrafficUnavailable:
        return replicas, None


def judge(processes: tuple[ProcessStatus, ...], traffic: TrafficView | None, replicas: tuple[Replica, ...], *, parts: frozenset[str]) -> StackState:
    """Return whether the stack can be used: every part is ready, and each colour that gets requests has a ready replica."""
    if not processes:
        return StackState.DOWN
    ready = {process.name for process in processes if process.state is ProcessState.READY}
    answering = {replica.colour for replica in replicas if replica.ready}
    serves = traffic is not None and all(colour in answering for colour in Colour if traffic.weights.of(colour))
    return StackState.UP if ready >= parts and serves else StackState.PARTLY


def _supervisor(pid: int) -> ProcessView:
    return ProcessView(name="supervisor", pid=pid, state=ProcessState.READY, restarts=0, since=None)


def _process(status: ProcessStatus) -> ProcessView:
    return ProcessView(name=status.name, pid=status.pid, state=status.state, restarts=status.restarts, since=status.since)


def _colour(colour: Colour, replicas: tuple[Replica, ...], view: TrafficView | None) -> ColourView:
    mine = [replica for replica in replicas if replica.colour is colour]
    return ColourView(
        colour=colour,
        version=versions_on(colour, mine),
        replicas=sum(replica.ready for replica in mine),
        traffic=view.weights.of(colour) if view else None,
        restarts=sum(replica.restarts for replica in mine),
        ended=next((replica.ended for replica in mine if replica.ended), None),
    )


def _replication(stack: Stack) -> ReplicationView | None:
    try:
        elsewhere = stack.settings.elsewhere
        primary = stack.database_url(REPLICATION) if elsewhere else stack.monitoring_url(stack.primary)
        seen = replication_status(primary, None if elsewhere else stack.monitoring_url(stack.replica))
    except (DatabaseUnavailable, SecretUnresolved):
        return None
    return ReplicationView(connected=seen.connected, lag_bytes=seen.lag_bytes, receiver=seen.receiver, slots_lost=seen.slots_lost)
