"""A Drizzle folder, read as Drizzle reads it: `meta/_journal.json`, one file per migration, statements between breakpoints. Source: drizzle-orm 0.45."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from unioneyes.adapters.postgres.statements import first_unfit
from unioneyes.ports.database import FolderUnreadable, Migration

BREAKPOINT = "--> statement-breakpoint"
_MAINTENANCE = "-- ue: maintenance"
_NUMBER = re.compile(r"\d+")


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
    """Return the migrations of one folder, in the journal's order. Raises: FolderUnreadable."""
    journal = folder / "meta" / "_journal.json"
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
            raise _unreadable(f"{later.tag} is not newer than {earlier.tag}, which stands before it (`when` in meta/_journal.json)")
    return files


def _read_migration(folder: Path, entry: _Entry) -> MigrationFile:
    path = folder / f"{entry.tag}.sql"
    number = _NUMBER.match(entry.tag)
    names = [f"{entry.tag}_rollback.sql", *([f"{number[0]}_rollback.sql"] if number else [])]
    rollback_path = next((folder / name for name in names if (folder / name).is_file()), None)
    sql = _read_text(path)
    return MigrationFile(
        path=path,
        rollback_path=rollback_path,
        migration=Migration(
            tag=entry.tag,
            sha256=hashlib.sha256(sql.encode()).hexdigest(),
            when=entry.when,
            sql=sql,
            rollback_sql=_read_text(rollback_path) if rollback_path else None,
            transactional=first_unfit(sql) is None,
            needs_maintenance=sql.partition("\n")[0].strip() == _MAINTENANCE,
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
