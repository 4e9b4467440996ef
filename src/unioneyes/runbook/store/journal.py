"""The journal: every line of every run, in order, redacted before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb
from pydantic import JsonValue
from sqlalchemy import Connection, Select, bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import RowMapping

from unioneyes.kernel.redaction import Redactor
from unioneyes.runbook.codec import redacted_fields
from unioneyes.runbook.store.family import family
from unioneyes.runbook.store.tables import journal
from unioneyes.runbook.views import EntryKind, JournalEntry

_IN_ORDER = 0x7565_0002
"""Key of the advisory lock that lets lines become visible in the order of their numbers: who has read up to one has missed none before it."""

NUMBER = "number"
"""In the line that a step begins with: which of its run's steps it is, the same for each worker that carries the run out."""
_COLUMNS = (journal.c.key, journal.c.run_id, journal.c.kind, journal.c.step, journal.c.message, journal.c.data)
_TURN = func.pg_advisory_xact_lock(_IN_ORDER).table_valued("turn")
_WRITE = (
    insert(journal)
    .from_select(list(_COLUMNS), select(*(bindparam(f"new_{column.name}", type_=column.type) for column in _COLUMNS)).select_from(_TURN))
    .on_conflict_do_nothing(index_elements=["key"])
)
"""One statement: the line gets its number when its turn has come, not before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line to be written."""

    kind: EntryKind
    message: str
    step: str | None = None
    data: dict[str, JsonValue] = field(default_factory=dict)
    key: UUID = field(default_factory=uuid4)
    """Written once, however often the write is tried."""


class Journal:
    """Writes and reads lines, inside a transaction that is the caller's."""

    def __init__(self, redactor: Redactor) -> None:
        """Blot secrets out by `redactor`."""
        self._redact = redactor

    def write(self, connection: Connection, run_id: str, line: Line) -> None:
        """The run's journal ends with `line`. The last thing that a transaction does: other writers wait for its end."""
        connection.execute(
            _WRITE,
            {
                "new_key": line.key,
                "new_run_id": run_id,
                "new_kind": line.kind.value,
                "new_step": line.step,
                "new_message": self._redact(line.message),
                "new_data": redacted_fields(line.data, self._redact),
            },
        )

    def written(self, line: Line) -> dict[str, object]:
        """Return the line as the statements that write one take it, redacted."""
        return {
            "turn": _IN_ORDER,
            "key": line.key,
            "kind": line.kind.value,
            "step": line.step,
            "message": self._redact(line.message),
            "data": Jsonb(redacted_fields(line.data, self._redact)),
        }

    def read(self, connection: Connection, run_id: str | None, *, after: int, limit: int) -> tuple[JournalEntry, ...]:
        """Return the lines with numbers above `after`, oldest first: of one run and its children, or of all."""
        wanted = select(journal).where(journal.c.seq > after).order_by(journal.c.seq).limit(limit)
        if run_id is not None:
            wanted = wanted.where(journal.c.run_id.in_(family([run_id])))
        return tuple(_entry(row) for row in connection.execute(wanted).mappings())

    def was_begun(self, connection: Connection, run_id: str, number: int) -> bool:
        """Return whether the run was ever in this one of its steps."""
        began = (journal.c.run_id == run_id, journal.c.kind == EntryKind.STEP_STARTED.value, journal.c.data[NUMBER].as_integer() == number)
        return connection.scalar(select(exists().where(*began))) is True

    def bring_in(self, connection: Connection, entries: Sequence[JournalEntry]) -> None:
        """The journal ends with what was written elsewhere, each line with its own time. The last thing that a transaction does, as `write`."""
        connection.execute(select(func.pg_advisory_xact_lock(_IN_ORDER)))
        for entry in entries:
            values = {"key": uuid4(), "run_id": entry.run_id, "at": entry.at, "kind": entry.kind.value, "step": entry.step}
            told = {"message": self._redact(entry.message), "data": redacted_fields(entry.data, self._redact)}
            connection.execute(insert(journal).values({**values, **told}))

    def step_times(self, connection: Connection, of: Select[tuple[str]]) -> dict[str, timedelta]:
        """Return the median time of each step that was done in the runs `of`."""
        took = func.percentile_disc(0.5).within_group(journal.c.data["took_s"].as_float())
        wanted = select(journal.c.step, took).where(journal.c.run_id.in_(of), journal.c.kind == EntryKind.STEP_DONE.value, journal.c.step.is_not(None))
        return {step: timedelta(seconds=seconds) for step, seconds in connection.execute(wanted.group_by(journal.c.step)) if seconds is not None}


def _entry(row: RowMapping) -> JournalEntry:
    return JournalEntry(
        seq=row["seq"], run_id=row["run_id"], at=row["at"], kind=EntryKind(row["kind"]), step=row["step"], message=row["message"], data=row["data"]
    )
