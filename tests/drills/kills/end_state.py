"""What runs leave behind, without what differs from run to run: two of the same must leave the same."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from tests.drills.kills.boundaries import part_of
from tests.drills.kills.forgotten import forgotten
from tests.drills.kills.own import marks
from tests.drills.main_job.main_job import JsonObject, MainJob
from tests.drills.rollback.ways_back import databases, one
from unioneyes.adapters.postgres.bootstrap import DATABASE, OWNER
from unioneyes.adapters.postgres.programs import program, run_program
from unioneyes.kernel.clock import now
from unioneyes.kernel.status import RunStatus
from unioneyes.ports.edge import EdgeView
from unioneyes.ports.replicas import Revision
from unioneyes.runbook.views import EntryKind

DUMP_LIMIT = timedelta(seconds=60)
_RUN = re.compile(r"[a-z]+-\d{8}-\d{6}-[2-9a-z]{5}")
_WRITTEN = "select count(*) from login_attempts where request_id = 'drill'"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndState:
    """Everything that the runs of a scenario leave behind."""

    status: dict[str, RunStatus]
    """By what the run is: `deployment`, `rollback`."""
    ends: dict[str, int]
    """How often each run, and each of its parts, ended."""
    traffic: dict[str, int]
    """Percent of the members' requests, by version."""
    replicas: dict[str, int]
    """Replicas that answer, by version."""
    maintenance: bool | None
    edge: EdgeView
    """Who is limited, and kept out."""
    revisions: tuple[tuple[str, bool], ...]
    """Those that began or ended since, newest first, and whether they are bad."""
    ledger: tuple[str, ...]
    schema: str
    """`pg_dump --schema-only` of the service's database."""
    databases: tuple[str, ...]
    """The service's databases, the live one first."""
    written: tuple[object, ...]
    """How much of what was written since the backup each of them holds."""
    messages: tuple[str, ...]
    """What the incidents channel received because of the runs."""
    incidents: int
    """Reports that were written because of them."""
    marks: tuple[str, ...]
    """What own runbooks did."""
    forgotten: tuple[str, ...]
    """What the sessions do that somebody forgot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What was there before the runs, to be taken off what is there afterwards."""

    at: datetime
    messages: int
    incidents: int
    revisions: tuple[Revision, ...]

    @classmethod
    def of(cls, job: MainJob) -> Before:
        return cls(at=now(), messages=len(job.announced()), incidents=incidents(job), revisions=job.stack.environment.replicas.revisions())


def end_state(job: MainJob, runs: tuple[str, ...], before: Before) -> EndState:
    """Return what `runs` left behind."""
    status, shown = job.stack.status(), {part_of(run): job.shown(run) for run in runs}
    reasons = measured(shown.values())
    names = sorted(databases(job), key=lambda name: (name != DATABASE, name))
    return EndState(
        status={part: RunStatus(str(run["status"])) for part, run in shown.items()},
        ends=dict(Counter(part_of(entry["run_id"]) for run in runs for entry in job.journal(run) if entry["kind"] == EntryKind.RUN_ENDED)),
        traffic={str(colour.version): colour.traffic for colour in status.colours if colour.traffic},
        replicas={str(colour.version): colour.replicas for colour in status.colours if colour.replicas},
        maintenance=status.maintenance,
        edge=job.stack.environment.edge.view(),
        revisions=tuple((revision.version, revision.bad) for revision in job.stack.environment.replicas.revisions() if revision not in before.revisions),
        ledger=tuple(job.ledger()),
        schema=schema_of(job),
        databases=tuple(without_figures(name) for name in names),
        written=tuple(one(job, _WRITTEN, database=name) for name in names),
        messages=tuple(said(message, reasons) for message in job.announced()[before.messages :]),
        incidents=incidents(job) - before.incidents,
        marks=marks(job),
        forgotten=forgotten(job),
    )


def differences(wanted: EndState, found: EndState) -> dict[str, tuple[object, object]]:
    """Return what differs: (wanted, found) by the field's name."""
    return {field.name: pair for field in fields(EndState) if (pair := (getattr(wanted, field.name), getattr(found, field.name)))[0] != pair[1]}


def incidents(job: MainJob) -> int:
    """Return how many incident reports stand."""
    return len(list((job.stack.layout.documents / "docs" / "incidents").glob("*.md")))


def schema_of(job: MainJob) -> str:
    """Return the schema of the service's database, without the commands to psql, which differ from dump to dump."""
    url = job.parts.database_url(OWNER).get_secret_value()
    dumped = run_program((program("pg_dump"), "--schema-only", "-d", url), within=DUMP_LIMIT).stdout
    return "\n".join(line for line in dumped.splitlines() if not line.startswith("\\"))


def measured(runs: Iterable[JsonObject]) -> tuple[str, ...]:
    """Return the reasons for which a verdict sent the members back: which rule is broken first is the members' luck."""
    results = [run["result"] for run in runs]
    return tuple(str(back["reason"]) for result in results if isinstance(result, dict) and isinstance(back := result.get("rolled_back"), dict))


def said(message: JsonObject, reasons: tuple[str, ...]) -> str:
    """Return a message without the run's name, its figures and what was measured; a day's first report has no number in its name."""
    text = json.dumps(message)
    for reason in reasons:
        text = text.replace(json.dumps(reason)[1:-1], "<what was measured>")
    return without_figures(re.sub(r"-incident-\d+", "-incident", _RUN.sub("<run>", text)))


def without_figures(text: str) -> str:
    """Return `text` with one mark for each figure, however long it is."""
    return re.sub(r"\d(?:[\d.,]*\d)?", "#", text)
