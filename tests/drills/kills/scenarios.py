"""The runs that are disturbed: how the world is brought to where each is needed, and how it is begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from tests.drills.kills.boundaries import Boundary
from tests.drills.kills.end_state import Before
from tests.drills.kills.own import READING, before_marks, document, in_doubt, page_of, without_marks
from tests.drills.main_job.main_job import MainJob
from tests.drills.rollback.ways_back import admin, backed_up, drop_kept, filled_deadlines
from tests.stack import eventually
from unioneyes.adapters.postgres.bootstrap import DATABASE
from unioneyes.environments.local.members import Members, run_members

BACKUP = "before_the_drill"
"""What each restore brings back."""
RATE = 30.0
"""The members' requests a second."""
SMOKE_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is disturbed at every boundary of it."""

    name: str
    runbooks: tuple[str, ...]
    """Those that are disturbed in it."""
    prepare: Callable[[MainJob], None]
    """Makes the world the same before each run."""
    begin: Callable[[MainJob], tuple[str, ...]]
    """Starts the run; returns it, and those that it ends."""
    bad_version: str | None = None
    """Whose own failures are not counted as lost."""
    replaces_data: bool = False
    """True where members are told to come back in a moment, and find gone what they wrote since the backup: such answers are not counted as lost."""
    not_kept: bool = False
    """True where a step that is done and taken once more must be told apart from one that was not: see `NOT_KEPT`."""
    in_doubt: Callable[[Boundary], bool] = lambda _boundary: False
    """Where, after a kill, nobody can tell what became of the step but by looking: a person is asked, once, and says that it was done. Source: decision 18."""


def prepared(job: MainJob, scenario: Scenario) -> Before:
    """The world is as `scenario` needs it, and nothing of an earlier one is left; return what is there."""
    drop_kept(job)
    without_marks(job)
    scenario.prepare(job)
    return Before.of(job)


@contextmanager
def members_at_work(job: MainJob) -> Iterator[Members]:
    """Members are signed in and work on the service, from the beginning of the block on."""
    with run_members(job.stack.home, rate=RATE) as members:
        assert eventually(lambda: members.seen().sent > 0), "no member could sign in"
        yield members


def before_supersession(job: MainJob) -> None:
    """1.1.0 served, and 1.0.0 is being watched in its place."""
    job.ensure_serving("1.1.0")
    job.wait_for_step(job.started("1.0.0", "--bake", "10m"), "watch_release")


def before_migration(job: MainJob) -> None:
    """1.0.0 serves on the schema of 1.1.0, and some claims have a deadline."""
    job.ensure_serving("1.0.0")
    job.migrate("1.1.0")
    filled_deadlines(job)


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
    replaces_data=True,
)
DEPLOYMENT = Scenario(
    name="deployment with its migration",
    runbooks=("deployment.start",),
    prepare=lambda job: job.ensure_not_migrated(serving="1.0.0", to="1.1.0"),
    begin=lambda job: (job.begin({"version": "1.1.0", "migrate": True, "bake": "PT1S"}),),
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
SCENARIOS = (MIGRATION, RESTORE, DEPLOYMENT, RELEASE, SUPERSESSION, AUTOMATIC, VERIFICATION, DOCUMENT, READING_DOCUMENT, PYTHON_FILE)
"""A further runbook is one more of these."""
