"""What a deployment's approval signs, on the real stack: each kind of drift is told by name, and what was planned is what is applied."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.drills.main_job.main_job import MainJob
from unioneyes.adapters.postgres.migrations import DrizzleMigrations
from unioneyes.claims.digest import CODE
from unioneyes.claims.releases import Catalogue, migration_folders
from unioneyes.operations.deployment.model import DeployPlan, DeployRequest
from unioneyes.operations.deployment.runbook import Deploy
from unioneyes.operations.deployment.steps import ReleaseChanged, start_replicas
from unioneyes.ports.environment import Environment
from unioneyes.runbook.approvals import drift

MIGRATION = "0001_claim_deadlines"
BACK = "0001_rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A copy of what a release is made of, which a drill may edit, and the stack as it is with that."""

    environment: Environment
    migrations: Path
    code: Path

    def plan(self) -> DeployPlan:
        return Deploy().plan(self.environment, DeployRequest(version="1.1.0", migrate=True))


@pytest.fixture
def source(job: MainJob, tmp_path: Path) -> Source:
    job.ensure_not_migrated(serving="1.0.0", to="1.1.0")
    (normal,) = migration_folders("1.1.0")
    migrations, code = tmp_path / "migrations", tmp_path / "unioneyes"
    shutil.copytree(normal, migrations)
    shutil.copytree(CODE, code, ignore=shutil.ignore_patterns("__pycache__"))
    environment = job.stack.environment
    shipped = environment.migrations
    assert isinstance(shipped, DrizzleMigrations)
    copied = replace(shipped, folders=lambda _version: (migrations,), versions=lambda: ("1.0.0", "1.1.0"))
    return Source(environment=replace(environment, migrations=copied, releases=Catalogue(code)), migrations=migrations, code=code)


def edit(path: Path) -> None:
    path.write_text(f"{path.read_text()}\n-- a word more\n")


@pytest.mark.parametrize(
    ("drifts", "told"),
    [
        (lambda source: edit(source.migrations / f"{MIGRATION}.sql"), f"{MIGRATION}.sql changed since it was approved"),
        (lambda source: edit(source.migrations / f"{BACK}.sql"), f"the rollback file of {MIGRATION}.sql changed since it was approved"),
        (lambda source: (source.migrations / f"{BACK}.sql").unlink(), f"the rollback file of {MIGRATION}.sql is gone since it was approved"),
        (lambda source: edit(source.code / "claims" / "sql" / "1.1.sql"), "release 1.1.0 changed since it was approved"),
    ],
    ids=["migration", "rollback", "rollback-gone", "release"],
)
def test_each_kind_of_drift_is_told_by_what_people_call_it(source: Source, drifts: Callable[[Source], None], told: str) -> None:
    then = source.plan()
    assert drift(then, source.plan()) is None
    drifts(source)
    found = drift(then, source.plan())
    assert found is not None
    assert found.startswith(told), found


def test_what_was_planned_is_applied_and_taken_back_when_its_files_change_under_way(job: MainJob, source: Source) -> None:
    then, before = source.plan(), job.ledger()
    (source.migrations / f"{MIGRATION}.sql").write_text("DROP TABLE claims CASCADE;")
    (source.migrations / f"{BACK}.sql").write_text("DROP TABLE claims CASCADE;")
    applied = source.environment.migrations.apply(then.migrations)
    assert (applied.tags, applied.dropped) == ((MIGRATION,), ())
    assert job.ledger() == [*before, then.migrations[0].sha256]
    taken_back = source.environment.migrations.roll_back(then.migrations)
    assert (taken_back.tags, job.ledger()) == ((MIGRATION,), before)


def test_a_release_that_changed_since_it_was_planned_is_not_started(job: MainJob, source: Source) -> None:
    then, before = source.plan(), job.stack.environment.replicas.all()
    edit(source.code / "claims" / "sql" / "1.1.sql")
    with pytest.raises(ReleaseChanged, match=r"release 1\.1\.0 changed since it was planned"):
        start_replicas.function(
            source.environment.replicas,
            source.environment.releases,
            colour=then.colour,
            version=then.version,
            digest=then.content["release 1.1.0"],
            configuration=then.configuration,
            count=then.replicas,
            within=then.ready_within,
        )
    assert job.stack.environment.replicas.all() == before
