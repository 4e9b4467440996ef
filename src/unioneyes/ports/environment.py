"""The environment: everything a runbook may touch, in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum

from unioneyes.ports.activity import Activity
from unioneyes.ports.checklist import Checklist
from unioneyes.ports.database import KEPT_AS_DOCUMENTED, Backups, Migrations, Restores, Retention
from unioneyes.ports.documents import Documents
from unioneyes.ports.edge import Edge
from unioneyes.ports.erasures import Erasures
from unioneyes.ports.notifier import Notifier
from unioneyes.ports.plans import Plans
from unioneyes.ports.pods import Pods
from unioneyes.ports.queries import Queries
from unioneyes.ports.query_history import QueryHistory
from unioneyes.ports.recovery import Recovery
from unioneyes.ports.releases import Releases
from unioneyes.ports.replicas import Replicas
from unioneyes.ports.secrets import SecretProvider
from unioneyes.ports.service import Service
from unioneyes.ports.shell import Shell
from unioneyes.ports.traffic import Traffic
from unioneyes.ports.vitals import Vitals


class NoData(StrEnum):
    """What becomes of a release of which a watch could say nothing; it is never kept for that."""

    BACK = "back"
    """The members go back to what is known to work."""
    HOLD = "hold"
    """They stay where they are until a person decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What does not change while the environment runs."""

    name: str
    """`local`, `production`, ..."""
    production: bool
    """True where members' data is real: prompts name it, and nothing is assumed."""
    service: str
    """`unioneyes-web`: the name of the lock and of the Deployments."""
    replicas: int
    """Replicas per colour."""
    ready_within: timedelta
    """How long replicas have to get ready after their start."""
    database: str
    """Name of the operated database: what a person types before something in it is destroyed."""
    incidents_channel: str
    bake: timedelta
    """How long a deployment is watched. Source: Production Deployment Steps, 3, "Monitor for 10 minutes"."""
    no_data: NoData = NoData.BACK
    """What a watch without enough data comes to, where nothing else was asked for."""
    retention: Retention = KEPT_AS_DOCUMENTED
    """How long backups are kept."""
    backup_daily: time | None = None
    """When a backup is made by itself, in UTC; None where none is."""
    console: str | None = None
    """The address at which people open the console; None where no browser reaches it."""
    protected_sessions: tuple[str, ...] = ()
    """Names of applications whose sessions of the database are never ended; `*` stands for anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The ports of one environment. Built in `environments/`, and nowhere else."""

    facts: Facts
    releases: Releases
    checklist: Checklist
    traffic: Traffic
    edge: Edge
    replicas: Replicas
    pods: Pods
    service: Service
    migrations: Migrations
    backups: Backups
    restores: Restores
    erasures: Erasures
    activity: Activity
    vitals: Vitals
    query_history: QueryHistory
    plans: Plans
    recovery: Recovery
    notifier: Notifier
    documents: Documents
    shell: Shell
    queries: Queries
    secrets: SecretProvider
