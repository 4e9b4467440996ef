"""Base backups: made by `pg_basebackup`, verified by the server's own list of files, and kept with a manifest that is enough to recover by."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from unioneyes.adapters.postgres.connections import connection, shown, sql
from unioneyes.adapters.postgres.grants import kept_out
from unioneyes.adapters.postgres.programs import ProgramFailed, program, run_program, signed_in
from unioneyes.adapters.postgres.recovery.checksums import LIST, Listed, require_unbroken
from unioneyes.adapters.postgres.trouble import room_at
from unioneyes.kernel.fencing import Fence
from unioneyes.kernel.files import keep_name, replace_file
from unioneyes.kernel.problems import BadInput
from unioneyes.ports.recovery import BaseBackup, BaseBroken, BaseFailed, NoParent, NoSuchBase

NAMES = r"[A-Za-z0-9][A-Za-z0-9_-]*"
_BASE_LIMIT = timedelta(hours=4)
_LOOK_LIMIT = timedelta(seconds=30)
_TURN_LIMIT = timedelta(hours=4)
INCREMENTAL_SINCE = 17
"""The first PostgreSQL that tells what changed since."""


class BaseManifest(BaseModel):
    """What `<name>.json` says about the folder `<name>`: enough to recover by, where every catalogue is lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    parent: str | None
    started_at: datetime
    ended_at: datetime
    """By the server's clock."""
    took: timedelta
    bytes: int
    files: int
    timeline: int
    start_lsn: str
    end_lsn: str
    system: int | None
    """Identifier of the cluster; None before PostgreSQL 17."""
    server_version: str
    segment_bytes: int
    database: str
    """The operated one, of which the tables are told."""
    tables: dict[str, str]
    """Table -> its file (`public.claims` -> `base/16384/24601`), as it was at `tables_at`."""
    tables_at: str
    checksum: str
    """SHA-256 of the server's own list of the files."""

    def base(self, folder: Path) -> BaseBackup:
        """Return it as the port shows it."""
        said = self.model_dump(exclude={"format", "system", "segment_bytes", "database", "tables", "tables_at"})
        return BaseBackup(path=folder / self.name, **said)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What the server says of itself."""

    clock: datetime
    version: str
    position: str
    summarized: bool
    tablespaces: int
    segment_bytes: int
    database: str
    tables: dict[str, str]

    @property
    def major(self) -> int:
        return major(self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseBackups:
    """The base backups in a folder."""

    folder: Path
    database_url: SecretStr
    """Of a role that may stream (REPLICATION), and comes into the operated database."""

    def all(self) -> tuple[BaseManifest, ...]:
        """Return what the manifests say, newest first; a folder without one is no base backup."""
        found = (_read(path) for path in self.folder.glob("*.json"))
        return tuple(sorted((each for each in found if each is not None), key=lambda each: (each.ended_at, each.name), reverse=True))

    def get(self, name: str) -> BaseManifest:
        """Return the manifest of that name. Raises: NoSuchBase."""
        every = self.all()
        found = next((each for each in every if each.name == name), None)
        if found is None:
            known = ", ".join(each.name for each in every[:5]) or "none"
            raise NoSuchBase(what=f"there is no base backup called {name!r}", remedy=f"the newest: {known}")
        return found

    def chain(self, name: str) -> tuple[BaseManifest, ...]:
        """Return the base backups that `name` is put together of, the whole one first. Raises: NoSuchBase, BaseBroken where one of them is gone."""
        chain = [self.get(name)]
        while (parent := chain[0].parent) is not None:
            try:
                chain.insert(0, self.get(parent))
            except NoSuchBase:
                raise BaseBroken(
                    what=f"{name} holds the changes since {parent}, which is gone", remedy="make a whole one: ue backup base --yes; then choose that"
                ) from None
        return tuple(chain)

    def verify(self, name: str) -> BaseManifest:
        """Return the manifest once every file of it, and of those that it is put together of, is what the server sent. Raises: BaseBroken, NoSuchBase."""
        chain = self.chain(name)
        for each in chain:
            if require_unbroken(self.folder / each.name).checksum != each.checksum:
                raise BaseBroken(what=f"{each.name}: the list of its files is another one than its manifest says", remedy="ue backup base makes another one")
        return chain[-1]

    def take(self, name: str, *, incremental: bool) -> BaseManifest:
        """A base backup called `name` exists, whole and verified; made already, it is returned as it is.

        Raises: BaseFailed, NoParent, DatabaseUnavailable, BadInput.
        """
        if not re.fullmatch(NAMES, name):
            raise BadInput(what=f"{name!r} is no name for a base backup", remedy="use letters, digits, _ and -, as in base_20260209_020000")
        with self.turn():
            if (made := _read(self.folder / f"{name}.json")) is not None:
                return made
            source = self._source()
            self._require_possible(source)
            parent = self._parent(source) if incremental else None
            partial = self.folder / f"{name}.partial"
            for left in (partial, self.folder / name):  # of an attempt that ended in its middle
                shutil.rmtree(left, ignore_errors=True)
            try:
                manifest = self._made(name, partial, source, parent)
                partial.rename(self.folder / name)
                keep_name(self.folder)
                replace_file(self.folder / f"{name}.json", manifest.model_dump_json(indent=2) + "\n")
                keep_name(self.folder)
            except BaseException as ended:
                for left in (partial, self.folder / name):
                    shutil.rmtree(left, ignore_errors=True)
                if isinstance(ended, ProgramFailed | BaseBroken):
                    remedy = self._let_in(ended.what) or "make room, look at the server's log, and try again"
                    raise BaseFailed(what=f"{ended.what}{room_at(self.folder)}", remedy=remedy) from None
                if isinstance(ended, OSError):
                    raise BaseFailed(what=f"{ended.filename}: {ended.strerror}{room_at(self.folder)}", remedy="make room, and try again") from None
                raise
            return manifest

    def remove(self, names: tuple[str, ...]) -> int:
        """These base backups are gone. Return how many bytes they had."""
        freed = 0
        for manifest in self.all():
            if manifest.name in names:
                (self.folder / f"{manifest.name}.json").unlink()  # first: what it speaks of is no base backup any more
                shutil.rmtree(self.folder / manifest.name, ignore_errors=True)
                freed += manifest.bytes
        return freed

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else makes or removes one meanwhile, and nobody who was taken over from. Raises: FencedOff, StillInside."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with Fence(self.folder / "bases.lock").entered(within=_TURN_LIMIT):
            yield

    def describe(self, name: str, *, incremental: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        address = conninfo_to_dict(self.database_url.get_secret_value())
        since = f" --incremental={self.folder / self.all()[0].name / LIST}" if incremental and self.all() else ""
        copied = self.folder / name
        return (
            f"pg_basebackup -h {address['host']} -p {address.get('port', 5432)} -U {address['user']} -D {copied} -X stream -c fast -l {name}{since}",
            f"pg_verifybackup -n {copied}",
        )

    def _made(self, name: str, partial: Path, source: _Source, parent: BaseManifest | None) -> BaseManifest:
        began = time.monotonic()
        since = (f"--incremental={self.folder / parent.name / LIST}",) if parent else ()
        argv = (program("pg_basebackup"), "-D", str(partial), "-X", "stream", "-c", "fast", "-l", name, "--no-password", *since, "-d", shown(self.database_url))
        with signed_in(self.database_url) as environment:
            run_program(argv, within=_BASE_LIMIT, environment=environment)
        listed, after = require_unbroken(partial), self._source()
        return _manifest(name, parent, source, after, listed, took=timedelta(seconds=time.monotonic() - began))

    def _source(self) -> _Source:
        with connection(self.database_url, name="ue-base", statement_limit=_LOOK_LIMIT) as session:
            row = session.execute(sql("recovery_source")).fetchone()
            # After the position, from which on the log is searched: a file that a table gets in between is not searched for in vain.
            tables = read_tables(session)
        if row is None:
            raise BaseFailed(what="the server says nothing of itself", remedy="look at the server's log")
        clock, version, position, summarized, tablespaces, size = row
        database = str(conninfo_to_dict(self.database_url.get_secret_value())["dbname"])
        return _Source(
            clock=clock,
            version=version,
            position=position,
            summarized=summarized,
            tablespaces=tablespaces,
            segment_bytes=size,
            database=database,
            tables=tables,
        )

    @staticmethod
    def _require_possible(source: _Source) -> None:
        if source.tablespaces:
            raise BaseFailed(
                what="the server has tablespaces of its own, whose places a copy can't have", remedy="use pg_basebackup --tablespace-mapping by hand"
            )

    def _parent(self, source: _Source) -> BaseManifest:
        """Return the newest base backup, where this server can tell what changed since. Raises: NoParent."""
        newest = next(iter(self.all()), None)
        if newest is None:
            raise NoParent(what="there is no base backup that this one could hold the changes since", remedy="make a whole one first: ue backup base")
        if source.major < INCREMENTAL_SINCE or not source.summarized:
            why = f"PostgreSQL {source.version} can't" if source.major < INCREMENTAL_SINCE else "summarize_wal is off there"
            raise NoParent(what=f"the server does not tell what changed since {newest.name}: {why}", remedy="make a whole one: ue backup base")
        return newest

    def _let_in(self, said: str) -> str | None:
        told = conninfo_to_dict(self.database_url.get_secret_value())
        return kept_out(said, role=str(told["user"]), database=str(told["dbname"]))


def read_tables(session: psycopg.Connection) -> dict[str, str]:
    """Return which file each table of the database has: `public.claims` -> `base/16384/24601`."""
    return {str(table): str(file) for table, file in session.execute(sql("recovery_tables"))}


def major(version: str) -> int:
    """Return the 18 of `18.4 (Debian 18.4-1)`."""
    return int(version.split(maxsplit=1)[0].partition(".")[0])


def _manifest(name: str, parent: BaseManifest | None, before: _Source, after: _Source, listed: Listed, *, took: timedelta) -> BaseManifest:
    return BaseManifest(
        name=name,
        parent=parent.name if parent else None,
        started_at=before.clock,
        ended_at=after.clock,
        took=took,
        bytes=listed.bytes,
        files=listed.files,
        timeline=listed.timeline,
        start_lsn=listed.start_lsn,
        end_lsn=listed.end_lsn,
        system=listed.system,
        server_version=after.version,
        segment_bytes=after.segment_bytes,
        database=after.database,
        tables=after.tables,
        tables_at=after.position,
        checksum=listed.checksum,
    )


def _read(path: Path) -> BaseManifest | None:
    try:
        return BaseManifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
