"""The schema's history in the HTTP API: what was applied, by whom, and what a release lacks. Changing it is a run."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from unioneyes.console.api import PREFIX, VersionedJson
from unioneyes.console.control import Parts
from unioneyes.console.failures import RESPONSES
from unioneyes.console.guard import Reader
from unioneyes.operations.database.migrating_model import MigrationsView
from unioneyes.operations.database.migrating_rules import RUNBOOKS, applied_by, newest, serving, view

_REMEMBERED = 200
"""How many of the last runs of each kind are looked through for who applied what."""
_LONGEST_VERSION = 128
"""Characters. Source: the Distribution specification, of a tag."""

router = APIRouter(prefix=f"{PREFIX}/migrations", default_response_class=VersionedJson, responses=RESPONSES)


@router.get("")
def show_migrations(control: Parts, by: Reader, version: Annotated[str | None, Query(min_length=1, max_length=_LONGEST_VERSION)] = None) -> MigrationsView:
    """Return the ledger, and what it lacks of a release's migrations: of the newest release when none is named. Drift is told."""
    del by
    environment = control.environment
    wanted = environment.releases.get(version).version if version is not None else newest(environment.releases.all())
    runs = [run for runbook in RUNBOOKS for run in control.engine.runs(limit=_REMEMBERED, runbook=runbook)]
    return view(environment.migrations.standing(wanted), applied_by(runs), serving(environment.traffic.view().weights, environment.replicas.all()))
