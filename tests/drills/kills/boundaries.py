"""Step boundaries of a run, as an undisturbed run's journal tells them, and the worker held at exactly one of them.

A trigger on the journal lets the line of one boundary wait in its transaction. So the worker has done everything before it, and nothing after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import LiteralString

import psycopg

from tests.drills.main_job.main_job import JsonObject, MainJob
from tests.stack import eventually
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
NOT_KEPT = "not-kept"
"""The line says that the step is done, and the durable engine has not kept yet what came of it: whoever takes over takes the step once more."""

_GATE = 430929177708
"""Advisory lock on which the held line waits."""
_STAMP = re.compile(r"-\d{8}-\d{6}-[2-9a-z]{5}")
_HOLD: tuple[LiteralString, ...] = (
    "create table if not exists ue.drill_boundary (part text not null, kind text not null, step text not null)",
    r"""create or replace function ue.drill_hold() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(430929177708) from ue.drill_boundary held
    where held.part = regexp_replace(new.run_id, '-\d{8}-\d{6}-[2-9a-z]{5}', '') and held.kind = new.kind and held.step = coalesce(new.step, '');
    return null;
end$$""",
    "create or replace trigger drill_hold after insert on ue.journal for each row execute function ue.drill_hold()",
    r"""create or replace function ue.drill_hold_not_kept() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(430929177708) from ue.drill_boundary held
    where held.part = regexp_replace(new.workflow_uuid, '-\d{8}-\d{6}-[2-9a-z]{5}', '') and held.kind = 'not-kept' and held.step = new.function_name;
    return null;
end$$""",
    "create or replace trigger drill_hold_not_kept after insert on dbos.operation_outputs for each row execute function ue.drill_hold_not_kept()",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A line of the journal that stands between two things that a run does."""

    part: str
    """Whose line it is: `deployment`, or `deployment.1` for its first part."""
    kind: str
    """An `EntryKind`, or `NOT_KEPT`."""
    step: str

    def __str__(self) -> str:
        """Return it as people say it: `deployment: step-done apply_migrations`."""
        return f"{self.part}: {self.kind} {self.step}".rstrip()

    @classmethod
    def read(cls, line: str) -> Boundary:
        """Return the boundary that is said so."""
        part, _, rest = line.partition(": ")
        kind, _, step = rest.partition(" ")
        return cls(part=part, kind=EntryKind(kind), step=step)


def boundaries(journal: Iterable[JsonObject]) -> tuple[Boundary, ...]:
    """Return the boundaries that the lines of a journal tell of, in order, each once."""
    found = (
        Boundary(part=part_of(entry["run_id"]), kind=EntryKind(str(entry["kind"])), step=str(entry["step"] or ""))
        for entry in journal
        if str(entry["kind"]) in BOUNDARIES
    )
    return tuple(dict.fromkeys(found))


def with_not_kept(found: Iterable[Boundary]) -> tuple[Boundary, ...]:
    """Return the boundaries, and behind each step that is done, where that is not kept yet."""
    return tuple(each for one in found for each in ([one, replace(one, kind=NOT_KEPT)] if one.kind == EntryKind.STEP_DONE else [one]))


def part_of(run: object) -> str:
    """Return what two runs of the same have in common in their names: `deployment`, and `deployment.1` for the first part of it."""
    return _STAMP.sub("", str(run))


@contextmanager
def held_at(job: MainJob, boundary: Boundary) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Whichever run comes to `boundary` waits there until the end of the block. Give a connection that can tell whether one does."""
    with psycopg.connect(job.parts.control_database_url.get_secret_value(), autocommit=True, connect_timeout=5) as gate:
        gate.execute("select pg_advisory_lock(%s)", (_GATE,))
        for statement in _HOLD:
            gate.execute(statement)
        gate.execute("insert into ue.drill_boundary values (%s, %s, %s)", (boundary.part, str(boundary.kind), boundary.step))
        try:
            yield gate
        finally:
            gate.execute("delete from ue.drill_boundary")


def drop_held(gate: psycopg.Connection[tuple[object, ...]]) -> None:
    """What waits at the boundary is not written: whoever would have said so is dead. A statement that is a transaction of its own would go on without them."""
    gate.execute("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and not granted and objid = %s", (_GATE & 0xFFFFFFFF,))


def wait_until_held(gate: psycopg.Connection[tuple[object, ...]]) -> None:
    """Return when a run waits at the boundary that holds it."""

    def waits() -> bool:
        row = gate.execute("select count(*) from pg_locks where locktype = 'advisory' and not granted and objid = %s", (_GATE & 0xFFFFFFFF,)).fetchone()
        return row is not None and int(str(row[0])) > 0

    assert eventually(waits, within=REACHED_WITHIN), "the run did not come to its boundary"
