"""A backfill: an UPDATE of a whole table, in batches by its primary key, each in a transaction of its own together with how far it got.

A comment above the statement asks for it, so `psql` and Drizzle run the same file, in one go: `-- ue: backfill batch=1000 lag=64MB`. Rows that are inserted
meanwhile may be passed by: the release, a default or a trigger fills what is new.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal
from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import sql
from unioneyes.adapters.postgres.locks import in_one_transaction
from unioneyes.adapters.postgres.statements import Statement, blanked, statements
from unioneyes.adapters.postgres.words import name, spoken
from unioneyes.kernel.cancelling import sleep
from unioneyes.kernel.problems import Refused
from unioneyes.kernel.units import format_bytes
from unioneyes.ports.database import ReplicaBehind

BATCH: Final = 1000
"""Rows of a batch where nothing else is said."""
LAG: Final = 64 << 20
"""Bytes that a replica may be behind where nothing else is said."""
LONGEST_WAIT: Final = timedelta(minutes=10)
"""How long a replica is waited for."""
_LOOK_SECONDS = 0.5
_TELL_SECONDS = 2.0
_DIRECTIVE = re.compile(r"^[ \t]*--[ \t]*ue:[ \t]*backfill\b(?P<options>[^\n]*)$", re.MULTILINE)
_OPTION = re.compile(r"(?P<name>batch|lag)=(?P<number>[1-9]\d{0,8})(?P<unit>kB|MB|GB)?")
_UNITS = {"kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


@dataclass(kw_only=True, eq=False)
class UnfitBackfill(Refused):
    """The statement can't be done in batches."""

    remedy: str = (
        "write it as -- ue: backfill batch=1000 lag=64MB above UPDATE table SET ... WHERE ...; without FROM and RETURNING, on a table with a primary key"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """What a comment asks for, and the statement that it stands above."""

    batch: int
    """Rows."""
    lag: int
    """Bytes that a replica may be behind."""
    table: tuple[str, ...]
    head: str
    """The statement up to its WHERE."""
    condition: str | None
    """What stands behind WHERE; None where all rows are meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    name: str
    type: str


def backfills(script: str) -> tuple[Backfill, ...]:
    """Return what of `script` is to be done in batches. Raises: UnfitBackfill."""
    return tuple(found for statement in statements(script) if (found := backfill(script, statement)) is not None)


def asks_for_backfill(script: str, statement: Statement) -> bool:
    """Return whether a comment above `statement` asks for batches, fit or not."""
    return _DIRECTIVE.search(script, statement.begin, statement.first) is not None


def backfill(script: str, statement: Statement) -> Backfill | None:
    """Return what the comment above `statement` asks for; None where there is none. Raises: UnfitBackfill."""
    asked = _DIRECTIVE.search(script, statement.begin, statement.first)
    if asked is None:
        return None
    batch, lag = _options(asked["options"], statement.line)
    text = script[statement.first : statement.end]
    (tokens,) = spoken(text)
    depth, places = 0, dict[str, tuple[int, int]]()
    for found in re.finditer(r"[()]|[A-Za-z_]\w*", blanked(text)):
        depth += (found[0] == "(") - (found[0] == ")")
        if depth == 0:
            places.setdefault(found[0].upper(), found.span())
    where = places.get("WHERE")
    joined = "FROM" in places and (where is None or places["FROM"] < where)  # behind WHERE it may be IS DISTINCT FROM
    if tokens[0].keyword != "UPDATE" or joined or "RETURNING" in places:
        raise UnfitBackfill(what=f"line {statement.line}: what is to be backfilled is no UPDATE of one table alone; nothing was changed")
    head, condition = (text, None) if where is None else (text[: where[0]], text[where[1] :])
    return Backfill(batch=batch, lag=lag, table=name(tokens[1:]), head=head, condition=condition)


def fill(
    session: psycopg.Connection,
    database_url: SecretStr,
    wanted: Backfill,
    *,
    key: str,
    patience: timedelta,
    meanwhile: Callable[[str], None],
    lag: Callable[[], int | None],
    longest_wait: timedelta = LONGEST_WAIT,
) -> timedelta:
    """Every row that the condition names was updated, in batches, from where the marker `key` says. Return how long locks were waited for.

    `lag` returns how many bytes the replica that is furthest behind has not replayed; None where there is none. Raises: UnfitBackfill, LockNotObtained,
    ReplicaBehind, what the statement itself raises. What was done stands then, and the next call goes on there.
    """
    columns = _key(session, wanted)
    row = session.execute("SELECT reached, rows FROM unioneyes.migration_progress WHERE script = %s", (key,)).fetchone()
    reached, rows = (row[0], int(row[1])) if row else (None, 0)
    waited, told = timedelta(0), time.monotonic()
    while True:
        upper = _upper(session, wanted, columns, reached)
        if upper is None:
            meanwhile(f"{rows:,} rows of {'.'.join(wanted.table)} were filled")
            return waited
        _wait_for_replicas(wanted, lag, meanwhile, longest_wait)

        def batch(lower: list[str] | None = reached, upto: list[str] = upper) -> int:
            done = session.execute(_update(wanted, columns, lower, upto).as_bytes(session)).rowcount
            session.execute("UPDATE unioneyes.migration_progress SET reached = %s, rows = rows + %s WHERE script = %s", (upto, done, key))
            return done

        done, longer = in_one_transaction(session, database_url, batch, patience=patience)
        reached, rows, waited = upper, rows + done, waited + longer
        if time.monotonic() - told > _TELL_SECONDS:
            meanwhile(f"{rows:,} rows of {'.'.join(wanted.table)} are filled")
            told = time.monotonic()


def replicas_behind(session: psycopg.Connection) -> int | None:
    """Return how many bytes the replica that is furthest behind has not replayed; None where there is none, or nobody tells."""
    row = session.execute(sql("replicas_behind")).fetchone()
    return int(row[0]) if row and row[0] is not None else None


def _options(text: str, line: int) -> tuple[int, int]:
    batch, lag = BATCH, LAG
    for word in text.split():
        found = _OPTION.fullmatch(word)
        if found is None or (found["name"] == "batch" and found["unit"]):
            raise UnfitBackfill(what=f"line {line}: a backfill knows no {word}; nothing was changed")
        number = int(found["number"]) * _UNITS.get(found["unit"] or "", 1)
        batch, lag = (number, lag) if found["name"] == "batch" else (batch, number)
    return batch, lag


def _key(session: psycopg.Connection, wanted: Backfill) -> tuple[_Column, ...]:
    quoted = Identifier(*wanted.table).as_string(session)
    found = tuple(_Column(name=str(row[0]), type=str(row[1])) for row in session.execute(sql("primary_key"), {"table": quoted}))
    if not found:
        raise UnfitBackfill(what=f"{'.'.join(wanted.table)} has no primary key, so it can't be gone through in batches; nothing was changed")
    return found


def _upper(session: psycopg.Connection, wanted: Backfill, columns: tuple[_Column, ...], reached: list[str] | None) -> list[str] | None:
    """Return the key of the last row of the next batch, as text; None where there is none."""
    names = [Identifier(column.name) for column in columns]
    query = SQL("SELECT {texts} FROM (SELECT {names} FROM {table} {behind} ORDER BY {names} LIMIT {batch}) AS batch ORDER BY {backwards} LIMIT 1").format(
        texts=SQL(", ").join(SQL("{}::text").format(each) for each in names),
        names=SQL(", ").join(names),
        table=Identifier(*wanted.table),
        behind=SQL("WHERE {}").format(_beyond(columns, ">", reached)) if reached else SQL(""),
        batch=Literal(wanted.batch),
        backwards=SQL(", ").join(SQL("{} DESC").format(Identifier("batch", column.name)) for column in columns),  # by value, not by its text
    )
    row = session.execute(query).fetchone()
    return [str(value) for value in row] if row else None


def _update(wanted: Backfill, columns: tuple[_Column, ...], reached: list[str] | None, upper: list[str]) -> Composable:
    bounds = [_beyond(columns, "<=", upper), *([_beyond(columns, ">", reached)] if reached else [])]
    own = [SQL("({}\n)").format(_text(wanted.condition))] if wanted.condition is not None else []
    return SQL("{} WHERE {}").format(_text(f"{wanted.head}\n"), SQL(" AND ").join([*own, *bounds]))


def _beyond(columns: tuple[_Column, ...], operator: str, values: list[str]) -> Composable:
    """Return that the key stands on this side of `values`."""
    names = SQL(", ").join(Identifier(column.name) for column in columns)
    bounds = SQL(", ").join(SQL("{}::{}").format(Literal(value), _text(column.type)) for column, value in zip(columns, values, strict=True))
    return SQL("({}) {} ({})").format(names, _text(operator), bounds)


def _text(text: str) -> Composable:
    """Return what is SQL already: a migration's own text, or the catalogue's name of a type."""
    return SQL(text)


def _wait_for_replicas(wanted: Backfill, lag: Callable[[], int | None], meanwhile: Callable[[str], None], longest: timedelta) -> None:
    """No replica is further behind than it may be. Raises: ReplicaBehind."""
    began, told = time.monotonic(), False
    while (behind := lag()) is not None and behind > wanted.lag:
        if time.monotonic() - began > longest.total_seconds():
            raise ReplicaBehind(
                what=f"a replica is {format_bytes(behind)} behind, and {format_bytes(wanted.lag)} are allowed; what was filled stays",
                remedy="see to the replica, and apply the migration again: it goes on where it stopped",
            )
        if not told:
            meanwhile(f"waiting for a replica that is {format_bytes(behind)} behind")
            told = True
        sleep(_LOOK_SECONDS)
