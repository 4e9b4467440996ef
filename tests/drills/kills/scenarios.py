"""The runs that are disturbed: how the world is brought to where each is needed, and how it is begun."""

from __future__ import annotations

import shutil
from datetime import timedelta

from pydantic import JsonValue

from tests.drills.kills.boundaries import Boundary
from tests.drills.kills.forgotten import FORGOTTEN, before_ending, before_stopping, pid_of
from tests.drills.kills.own import READING, before_marks, document, in_doubt, page_of
from tests.drills.kills.scenario import Scenario, members_at_work, nobody_kept_away
from tests.drills.kills.undone import UNDONE, before_migration, before_scaling, begun
from tests.drills.main_job.main_job import JsonObject, MainJob
from tests.drills.rollback.ways_back import admin, backed_up
from unioneyes.adapters.postgres.bootstrap import DATABASE
from unioneyes.runbook.views import EntryKind

BACKUP = "before_the_drill"
"""What each restore brings back."""
DAILY = "unioneyes_20260209"
INTO = "unioneyes_restore"
BASE = "base_before_the_drill"
RECOVERED = "unioneyes_recovered"
"""The database that gets what was recovered."""
SMOKE_WITHIN = timedelta(seconds=60)


def before_supersession(job: MainJob) -> None:
    """1.1.0 served, and 1.0.0 is being watched in its place."""
    job.ensure_serving("1.1.0")
    job.wait_for_step(job.started("1.0.0", "--bake", "10m"), "watch_release")


def before_restore(job: MainJob) -> None:
    """1.0.0 serves on its own schema, and seven rows were written since the backup."""
    job.ensure_not_migrated(serving="1.0.0", to="1.1.0")
    if BACKUP not in {backup.name for backup in job.stack.environment.backups.all()}:
        with members_at_work(job):  # so that the backup knows them
            backed_up(job, BACKUP)
    assert job.stack.environment.service.smoke(within=SMOKE_WITHIN).passed  # so that the same tables differ each time
    with admin(job) as connection:
        connection.execute("delete from login_attempts where request_id = 'drill'")
        connection.execute("insert into login_attempts (succeeded, request_id) select false, 'drill' from generate_series(1, 7)")


def without_backup(job: MainJob, name: str) -> None:
    """1.1.0 serves, and no backup has this name."""
    job.ensure_serving("1.1.0")
    job.stack.environment.backups.delete(name)


def with_backup(job: MainJob) -> None:
    """1.1.0 serves, and there is a proven backup."""
    job.ensure_serving("1.1.0")
    if BACKUP not in {backup.name for backup in job.stack.environment.backups.all()}:
        backed_up(job, BACKUP)


def before_restoring_into(job: MainJob) -> None:
    """There is a proven backup, and the new database is not there yet."""
    with_backup(job)
    job.stack.environment.restores.discard_into(BACKUP, database=INTO)


def without_base(job: MainJob, name: str) -> None:
    """1.1.0 serves, and no base backup has this name."""
    job.ensure_serving("1.1.0")
    folder = job.stack.layout.bases
    (folder / f"{name}.json").unlink(missing_ok=True)
    shutil.rmtree(folder / name, ignore_errors=True)


def before_recovery(job: MainJob) -> None:
    """1.1.0 serves, there is a base backup, and the new database is not there yet."""
    job.ensure_serving("1.1.0")
    job.stack.environment.recovery.back_up(BASE, incremental=False)
    with admin(job, "postgres") as connection:
        connection.execute(f"drop database if exists {RECOVERED} with (force)".encode())


def before_an_attack(job: MainJob) -> None:
    """1.1.0 serves, to everybody."""
    job.ensure_serving("1.1.0")
    nobody_kept_away(job)


def rolling(version: str, **asked: JsonValue) -> JsonObject:
    """Return the request for a deployment replica by replica."""
    return {"version": version, "strategy": "rolling", **asked}


def before_rolling_supersession(job: MainJob) -> None:
    """1.1.0 served, and the first replica of 1.0.0 is being watched beside its own."""
    job.ensure_serving("1.1.0")
    job.reach(job.begin(rolling("1.0.0", canary_bake="PT10M", bake="PT10M")), "watch_release")


def roll_back(job: MainJob) -> tuple[str, ...]:
    """The replicas are being put back; return that run, and the deployment that it ends."""
    deployment = job.newest_run("deployment.start")
    return job.begin({"reason": "members complain"}, runbook="rollback.rolling"), deployment


def of_roll(boundary: Boundary) -> bool:
    """Return whether it is one that only a rolling deployment has: of its own steps, of the watches between them, of its way back, or of its end."""
    own = {"end_trial", "roll_replicas", "start_witness", "watch_release", "end_witness", "rollback.rolling"}
    return boundary.step in own or "." in boundary.part or boundary.kind is EntryKind.RUN_ENDED


def supersede(job: MainJob) -> tuple[str, ...]:
    """The members are being sent back; return that run, and the deployment that it ends."""
    deployment = job.newest_run("deployment.start")
    return job.begin({"reason": "members complain"}, runbook="rollback.traffic"), deployment


MIGRATION = Scenario(
    name="rollback.migration",
    runbooks=("rollback.migration",),
    prepare=before_migration,
    begin=lambda job: (job.begin({"reason": "data-integrity"}, runbook="rollback.migration", confirm=DATABASE),),
)
RESTORE = Scenario(
    name="rollback.restore",
    runbooks=("rollback.restore",),
    prepare=before_restore,
    begin=lambda job: (job.begin({"reason": "data-corruption", "backup": BACKUP}, runbook="rollback.restore", confirm=DATABASE),),
    keeps_members_out=True,
    replaces_data=True,
)
DEPLOYMENT = Scenario(
    name="deployment with its migration",
    runbooks=("deployment.start",),
    prepare=lambda job: job.ensure_not_migrated(serving="1.0.0", to="1.1.0"),
    begin=lambda job: (job.begin({"version": "1.1.0", "migrate": True, "bake": "PT1S"}),),
)
MIGRATING = Scenario(
    name="database.migrate",
    runbooks=("database.migrate",),
    prepare=lambda job: job.ensure_not_migrated(serving="1.0.0", to="1.1.0"),
    begin=lambda job: (job.begin({"version": "1.1.0", "backup": True}, runbook="database.migrate"),),
)
RELEASE = Scenario(
    name="rollback.release",
    runbooks=("rollback.release",),
    prepare=lambda job: job.ensure_serving("1.1.0"),
    begin=lambda job: (job.begin({"reason": "vulnerability"}, runbook="rollback.release"),),
)
SUPERSESSION = Scenario(name="rollback.traffic during a watch", runbooks=("rollback.traffic", "deployment.start"), prepare=before_supersession, begin=supersede)
AUTOMATIC = Scenario(
    name="automatic rollback",
    runbooks=("deployment.start", "rollback.traffic"),
    prepare=lambda job: job.ensure_serving("1.1.0"),
    begin=lambda job: (job.begin({"version": "1.2.0-errors", "bake": "PT60S"}),),
    bad_version="1.2.0-errors",
)
ROLLING = Scenario(
    name="rolling deployment",
    runbooks=("deployment.start",),
    prepare=lambda job: job.ensure_serving("1.1.0"),
    begin=lambda job: (job.begin(rolling("1.0.0", canary_bake="PT1S", bake="PT1S")),),
    kills_at=of_roll,
    stops_at=begun,
)
ROLLING_SUPERSESSION = Scenario(
    name="rollback.rolling in the middle of a roll",
    runbooks=("rollback.rolling", "deployment.start"),
    prepare=before_rolling_supersession,
    begin=roll_back,
)
ROLLING_AUTOMATIC = Scenario(
    name="automatic rollback of a roll",
    runbooks=("deployment.start", "rollback.rolling"),
    prepare=lambda job: job.ensure_serving("1.1.0"),
    begin=lambda job: (job.begin(rolling("1.2.0-errors", canary_bake="PT60S", bake="PT60S")),),
    kills_at=of_roll,
    stops_at=begun,
    bad_version="1.2.0-errors",
)
VERIFICATION = Scenario(
    name="deployment.verify",
    runbooks=("deployment.verify",),
    prepare=lambda _job: None,
    begin=lambda job: (job.begin({}, runbook="deployment.verify"),),
)
DOCUMENT = Scenario(
    name="document.run",
    runbooks=("document.run",),
    prepare=before_marks,
    begin=lambda job: (job.begin(document(job), runbook="document.run", park=True),),
    in_doubt=in_doubt,
    not_kept=True,
)
READING_DOCUMENT = Scenario(
    name="document.read",
    runbooks=("document.read",),
    prepare=before_marks,
    begin=lambda job: (job.begin(document(job, READING), runbook="document.read"),),
)
PYTHON_FILE = Scenario(
    name="an own Python runbook",
    runbooks=("own.mark",),
    prepare=before_marks,
    begin=lambda job: (job.begin({"page": str(page_of(job))}, runbook="own.mark"),),
    not_kept=True,
)
RESTART = Scenario(
    name="app.restart",
    runbooks=("app.restart",),
    prepare=lambda job: job.ensure_serving("1.1.0"),
    begin=lambda job: (job.begin({"reason": "a drill"}, runbook="app.restart"),),
)
SCALING = Scenario(
    name="app.scale",
    runbooks=("app.scale",),
    prepare=before_scaling,
    begin=lambda job: (job.begin({"count": 3}, runbook="app.scale"),),
)
LIMIT = Scenario(
    name="edge.limit",
    runbooks=("edge.limit",),
    prepare=before_an_attack,
    begin=lambda job: (job.begin({"limit": "1000/second"}, runbook="edge.limit"),),
)
DENY = Scenario(
    name="edge.deny",
    runbooks=("edge.deny",),
    prepare=before_an_attack,
    begin=lambda job: (job.begin({"deny": ["192.0.2.0/24"]}, runbook="edge.deny"),),
)
BACKING_UP = Scenario(
    name="backup.create",
    runbooks=("backup.create",),
    prepare=lambda job: without_backup(job, DAILY),
    begin=lambda job: (job.begin({"name": DAILY}, runbook="backup.create"),),
)
PROVING = Scenario(
    name="backup.verify",
    runbooks=("backup.verify",),
    prepare=with_backup,
    begin=lambda job: (job.begin({"name": BACKUP}, runbook="backup.verify"),),
)
PRUNING = Scenario(
    name="backup.prune",
    runbooks=("backup.prune",),
    prepare=with_backup,
    begin=lambda job: (job.begin({}, runbook="backup.prune"),),
)
RESTORING_INTO = Scenario(
    name="backup.restore",
    runbooks=("backup.restore",),
    prepare=before_restoring_into,
    begin=lambda job: (job.begin({"name": BACKUP, "into": INTO}, runbook="backup.restore"),),
)
BASE_BACKUP = Scenario(
    name="backup.base",
    runbooks=("backup.base",),
    prepare=lambda job: without_base(job, BASE),
    begin=lambda job: (job.begin({"name": BASE}, runbook="backup.base"),),
)
RECOVERY = Scenario(
    name="backup.pitr",
    runbooks=("backup.pitr",),
    prepare=before_recovery,
    begin=lambda job: (job.begin({"to": "end", "into": RECOVERED}, runbook="backup.pitr"),),
)
ENDING_IDLE = Scenario(
    name="database.end_idle",
    runbooks=("database.end_idle",),
    prepare=before_ending,
    begin=lambda job: (job.begin({"older_than": "PT1S", "app": FORGOTTEN}, runbook="database.end_idle"),),
)
ENDING_SESSION = Scenario(
    name="database.end_session",
    runbooks=("database.end_session",),
    prepare=before_stopping,
    begin=lambda job: (job.begin({"pid": pid_of(job)}, runbook="database.end_session"),),
)
STOPPING_QUERY = Scenario(
    name="database.end_session --cancel",
    runbooks=("database.end_session",),
    prepare=before_stopping,
    begin=lambda job: (job.begin({"pid": pid_of(job), "cancel": True}, runbook="database.end_session"),),
)
SCENARIOS = (
    MIGRATION,
    RESTORE,
    DEPLOYMENT,
    MIGRATING,
    RELEASE,
    SUPERSESSION,
    AUTOMATIC,
    ROLLING,
    ROLLING_SUPERSESSION,
    ROLLING_AUTOMATIC,
    VERIFICATION,
    DOCUMENT,
    READING_DOCUMENT,
    PYTHON_FILE,
    RESTART,
    SCALING,
    LIMIT,
    DENY,
    BACKING_UP,
    PROVING,
    PRUNING,
    RESTORING_INTO,
    BASE_BACKUP,
    RECOVERY,
    ENDING_IDLE,
    ENDING_SESSION,
    STOPPING_QUERY,
    *UNDONE,
)
"""A further runbook is one more of these."""
