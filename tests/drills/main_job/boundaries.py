"""Step boundaries of a run, as an undisturbed run's journal tells them; the worker held at exactly one of them; and what a run leaves behind.

A trigger on the journal lets the line of one boundary wait in its transaction. So the worker has done everything before it, and nothing after it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import LiteralString

import psycopg

from tests.drills.main_job.main_job import JsonObject, MainJob
from tests.stack import eventually
from unioneyes.adapters.postgres.bootstrap import OWNER
from unioneyes.adapters.postgres.programs import program, run_program
from unioneyes.kernel.status import RunStatus
from unioneyes.runbook.views import EntryKind

BOUNDARIES = frozenset(
    {
        EntryKind.RUN_STARTED,
        EntryKind.STEP_STARTED,
        EntryKind.STEP_DONE,
        EntryKind.STEP_FAILED,
        EntryKind.UNDO_STARTED,
        EntryKind.UNDO_DONE,
        EntryKind.RUN_ENDED,
    }
)
REACHED_WITHIN = 120
DUMP_LIMIT = timedelta(seconds=60)

_GATE = 430929177708
"""Advisory lock on which the held line waits."""
_CHILD = re.compile(r"(?:\.\d+)+$")
_HOLD: tuple[LiteralString, ...] = (
    "create table if not exists ue.drill_boundary (child text not null, kind text not null, step text not null)",
    r"""create or replace function ue.drill_hold() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(430929177708) from ue.drill_boundary held
    where held.child = coalesce(substring(new.run_id from '(?:\.\d+)+$'), '') and held.kind = new.kind and held.step = coalesce(new.step, '');
    return null;
end$$""",
    "create or replace trigger drill_hold after insert on ue.journal for each row execute function ue.drill_hold()",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A line of the journal that stands between two things that a run does."""

    child: str
    """`.1` for a line of the run's first part; empty for its own."""
    kind: EntryKind
    step: str

    def __str__(self) -> str:
        """Return it as people say it: `step-done apply_migrations`."""
        return f"{self.kind.value} {self.step}".strip() + (f" (part {self.child[1:]})" if self.child else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndState:
    """Everything that a run leaves behind, as far as two of the same must leave the same."""

    status: RunStatus
    traffic: dict[str, int]
    """Percent of the members' requests, by version."""
    replicas: dict[str, int]
    """Replicas that answer, by version."""
    maintenance: bool | None
    ledger: tuple[str, ...]
    schema: str
    """`pg_dump --schema-only` of the service's database."""
    messages: int
    """What the incidents channel received because of the run."""
    incidents: int
    """Reports that were written because of it."""
    ends: dict[str, int]
    """How often the run and each of its parts ended, by the part's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What was there before the run, to be taken off what is there afterwards."""

    messages: int
    incidents: int

    @classmethod
    def of(cls, job: MainJob) -> Before:
        return cls(messages=len(job.announced()), incidents=len(incidents(job)))


def boundaries(journal: list[JsonObject]) -> tuple[Boundary, ...]:
    """Return the boundaries of a run, in order, each once."""
    found = (
        Boundary(child=part(entry), kind=EntryKind(str(entry["kind"])), step=str(entry["step"] or "")) for entry in journal if str(entry["kind"]) in BOUNDARIES
    )
    return tuple(dict.fromkeys(found))


def part(entry: JsonObject) -> str:
    """Return which part of its run a line belongs to: `.1`, or nothing for the run itself."""
    found = _CHILD.search(str(entry["run_id"]))
    return found[0] if found else ""


def end_state(job: MainJob, run: str, before: Before) -> EndState:
    """Return what the run left behind."""
    status = job.stack.status()
    ends = Counter(part(entry) for entry in job.journal(run) if entry["kind"] == EntryKind.RUN_ENDED)
    return EndState(
        status=RunStatus(str(job.shown(run)["status"])),
        traffic={str(colour.version): colour.traffic for colour in status.colours if colour.traffic},
        replicas={str(colour.version): colour.replicas for colour in status.colours if colour.replicas},
        maintenance=status.maintenance,
        ledger=tuple(job.ledger()),
        schema=schema_of(job),
        messages=len(job.announced()) - before.messages,
        incidents=len(incidents(job)) - before.incidents,
        ends=dict(ends),
    )


def incidents(job: MainJob) -> set[Path]:
    """Return the incident reports that stand."""
    return set((job.stack.layout.documents / "docs" / "incidents").glob("*.md"))


def schema_of(job: MainJob) -> str:
    """Return the schema of the service's database, without the commands to psql, which differ from dump to dump."""
    url = job.parts.database_url(OWNER).get_secret_value()
    dumped = run_program((program("pg_dump"), "--schema-only", "-d", url), within=DUMP_LIMIT).stdout
    return "\n".join(line for line in dumped.splitlines() if not line.startswith("\\"))


@contextmanager
def held_at(job: MainJob, boundary: Boundary) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Whichever run comes to `boundary` waits there until the end of the block. Give a connection that can tell whether one does."""
    with psycopg.connect(job.parts.control_database_url.get_secret_value(), autocommit=True, connect_timeout=5) as gate:
        gate.execute("select pg_advisory_lock(%s)", (_GATE,))
        for statement in _HOLD:
            gate.execute(statement)
        gate.execute("insert into ue.drill_boundary values (%s, %s, %s)", (boundary.child, boundary.kind.value, boundary.step))
        try:
            yield gate
        finally:
            gate.execute("delete from ue.drill_boundary")


def wait_until_held(gate: psycopg.Connection[tuple[object, ...]]) -> None:
    """Return when a run waits at the boundary that holds it."""

    def waits() -> bool:
        row = gate.execute("select count(*) from pg_locks where locktype = 'advisory' and not granted and objid = %s", (_GATE & 0xFFFFFFFF,)).fetchone()
        return row is not None and int(str(row[0])) > 0

    assert eventually(waits, within=REACHED_WITHIN), "the run did not come to its boundary"
