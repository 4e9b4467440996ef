"""Scripts that can't run in one transaction: statement by statement, with a marker of how far they got, so that whoever comes next goes on there.

A statement that a transaction can hold runs in one of its own, together with its marker: exactly once. One that can't (`CREATE INDEX CONCURRENTLY`) is marked
as begun before, and as done behind; where it was begun and not marked as done, what is there tells whether it is done, and what it left half-done is removed
first.
The markers stand in `unioneyes.migration_progress`: Drizzle looks at its own schema only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL
from pydantic import SecretStr

from unioneyes.adapters.postgres.backfill import Backfill, UnfitBackfill, asks_for_backfill, backfill, fill, replicas_behind
from unioneyes.adapters.postgres.connections import sql
from unioneyes.adapters.postgres.fence import enter_until_closed
from unioneyes.adapters.postgres.grants import refused_grant
from unioneyes.adapters.postgres.locks import alone, in_one_transaction, turn_held
from unioneyes.adapters.postgres.statements import Statement, statements
from unioneyes.adapters.postgres.words import behind, indexed, name, spoken
from unioneyes.ports.database import LockNotObtained, MigrationFailed

LONGEST: Final = timedelta(hours=5)
"""Of one statement that keeps nobody waiting: an index of a large table takes its time."""
_CLEAN_LIMIT: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is carried out statement by statement."""

    tag: str
    """Of its migration."""
    file: str
    """What people call it: `0002_index.sql`."""
    sql: str

    @property
    def key(self) -> str:
        """What its marker is found by: its text, so that an edited script begins anew."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a script got."""

    done: int
    """Statements."""
    begun: bool
    """Whether the next one was begun."""
    reached: list[str] | None = None
    """The key of the last row that a backfill filled; None where none did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    named: str
    valid: bool


def progress_of(session: psycopg.Connection, script: Script) -> Progress | None:
    """Return how far `script` got; None where it was never begun, or came to its end."""
    if not _exists(session):
        return None
    with session.cursor(row_factory=class_row(Progress)) as cursor:
        return cursor.execute("SELECT done, begun, reached FROM unioneyes.migration_progress WHERE script = %s", (script.key,)).fetchone()


def unfinished(session: psycopg.Connection) -> str | None:
    """Return the tag of a migration that was begun and not ended; None where there is none."""
    row = session.execute("SELECT tag FROM unioneyes.migration_progress ORDER BY tag LIMIT 1").fetchone() if _exists(session) else None
    return str(row[0]) if row else None


def forget(session: psycopg.Connection, script: Script) -> None:
    """`script` has no marker any more."""
    if _exists(session):
        session.execute("DELETE FROM unioneyes.migration_progress WHERE script = %s", (script.key,))


def carry_out(
    session: psycopg.Connection,
    database_url: SecretStr,
    script: Script,
    *,
    due: Callable[[], bool],
    settle: Callable[[], None],
    patience: timedelta,
    meanwhile: Callable[[str], None],
) -> tuple[bool, timedelta]:
    """Every statement of `script` was executed, and `settle` with the end of the marker, in one transaction; or nothing, where it is not `due`.

    Return whether it was due, and how long locks were waited for. Raises: MigrationFailed, LockNotObtained, FencedOff, DatabaseUnavailable. What was done
    stands then, and the next attempt goes on there.
    """
    with turn_held(session, database_url, patience=patience):
        if not due():
            return False, timedelta(0)
        enter_until_closed(session)
        run = _Run(session=session, database_url=database_url, script=script, patience=patience)
        waited = timedelta(0)
        there = progress_of(session, script) or Progress(done=0, begun=False)
        pieces = statements(script.sql)
        for number, statement in enumerate(pieces, start=1):
            if number <= there.done:
                continue
            meanwhile(f"{script.file}, statement {number} of {len(pieces)}: {statement.words[:60]}")
            waited += run.take(number, statement, begun=there.begun and number == there.done + 1, meanwhile=meanwhile)

        def end() -> None:
            settle()
            forget(session, script)

        _, longer = in_one_transaction(session, database_url, end, patience=patience)
        return True, waited + longer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    session: psycopg.Connection
    database_url: SecretStr
    script: Script
    patience: timedelta

    def take(self, number: int, statement: Statement, *, begun: bool, meanwhile: Callable[[str], None]) -> timedelta:
        """The statement was executed, and is marked; return how long locks were waited for."""
        text = self.script.sql[statement.begin : statement.end].encode()
        try:
            if (wanted := backfill(self.script.sql, statement)) is not None:
                return self._fill(number, wanted, begun=begun, meanwhile=meanwhile)
            if not statement.alone:
                return self._in_transaction(number, text)
            self._note(number - 1, begun=True)
            if not (self._tidied(statement) and begun):
                alone(self.session, self.database_url, text, patience=self.patience, limit=LONGEST)
            self._note(number, begun=False)
        except LockNotObtained as problem:
            self._leave(number, statement)
            raise replace(problem, what=problem.what.replace("nothing was changed", self._stands(number, statement))) from None
        except UnfitBackfill:
            self._leave(number, statement)
            raise
        except psycopg.Error as error:
            if self.session.closed:
                raise
            self._leave(number, statement)
            said = error.diag.message_primary or type(error).__name__
            raise MigrationFailed(
                what=f"{self.script.file}, statement {number}, line {statement.line}: {said}; {self._stands(number, statement)}",
                remedy=refused_grant(error, self.session.info.user) or "correct what stands in its way, and try again",
            ) from None
        return timedelta(0)

    def _fill(self, number: int, wanted: Backfill, *, begun: bool, meanwhile: Callable[[str], None]) -> timedelta:
        """Its rows are filled, from where it was begun."""
        if not begun:
            self._note(number - 1, begun=True)
        lag = partial(replicas_behind, self.session)
        waited = fill(self.session, self.database_url, wanted, key=self.script.key, patience=self.patience, meanwhile=meanwhile, lag=lag)
        self._note(number, begun=False)
        return waited

    def _in_transaction(self, number: int, text: bytes) -> timedelta:
        def work() -> None:
            self.session.execute(text)
            self._note(number, begun=False)

        _, waited = in_one_transaction(self.session, self.database_url, work, patience=self.patience)
        return waited

    def _stands(self, number: int, statement: Statement) -> str:
        if asks_for_backfill(self.script.sql, statement):
            return "the batches before it stay, and the next attempt goes on there"
        return "nothing was changed" if number == 1 else f"what stands before it stays, and the next attempt goes on with statement {number}"

    def _note(self, done: int, *, begun: bool) -> None:
        if not _exists(self.session):
            self.session.execute(sql("progress_create"))
        self.session.execute(sql("progress_note"), {"script": self.script.key, "tag": self.script.tag, "done": done, "begun": begun})

    def _leave(self, number: int, statement: Statement) -> None:
        """What a failed statement left is removed, and where it was the first, nothing tells of the attempt. Another failure changes nothing of the first."""
        with suppress(psycopg.Error, LockNotObtained):
            if statement.alone:
                self._tidied(statement)
            there = progress_of(self.session, self.script)
            if there is not None and there.reached is not None:
                return  # its batches stand
            if number == 1:
                forget(self.session, self.script)
            else:
                self._note(number - 1, begun=False)

    def _tidied(self, statement: Statement) -> bool:
        """Nothing half-done of the statement is left. Return whether it is done already, if it was begun."""
        (tokens,) = spoken(self.script.sql[statement.begin : statement.end])
        match [token.keyword for token in tokens if token.keyword != "UNIQUE"]:
            case ["CREATE", "INDEX", *_]:
                index, table = indexed(tokens)
                found = self._indexes("index_state", {"index": index, "table": _quoted(table)})
                self._drop(each for each in found if not each.valid)
                return any(each.valid for each in found)
            case ["DROP", "INDEX", *_]:
                dropped = _quoted(name(behind(tokens[2:], "CONCURRENTLY")))
                return self.session.execute("SELECT to_regclass(%s)", (dropped,)).fetchone() == (None,)
            case ["REINDEX", *_]:
                of = _quoted(name(behind(tokens[1:], "INDEX", "TABLE", "CONCURRENTLY")))
                self._drop(iter(self._indexes("index_leftovers", {"of": of})))
                return False
            case _:
                return False

    def _indexes(self, query: str, of: dict[str, str | None]) -> tuple[_Index, ...]:
        with self.session.cursor(row_factory=class_row(_Index)) as cursor:
            return tuple(cursor.execute(sql(query), of))

    def _drop(self, invalid: Iterator[_Index]) -> None:
        for each in invalid:
            drop = SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(SQL(each.named)).as_bytes(self.session)
            alone(self.session, self.database_url, drop, patience=self.patience, limit=_CLEAN_LIMIT)


def _quoted(spelled: tuple[str, ...]) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in spelled)


def _exists(session: psycopg.Connection) -> bool:
    return session.execute("SELECT to_regclass('unioneyes.migration_progress')").fetchone() != (None,)
