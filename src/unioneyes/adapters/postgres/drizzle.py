"""A Drizzle folder, read as Drizzle reads it, statements between breakpoints.

Where there is a `meta/_journal.json`, it is of drizzle-orm 0.45: one file per migration. Elsewhere it is of drizzle-orm 1.0: one folder per migration, such as
`20260210084500_deadlines/migration.sql`, in the order of the times in their names.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from unioneyes.adapters.postgres.backfill import asks_for_backfill
from unioneyes.adapters.postgres.statements import first_unfit, statements
from unioneyes.ports.database import FolderUnreadable, Migration

BREAKPOINT = "--> statement-breakpoint"
_MAINTENANCE = "-- ue: maintenance"
_NUMBER = re.compile(r"\d+")
_TIME_DIGITS = 14
"""Of a folder's name in Drizzle 1.0's layout: year to second, in UTC."""
_SCRIPT, _ROLLBACK = "migration.sql", "rollback.sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFile:
    """A migration, and where it stands."""

    migration: Migration
    path: Path
    rollback_path: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What stands between two breakpoints: one statement, or several."""

    number: int
    """1-based."""
    line: int
    """1-based line of the file on which its text starts."""
    sql: str

    def line_of(self, position: int) -> int:
        """Return the file's line of a 1-based character position, as PostgreSQL reports it; 0 means the first word."""
        before = self.sql[: position - 1] if position else self.sql[: len(self.sql) - len(self.sql.lstrip())]
        return self.line + before.count("\n")


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True)

    tag: Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*$")]  # becomes a file's name
    when: int


class _Journal(BaseModel):
    model_config = ConfigDict(frozen=True)

    dialect: Literal["postgresql"]
    entries: tuple[_Entry, ...]


def chunks(sql: str) -> tuple[Chunk, ...]:
    """Return the pieces of a migration that are sent to PostgreSQL one by one; empty ones are left out, and keep their number."""
    found = []
    line = 1
    for number, piece in enumerate(sql.split(BREAKPOINT), start=1):
        if piece.strip():
            found.append(Chunk(number=number, line=line, sql=piece))
        line += piece.count("\n")
    return tuple(found)


def read_folder(folder: Path) -> tuple[MigrationFile, ...]:
    """Return the migrations of one folder, in the order of its journal or of its folders' names. Raises: FolderUnreadable."""
    journal = folder / "meta" / "_journal.json"
    if not journal.exists() and (own := sorted(script.parent for script in folder.glob(f"*/{_SCRIPT}"))):
        return tuple(_read_named(each) for each in own)
    try:
        entries = _Journal.model_validate_json(journal.read_bytes()).entries
    except OSError as error:
        raise _unreadable(f"{journal}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _unreadable(f"{journal}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
    return tuple(_read_migration(folder, entry) for entry in entries)


def read_folders(folders: tuple[Path, ...]) -> tuple[MigrationFile, ...]:
    """Return the migrations of `folders`, one after the other, as one history. Raises: FolderUnreadable, also when their times do not rise.

    Drizzle applies what is newer than the newest row of its ledger: a migration whose time is not newer than its predecessor's would be skipped in silence.
    """
    files = tuple(file for folder in folders for file in read_folder(folder))
    for earlier, later in pairwise(file.migration for file in files):
        if later.when <= earlier.when:
            raise _unreadable(f"{later.tag} is not newer than {earlier.tag}, which stands before it (`when` in meta/_journal.json, or the folder's name)")
    return files


def _read_migration(folder: Path, entry: _Entry) -> MigrationFile:
    number = _NUMBER.match(entry.tag)
    names = [f"{entry.tag}_rollback.sql", *([f"{number[0]}_rollback.sql"] if number else [])]
    return _read_file(folder / f"{entry.tag}.sql", tuple(folder / name for name in names), tag=entry.tag, when=entry.when, named=False)


def _read_named(own: Path) -> MigrationFile:
    """Return the migration of a folder of its own. Drizzle 1.0 itself reads a name without a time as no time at all, and applies it first."""
    try:
        at = datetime.strptime(own.name[:_TIME_DIGITS], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise _unreadable(f"{own}: its name does not begin with a time of 14 digits, such as 20260210084500_deadlines") from None
    return _read_file(own / _SCRIPT, (own / _ROLLBACK, own / f"{own.name}_rollback.sql"), tag=own.name, when=round(at.timestamp() * 1000), named=True)


def _read_file(path: Path, rollbacks: tuple[Path, ...], *, tag: str, when: int, named: bool) -> MigrationFile:
    rollback_path = next((each for each in rollbacks if each.is_file()), None)
    sql = _read_text(path)
    return MigrationFile(
        path=path,
        rollback_path=rollback_path,
        migration=Migration(
            tag=tag,
            sha256=hashlib.sha256(sql.encode()).hexdigest(),
            when=when,
            sql=sql,
            rollback_sql=_read_text(rollback_path) if rollback_path else None,
            transactional=first_unfit(sql) is None and not any(asks_for_backfill(sql, statement) for statement in statements(sql)),
            needs_maintenance=sql.partition("\n")[0].strip() == _MAINTENANCE,
            named=named,
        ),
    )


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode()  # not read_text(): it would turn \r\n into \n, and the hash would differ from Drizzle's
    except OSError as error:
        raise _unreadable(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _unreadable(f"{path} is not UTF-8") from None


def _unreadable(what: str) -> FolderUnreadable:
    return FolderUnreadable(what=what, remedy="correct the migrations' folder; `drizzle-kit check` names what it finds")
