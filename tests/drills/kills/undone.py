"""The runs that end in the engine's undo: everything that is taken back, and what stands on the way there and in no other scenario."""

from __future__ import annotations

from datetime import timedelta

from tests.drills.kills.boundaries import Boundary
from tests.drills.kills.obstacles import (
    CRIPPLED,
    crippled_backup,
    no_claim_without_a_deadline,
    no_place_for_pods,
    no_smoke_on_the_newer_schema,
    no_smoke_on_the_older_schema,
)
from tests.drills.kills.own import FAILING, before_marks, document
from tests.drills.kills.scenario import Scenario
from tests.drills.main_job.main_job import MainJob
from tests.drills.rollback.ways_back import filled_deadlines
from unioneyes.adapters.postgres.bootstrap import DATABASE
from unioneyes.ports.pods import Size
from unioneyes.ports.traffic import Colour
from unioneyes.runbook.views import Decision, EntryKind

_TAKING_BACK = {EntryKind.STEP_FAILED, EntryKind.UNDO_STARTED, EntryKind.UNDO_DONE, EntryKind.RUN_ENDED}


def before_migration(job: MainJob) -> None:
    """1.0.0 serves on the schema of 1.1.0, and some claims have a deadline."""
    job.ensure_serving("1.0.0")
    job.migrate("1.1.0")
    filled_deadlines(job)


def before_migration_that_does_not_go_back(job: MainJob) -> None:
    """The same; and on the older schema the smoke tests fail."""
    before_migration(job)
    no_smoke_on_the_older_schema(job)


def before_migrating(job: MainJob) -> None:
    """1.0.0 serves on its own schema, and on that of 1.1.0 the smoke tests fail."""
    job.ensure_not_migrated(serving="1.0.0", to="1.1.0")
    no_smoke_on_the_newer_schema(job)


def before_canary(job: MainJob) -> None:
    """1.0.0 serves on the schema of 1.1.0."""
    job.ensure_serving("1.0.0")
    job.migrate("1.1.0")


def before_unfit_release(job: MainJob) -> None:
    """1.1.0 serves, and 1.0.0 does not work any more on what is there."""
    job.ensure_serving("1.1.0")
    no_claim_without_a_deadline(job)


def before_unfit_backup(job: MainJob) -> None:
    """1.0.0 serves on its own schema, and there is a backup on which it does not work."""
    job.ensure_not_migrated(serving="1.0.0", to="1.1.0")
    crippled_backup(job)


def before_scaling(job: MainJob) -> None:
    """1.1.0 serves with two pods."""
    job.ensure_serving("1.1.0")
    pods, live = job.stack.environment.pods, Colour(job.serving().colour)
    pods.resize(live, Size(count=2, autoscaler=None), within=timedelta(seconds=60))


def before_pods_that_do_not_get_ready(job: MainJob) -> None:
    """The same; and there is no place where another pod could listen."""
    before_scaling(job)
    no_place_for_pods(job)


def taken_back(boundary: Boundary) -> bool:
    """Return whether the run failed before the boundary, or at it."""
    return boundary.kind in _TAKING_BACK


def begun(boundary: Boundary) -> bool:
    """Return whether something was begun there: a worker that is stopped behind what it did is no other than one that is stopped before what it does next."""
    return boundary.kind in {EntryKind.STEP_STARTED, EntryKind.UNDO_STARTED}


def of_maintenance(boundary: Boundary) -> bool:
    """Return the same, or whether it is one of keeping members out."""
    return taken_back(boundary) or boundary.step in {"enter_maintenance", "leave_maintenance"}


def of_canary(boundary: Boundary) -> bool:
    """Return whether it is one of a share of the members, of a hold, or of the end."""
    return boundary.step in {"shift_traffic", "watch_release", "hold"} or boundary.kind is EntryKind.RUN_ENDED


def of_roll_undone(boundary: Boundary) -> bool:
    """Return whether it is one of replicas that are put in their place or back, of the hold, or of the end."""
    return boundary.step in {"roll_replicas", "hold"} or boundary.kind is EntryKind.RUN_ENDED


DEPLOYMENT_UNDONE = Scenario(
    name="deployment undone",
    runbooks=("deployment.start",),
    prepare=lambda job: job.ensure_not_migrated(serving="1.0.0", to="1.1.0"),
    begin=lambda job: (job.begin({"version": "1.2.0-wrong", "migrate": True, "maintenance": True, "bake": "PT1S"}),),
    kills_at=of_maintenance,
    stops_at=begun,
    keeps_members_out=True,
)
"""The release fails its smoke tests, when its migration stands already."""
CANARY_UNDONE = Scenario(
    name="held canary undone",
    runbooks=("deployment.start",),
    prepare=before_canary,
    begin=lambda job: (job.begin({"version": "1.1.0", "canary": [50], "canary_bake": "PT1S", "hold": True, "bake": "PT1S"}),),
    kills_at=of_canary,
    stops_at=begun,
    decides=Decision.UNDO,
)
ROLLING_UNDONE = Scenario(
    name="held roll undone",
    runbooks=("deployment.start",),
    prepare=before_canary,
    begin=lambda job: (job.begin({"version": "1.1.0", "strategy": "rolling", "canary_bake": "PT1S", "hold": True, "bake": "PT1S"}),),
    kills_at=of_roll_undone,
    stops_at=begun,
    decides=Decision.UNDO,
)
RELEASE_UNDONE = Scenario(
    name="rollback.release undone",
    runbooks=("rollback.release",),
    prepare=before_unfit_release,
    begin=lambda job: (job.begin({"reason": "vulnerability"}, runbook="rollback.release"),),
    kills_at=taken_back,
    stops_at=begun,
)
MIGRATION_UNDONE = Scenario(
    name="rollback.migration undone",
    runbooks=("rollback.migration",),
    prepare=before_migration_that_does_not_go_back,
    begin=lambda job: (job.begin({"reason": "data-integrity"}, runbook="rollback.migration", confirm=DATABASE),),
    kills_at=taken_back,
    stops_at=begun,
)
MIGRATING_UNDONE = Scenario(
    name="database.migrate undone",
    runbooks=("database.migrate",),
    prepare=before_migrating,
    begin=lambda job: (job.begin({"version": "1.1.0", "backup": True}, runbook="database.migrate"),),
    kills_at=taken_back,
    stops_at=begun,
)
RESTORE_UNDONE = Scenario(
    name="rollback.restore undone",
    runbooks=("rollback.restore",),
    prepare=before_unfit_backup,
    begin=lambda job: (job.begin({"reason": "data-corruption", "backup": CRIPPLED}, runbook="rollback.restore", confirm=DATABASE),),
    kills_at=taken_back,
    stops_at=begun,
    keeps_members_out=True,
)
DOCUMENT_UNDONE = Scenario(
    name="document.run undone",
    runbooks=("document.run",),
    prepare=before_marks,
    begin=lambda job: (job.begin(document(job, FAILING), runbook="document.run"),),
    kills_at=taken_back,
    stops_at=begun,
)
RESTART_UNDONE = Scenario(
    name="app.restart undone",
    runbooks=("app.restart",),
    prepare=before_pods_that_do_not_get_ready,
    begin=lambda job: (job.begin({"reason": "a drill"}, runbook="app.restart"),),
    kills_at=taken_back,
    stops_at=begun,
)
SCALING_UNDONE = Scenario(
    name="app.scale undone",
    runbooks=("app.scale",),
    prepare=before_pods_that_do_not_get_ready,
    begin=lambda job: (job.begin({"count": 3}, runbook="app.scale"),),
    kills_at=taken_back,
    stops_at=begun,
)
UNDONE = (
    RESTART_UNDONE,
    SCALING_UNDONE,
    DEPLOYMENT_UNDONE,
    CANARY_UNDONE,
    ROLLING_UNDONE,
    RELEASE_UNDONE,
    MIGRATION_UNDONE,
    MIGRATING_UNDONE,
    RESTORE_UNDONE,
    DOCUMENT_UNDONE,
)
