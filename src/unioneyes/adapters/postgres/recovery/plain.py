"""Base backups and the log that this program keeps itself, in two folders: nothing else is needed to recover."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from unioneyes.adapters.postgres.connections import connection
from unioneyes.adapters.postgres.programs import run_program
from unioneyes.adapters.postgres.recovery.archive import WalArchive
from unioneyes.adapters.postgres.recovery.bases import BaseBackups
from unioneyes.adapters.postgres.recovery.catalogue import Keeping, Tables
from unioneyes.adapters.postgres.recovery.receiving import SLOT
from unioneyes.adapters.postgres.recovery.retention import Surplus, surplus
from unioneyes.adapters.postgres.recovery.scratch import programs_of
from unioneyes.ports.database import DatabaseUnavailable
from unioneyes.ports.recovery import BaseBackup, Pruned, WalMode

_COPY_LIMIT = timedelta(hours=4)
_LOOK_LIMIT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainCatalogue:
    """Implements `Catalogue`: the manifests beside the base backups say what there is."""

    made: BaseBackups
    log: WalArchive
    mode: WalMode
    window: timedelta

    @property
    def whole(self) -> bool:
        """True: `pg_basebackup` streams the log that is written meanwhile."""
        return True

    @property
    def database_url(self) -> SecretStr:
        """The operated database's address."""
        return self.made.database_url

    @property
    def folder(self) -> Path:
        """Where the base backups stand."""
        return self.made.folder

    def bases(self) -> tuple[BaseBackup, ...]:
        """Return every base backup, newest first."""
        return tuple(each.base(self.folder) for each in self.made.all())

    def needed(self) -> int:
        """Return the bytes that a recovery from the newest one takes."""
        newest = next(iter(self.made.all()), None)
        return sum(each.bytes for each in self.made.chain(newest.name)) if newest else 0

    def keeping(self, *, faults: bool) -> Keeping:
        """Return how the log is kept."""
        del faults  # nobody else finds any
        return Keeping(mode=self.mode, receiver=None if self.mode is WalMode.NONE else SLOT, slot=SLOT, window=self.window)

    def tables(self, name: str) -> Tables:
        """Return what the manifest says of the tables."""
        manifest = self.made.get(name)
        return Tables(files=manifest.tables, since=manifest.tables_at)

    def note(self, name: str, tables: Tables) -> None:
        """Nothing: each manifest says it from the beginning."""

    def take(self, name: str, *, incremental: bool) -> BaseBackup:
        """A base backup called `name` exists, whole and verified. Raises: BaseFailed, NoParent, DatabaseUnavailable, BadInput."""
        return self.made.take(name, incremental=incremental).base(self.folder)

    def verify(self, name: str) -> BaseBackup:
        """Return the base backup once each of its files is what the server sent. Raises: BaseBroken, NoSuchBase."""
        return self.made.verify(name).base(self.folder)

    def lay_out(self, name: str, into: Path) -> None:
        """A data folder holds the files of the base backup, put together of those it holds the changes since."""
        chain = [str(self.folder / each.name) for each in self.made.chain(name)]
        if len(chain) == 1:
            argv: tuple[str, ...] = ("cp", "-a", "--reflink=auto", chain[0], str(into))
        else:
            combine = programs_of(self.made.get(name).server_version) / "pg_combinebackup"
            argv = (str(combine), "--no-sync", "-o", str(into), *chain)
        run_program(argv, within=_COPY_LIMIT)

    def prunable(self) -> Pruned:
        """Return what nobody needs for the window."""
        found = self._surplus()
        sizes = {each.name: each.bytes for each in self.made.all()}
        freed = sum(sizes[name] for name in found.bases) + len(found.segments) * self.log.size
        return Pruned(bases=found.bases, segments=len(found.segments), bytes=freed)

    def prune(self) -> Pruned:
        """What nobody needs for the window is gone: the base backups first, whose log goes with them."""
        with self.made.turn():
            found = self._surplus()
            freed = self.made.remove(found.bases) + self.log.remove(found.segments)
        return Pruned(bases=found.bases, segments=len(found.segments), bytes=freed)

    def describe_take(self, name: str, *, incremental: bool) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        return self.made.describe(name, incremental=incremental)

    def describe_lay_out(self, name: str, into: Path) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        chain = self.made.chain(name)
        folders = " ".join(str(self.folder / each.name) for each in chain)
        return (f"cp -a {folders} {into}" if len(chain) == 1 else f"pg_combinebackup -o {into} {folders}",)

    def describe_prune(self) -> tuple[str, ...]:
        """Return the commands that a person would type for the same."""
        found = self._surplus()
        kept = [each for each in self.made.all() if each.name not in found.bases]
        removed = tuple(f"rm -r {self.folder / name}.json {self.folder / name}" for name in found.bases)
        if not found.segments or not kept:
            return removed
        last = max(found.segments, key=lambda segment: segment.number)
        return (*removed, f"cd {self.log.folder} && rm ...   # {len(found.segments)} segments, up to {last.name(size=self.log.size)}")

    def _surplus(self) -> Surplus:
        """Return what may go by the server's clock; by the newest base backup where the server does not answer, which keeps the more."""
        bases = self.bases()
        if not bases:
            return Surplus(bases=(), segments=())
        try:
            now = read_clock(self.database_url)
        except DatabaseUnavailable:
            now = bases[0].ended_at
        return surplus(bases, self.log.kept().segments, now=now, window=self.window, size=self.log.size)


def read_clock(database_url: SecretStr) -> datetime:
    """Return the time by the server's clock. Raises: DatabaseUnavailable."""
    with connection(database_url, name="ue-recovery", statement_limit=_LOOK_LIMIT) as session:
        (clock,) = session.execute("SELECT clock_timestamp()").fetchone() or (None,)
    if not isinstance(clock, datetime):
        raise DatabaseUnavailable(what="the server does not say what time it is", remedy="look at its log")
    return clock
