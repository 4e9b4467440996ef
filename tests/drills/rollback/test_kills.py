"""The worker is killed in the steps of each way back: another takes over, and everything ends as it does for a twin that nobody disturbs.

`make campaign` keeps the table that this file writes as `docs/measured/rollback-kills.md`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.drills.main_job.main_job import JsonObject, MainJob
from tests.drills.rollback.ways_back import COLUMNS, admin, backed_up, databases, drop_kept, filled_deadlines, one
from unioneyes.adapters.postgres.bootstrap import DATABASE
from unioneyes.cli.client import Api
from unioneyes.cli.options import Where
from unioneyes.cli.output import Ink, table
from unioneyes.runbook.views import EntryKind

pytestmark = pytest.mark.timeout(600)

KEPT = Path(__file__).parents[3] / ".cache" / "rollback-kills.txt"
COLUMNS_KEPT = ("way back", "killed in", "the kill fell", "taken over in", "ended as its twin")
SMOKE_WITHIN = timedelta(seconds=60)
TWIN = "twin"
"""The backup that each restore brings back."""
RUN = re.compile(r"rollback-\d{8}-\d{6}-[2-9a-z]{5}")
WRITTEN = "insert into login_attempts (succeeded, request_id) select false, 'drill' from generate_series(1, 7)"
FOUND = "select count(*) from login_attempts where request_id = 'drill'"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndState:
    """All that a way back leaves, without what differs from run to run."""

    status: str
    serving: str
    idle: str | None
    maintenance: object
    ledger: tuple[str, ...]
    deadlines: object
    databases: tuple[str, ...]
    written: tuple[object, ...]
    """How much of what was written since the backup each database holds, the live one first."""
    revisions: tuple[tuple[str, bool], ...]
    """The last two, newest first."""
    received: tuple[str, ...]
    """What the vendor received."""
    reports: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way back, and how the world is brought to where it is needed."""

    runbook: str
    request: JsonObject
    confirm: str | None
    prepare: Callable[[MainJob], None]


def before_migration(job: MainJob) -> None:
    job.ensure_serving("1.0.0")
    job.stack.environment.migrations.apply("1.1.0")
    filled_deadlines(job)


def before_restore(job: MainJob) -> None:
    job.ensure_serving("1.0.0")
    drop_kept(job)
    if TWIN not in {backup.name for backup in job.stack.environment.backups.all()}:
        backed_up(job, TWIN)
    assert job.stack.environment.service.smoke(within=SMOKE_WITHIN).passed  # so that the same tables differ each time
    with admin(job) as connection:
        connection.execute(WRITTEN)


def before_release(job: MainJob) -> None:
    job.ensure_serving("1.1.0")


MIGRATION = Way(runbook="rollback.migration", request={"reason": "data-integrity"}, confirm=DATABASE, prepare=before_migration)
RESTORE = Way(runbook="rollback.restore", request={"reason": "data-corruption", "backup": TWIN}, confirm=DATABASE, prepare=before_restore)
RELEASE = Way(runbook="rollback.release", request={"reason": "vulnerability"}, confirm=None, prepare=before_release)


@pytest.fixture(scope="module")
def twins(job: MainJob) -> dict[str, tuple[EndState, tuple[str, ...]]]:
    """What each way back comes to undisturbed, and the steps that its journal names; made when first asked for."""
    del job
    return {}


@pytest.mark.parametrize("step", ["rehearse_way_back", "take_back", "verify_on_older_schema"])
def test_taking_a_migration_back_survives_the_kill_of_its_worker(job: MainJob, twins: dict[str, tuple[EndState, tuple[str, ...]]], step: str) -> None:
    killed_as_its_twin(job, twins, MIGRATION, step)


@pytest.mark.parametrize("step", ["restore_beside", "close_database", "swap_databases", "verify_restored"])
def test_a_restore_survives_the_kill_of_its_worker(job: MainJob, twins: dict[str, tuple[EndState, tuple[str, ...]]], step: str) -> None:
    killed_as_its_twin(job, twins, RESTORE, step)


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", [MIGRATION, RESTORE, RELEASE], ids=lambda way: way.runbook)
def test_every_step_that_the_journal_names_survives_the_kill_of_its_worker(job: MainJob, twins: dict[str, tuple[EndState, tuple[str, ...]]], way: Way) -> None:
    _, steps = twin(job, twins, way)
    assert len(steps) > 5
    rows = [killed_as_its_twin(job, twins, way, step) for step in steps]
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.open("a", encoding="utf-8") as kept:
        kept.write(table(Ink(colour=False), COLUMNS_KEPT, rows, empty="no kill came to its end") + "\n\n")


def twin(job: MainJob, twins: dict[str, tuple[EndState, tuple[str, ...]]], way: Way) -> tuple[EndState, tuple[str, ...]]:
    """Return what the way back comes to when nobody disturbs it, and its steps in their order."""
    if way.runbook not in twins:
        way.prepare(job)
        told, reports = len(job.announced()), incidents(job)
        with closing(Api(Where(home=job.stack.home))) as api:
            run = api.start(way.runbook, way.request, confirm=way.confirm).value.id
        ended = job.ended(run, within=180)
        assert ended.code == 0, ended.err
        steps = dict.fromkeys(str(entry["step"]) for entry in job.journal(run) if entry["kind"] == EntryKind.STEP_STARTED)
        twins[way.runbook] = (end_state(job, run, told=told, reports=reports), tuple(steps))
    return twins[way.runbook]


def killed_as_its_twin(job: MainJob, twins: dict[str, tuple[EndState, tuple[str, ...]]], way: Way, step: str) -> tuple[str, ...]:
    """The worker was killed in `step`, another one took over, and the end is that of the twin; return a line about it."""
    undisturbed, steps = twin(job, twins, way)
    assert step in steps
    way.prepare(job)
    told, reports = len(job.announced()), incidents(job)
    with job.chat(mode="slow", seconds=2, method="chat.postMessage"):  # so that the last step is under way when the kill comes
        run, at = job.kill_in(step, way.request, runbook=way.runbook, confirm=way.confirm)
        ended = job.ended(run, within=180)
    assert ended.code == 0, ended.err
    journal = job.journal(run)
    assert Counter(entry["kind"] for entry in journal)[EntryKind.RUN_ENDED] == 1
    takeovers = [datetime.fromisoformat(str(entry["at"])) for entry in journal if entry["kind"] == EntryKind.TAKEN_OVER]
    assert takeovers, f"the kill in {step} hit nobody"
    assert end_state(job, run, told=told, reports=reports) == undisturbed, f"killed in {step}"
    before = any(entry["step"] == step and entry["kind"] == EntryKind.STEP_DONE and datetime.fromisoformat(str(entry["at"])) < at for entry in journal)
    return (way.runbook, step, "just after it" if before else "within it", f"{(min(takeovers) - at).total_seconds():.1f} s", "yes")


def end_state(job: MainJob, run: str, *, told: int, reports: int) -> EndState:
    """Return what stands now, without names and times."""
    serving = job.serving()
    names = sorted(databases(job), key=lambda name: (name != DATABASE, name))
    return EndState(
        status=str(job.shown(run)["status"]),
        serving=serving.version,
        idle=serving.idle_version,
        maintenance=job.stack.environment.traffic.view().maintenance,
        ledger=tuple(job.ledger()),
        deadlines=one(job, COLUMNS),
        databases=tuple(re.sub(r"\d", "#", name) for name in names),
        written=tuple(one(job, FOUND, database=name) for name in names),
        revisions=tuple((revision.version, revision.bad) for revision in job.stack.environment.replicas.revisions()[:2]),
        received=tuple(without_figures(message) for message in job.announced()[told:]),
        reports=incidents(job) - reports,
    )


def without_figures(message: JsonObject) -> str:
    """Return a message without what differs from run to run; a day's first report has no number in its name."""
    return re.sub(r"\d+", "#", re.sub(r"-incident-\d+", "-incident", RUN.sub("<run>", str(message))))


def incidents(job: MainJob) -> int:
    return len(list((job.stack.layout.documents / "docs" / "incidents").glob("*.md")))
